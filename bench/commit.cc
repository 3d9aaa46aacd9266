// The commit layer alone: a transfer between two cells, without payment ids, limits or receipts.
//
//   committer    the protocol: lock, claim, apply, release
//   log_writer   the same and the copy of its record into the ring
#include "arena/attachment.h"
#include "book/layout.h"
#include "commit/read.h"
#include "floor.h"
#include "log/log_writer.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

// The arena of a book whose accounts are never opened: their cells are used as they are.
class OwnArena {
 public:
  explicit OwnArena(uint64_t accounts) {
    const std::string name = own_name();
    must(Book::create(name, book_options(accounts, 1'000)));
    mapping_ = must(arena::attach("/dev/shm", name, arena::Access::read_write));
    store_.emplace(*mapping_);
    tables_.emplace(*store_);
    attachment_ = must(arena::Attachment::open(*mapping_, [](uint32_t) {}));
    (void)Book::destroy(name);
  }

  const commit::Store& store() const { return *store_; }
  commit::Unit account(uint64_t index) const { return tables_->account(index); }
  uint32_t open_session() { return must(attachment_->open_session()); }
  void close_session(uint32_t session) { attachment_->close_session(session); }

 private:
  std::unique_ptr<arena::Mapping> mapping_;
  std::optional<commit::Store> store_;
  std::optional<book::Tables> tables_;
  std::unique_ptr<arena::Attachment> attachment_;
};

OwnArena& shared_arena(uint64_t accounts) {
  static std::map<uint64_t, std::unique_ptr<OwnArena>> arenas;
  auto& arena = arenas[accounts];
  if (!arena) arena = std::make_unique<OwnArena>(accounts);
  return *arena;
}

// As an owner of the cells would plan it: read both, write both.
template <class Writer>
class Transfers {
 public:
  Transfers(OwnArena& arena, Writer& writer) : arena_(arena), writer_(writer) {}

  commit::CommitResult transfer(Random::Two pair) {
    set_.clear();
    add(arena_.account(pair.first), uint64_t{0} - 1);
    add(arena_.account(pair.second), 1);
    set_.describe(commit::Kind::payment, 0);
    return writer_.commit(set_);
  }

 private:
  void add(commit::Unit unit, uint64_t delta) {
    commit::read_cell(arena_.store(), writer_.executor(), unit, 1, image_);
    set_.set(unit, book::kAvailable, image_.version, image_.value[0] + delta, image_.value[0]);
  }

  OwnArena& arena_;
  Writer& writer_;
  commit::WriteSet set_;
  commit::CellImage image_;
};

template <class Writer>
void transfer(benchmark::State& state, uint64_t accounts, uint64_t ahead) {
  OwnArena& arena = shared_arena(accounts);
  const uint32_t session = arena.open_session();
  Writer writer(arena.store(), session);
  Transfers<Writer> transfers(arena, writer);
  Random random(7);
  std::vector<Random::Two> pairs(std::max<uint64_t>(ahead, 1), random.two_below(accounts));
  uint64_t turn = 0;
  bool ok = true;
  const double ns = time_loop(state, [&] {
    Random::Two& pair = pairs[turn++ % pairs.size()];
    const auto result = transfers.transfer(pair);
    ok &= result.outcome == commit::Outcome::committed;
    // Nobody copies the committer's records: they are given up, all descriptors' at once.
    if constexpr (std::is_same_v<Writer, commit::Committer>)
      if (turn % kDescriptorsPerSession == 1)
        ok &= commit::Retention::raise_floor(arena.store(), Position{result.position}.lsn() + 1);
    pair = random.two_below(accounts);
    if (ahead == 0) return;
    base::prefetch_for_write(&arena.store().cell(arena.account(pair.first)));
    base::prefetch_for_write(&arena.store().cell(arena.account(pair.second)));
  });
  if (!ok) state.SkipWithError("a commit was refused");
  arena.close_session(session);
  compare(state, ns, Floor::two_cas_record, accounts);
  compare(state, ns, Floor::robust_pair, accounts);
}

void register_floors(const Sizes& sizes) {
  register_floor(Floor::cas_8, 1);
  register_floor(Floor::cas_16, 1);
  for (const uint64_t accounts : {sizes.few, sizes.many}) {
    register_floor(Floor::two_cas_record, accounts);
    register_floor(Floor::robust_pair, accounts);
  }
}

void register_benchmarks(const Sizes& sizes) {
  for (const uint64_t accounts : {sizes.few, sizes.many})
    for (const uint64_t ahead : {0, 8}) {
      const std::string rest =
          std::string(ahead ? "_prefetched" : "") + "/accounts:" + std::to_string(accounts);
      benchmark::RegisterBenchmark(("transfer/committer" + rest).c_str(),
                                   transfer<commit::Committer>, accounts, ahead);
      benchmark::RegisterBenchmark(("transfer/log_writer" + rest).c_str(), transfer<log::LogWriter>,
                                   accounts, ahead);
    }
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
