// How fast a follower's arena takes what the leader committed: entries of some 64 KiB, as they come
// out of the leader's ring, applied by one thread.
//
// The floor is what any applier has to do: check each record and change its words in the cells, as
// replay from disk does, without locks, log or ring; record by record, with nothing brought near.
//
// Beside it what the comparison of the books costs either side: the sums over entries, per record,
// and over cells, per MiB of them (8 MiB a second at most, by default).
#include <cstring>

#include "cells.h"
#include "journal/replay.h"
#include "log/follower.h"
#include "log/log_reader.h"
#include "replicate/digest.h"
#include "replicate/replica.h"

namespace casbook::bench {
namespace {

using replicate::LogEntry;

// The entries of one round.
class RoundEntries : public replicate::EntrySource {
 public:
  explicit RoundEntries(const std::vector<replicate::EntryPtr>& list) : list_(list) {}
  replicate::EntryPtr entry(uint64_t index) override {
    const bool is_there =
        !list_.empty() && index >= list_[0]->index && index - list_[0]->index < list_.size();
    return is_there ? list_[index - list_[0]->index] : nullptr;
  }
  uint64_t term_of(uint64_t) override { return 1; }

 private:
  const std::vector<replicate::EntryPtr>& list_;
};

constexpr uint64_t kEntryBytes = 64 << 10;
constexpr uint64_t kRound = 16'384;  // payments made, then applied

// A mapping, and a replica of its arena.
class Node {
 public:
  explicit Node(const std::string& name)
      : cells_(name),
        attachment_(must(arena::Attachment::open(cells_.mapping(), [](uint32_t) {}))),
        replica_(must(replicate::Replica::open(cells_.store(), *attachment_))) {}
  Cells& cells() { return cells_; }
  replicate::Replica& replica() { return *replica_; }
  // The ring waits for whoever takes from it, as for a daemon.
  log::Follower follow() {
    return must(log::Follower::open(cells_.store(), attachment_->ref(), "replication",
                                    log::FullPolicy::refuse_payments, log::Follower::Start::end));
  }

 private:
  Cells cells_;
  std::unique_ptr<arena::Attachment> attachment_;
  std::unique_ptr<replicate::Replica> replica_;
};

// The same book, its log empty and its gate shut: the original is at rest.
std::unique_ptr<Node> twin_of(Cells& original) {
  auto request = must(journal::request_of(must(journal::shape_of(original.mapping())), "/dev/shm"));
  request.name = own_name();
  must(arena::create(request, [&](arena::Mapping& mapping) -> Result<void> {
    const auto& cells = mapping.header().regions[static_cast<uint32_t>(arena::Region::cells)];
    std::memcpy(mapping.region<std::byte>(arena::Region::cells),
                original.mapping().region<std::byte>(arena::Region::cells), cells.bytes);
    commit::Store::format_log(mapping, false, Position::of(1, log::log_end(original.store())));
    return {};
  }));
  auto twin = std::make_unique<Node>(request.name);
  (void)Book::destroy(request.name);
  return twin;
}

// A book that pays, and two arenas that follow it.
class Pair {
 public:
  Pair(uint64_t accounts, uint64_t payments)
      : name_(own_name()), book_(name_, accounts, payments), leader_(name_) {
    follower_ = twin_of(leader_.cells());
    floor_ = twin_of(leader_.cells());
    (void)Book::destroy(name_);
    next_lsn_ = follower_->replica().next_lsn();
  }

  void pay() {
    for (uint64_t i = 0; i < kRound; ++i) must(book_.session().pay(book_.payment(random_)));
  }
  // What was paid since the last round.
  void take() {
    entries_.clear();
    for (;;) {
      LogEntry entry = must(leader_.replica().take(next_lsn_, kEntryBytes));
      if (entry.count == 0) return taken_.release_up_to(next_lsn_);
      next_lsn_ += entry.count;
      entry.index = ++index_;
      entries_.push_back(std::make_shared<const LogEntry>(std::move(entry)));
    }
  }
  void apply() {
    for (const auto& entry : entries_) must(follower_->replica().apply(*entry));
  }
  void replay() {
    for (const auto& entry : entries_) {
      const auto* words = reinterpret_cast<const uint64_t*>(entry->body.data());
      for (uint32_t i = 0; i < entry->count; ++i) {
        const uint32_t count = log::encoded_words(words[1]);
        must(journal::apply_record(floor_->cells().store(), {words, count}));
        words += count;
      }
    }
  }
  // Of the next part of the book; no blocks: of the entries alone.
  void digest(uint32_t blocks) {
    const auto digest = digests_.make(leader_.cells().store(), source_,
                                      {.term = 1,
                                       .index = index_,
                                       .position = entries_.back()->last(),
                                       .first_unit = unit_,
                                       .blocks = blocks});
    unit_ = replicate::unit_behind(digest);
  }
  uint64_t records() const {
    uint64_t count = 0;
    for (const auto& entry : entries_) count += entry->count;
    return count;
  }

 private:
  std::string name_;
  OwnBook book_;
  Node leader_;
  log::Follower taken_ = leader_.follow();
  std::unique_ptr<Node> follower_, floor_;
  Random random_{1};
  uint64_t next_lsn_ = 0;
  uint64_t index_ = 0, unit_ = 0;
  std::vector<replicate::EntryPtr> entries_;
  RoundEntries source_{entries_};
  replicate::Digests digests_;
};

Pair& pair(uint64_t accounts, const Sizes& sizes) {
  static std::vector<std::pair<uint64_t, std::unique_ptr<Pair>>> pairs;
  for (const auto& [count, made] : pairs)
    if (count == accounts) return *made;
  pairs.emplace_back(accounts, std::make_unique<Pair>(accounts, sizes.payments));
  return *pairs.back().second;
}

template <class Work>
int64_t cpu_ns_of(Work work) {
  const int64_t start = cpu_ns();
  work();
  return cpu_ns() - start;
}

// Processor time per record, the leader's payments not counted.
void apply(benchmark::State& state, const Sizes& sizes, uint64_t accounts) {
  Pair& both = pair(accounts, sizes);
  uint64_t records = 0;
  constexpr uint32_t kBlocks = 56;
  constexpr double kMiBOfCells = kBlocks * 4096 / 1048576.0;
  int64_t take_ns = 0, floor_ns = 0, apply_ns = 0, entries_ns = 0, cells_ns = 0;
  for (auto _ : state) {
    both.pay();
    take_ns += cpu_ns_of([&] { both.take(); });
    floor_ns += cpu_ns_of([&] { both.replay(); });
    apply_ns += cpu_ns_of([&] { both.apply(); });
    entries_ns += cpu_ns_of([&] { both.digest(0); });
    cells_ns += cpu_ns_of([&] { both.digest(kBlocks); });
    records += both.records();
  }
  const auto per_record = [&](int64_t ns) {
    return static_cast<double>(ns) / static_cast<double>(records);
  };
  state.counters["take_ns"] = per_record(take_ns);
  state.counters["floor_ns"] = per_record(floor_ns);
  state.counters["apply_ns"] = per_record(apply_ns);
  state.counters["x_floor"] = static_cast<double>(apply_ns) / static_cast<double>(floor_ns);
  state.counters["entry_sums_ns"] = per_record(entries_ns);
  state.counters["cell_sums_us_per_MiB"] =
      static_cast<double>(cells_ns) / 1e3 / kMiBOfCells / static_cast<double>(state.iterations());
  state.counters["Mrecords_per_s"] = 1e3 / per_record(apply_ns);
}

void add(const char* name, const Sizes& sizes, uint64_t accounts) {
  benchmark::RegisterBenchmark(name, [&sizes, accounts](benchmark::State& state) {
    apply(state, sizes, accounts);
  })->Unit(benchmark::kMillisecond);
}

void nothing(const Sizes&) {}
void benchmarks(const Sizes& sizes) {
  add("apply/few", sizes, sizes.few);
  add("apply/many", sizes, sizes.many);
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  return casbook::bench::run(argc, argv, casbook::bench::nothing, casbook::bench::benchmarks);
}
