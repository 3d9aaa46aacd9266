// The commit layer alone: a transfer between two cells, without payment ids, limits or receipts.
//
//   committer    the protocol: lock, claim, apply, release
//   log_writer   the same and the copy of its record into the ring
#include "cells.h"
#include "floor.h"

namespace casbook::bench {
namespace {

OwnArena& shared_arena(uint64_t accounts) {
  static std::map<uint64_t, std::unique_ptr<OwnArena>> arenas;
  auto& arena = arenas[accounts];
  if (!arena) arena = std::make_unique<OwnArena>(accounts);
  return *arena;
}

template <class Writer>
void transfer(benchmark::State& state, uint64_t accounts, uint64_t ahead) {
  OwnArena& arena = shared_arena(accounts);
  const uint32_t session = arena.open_session();
  Transfers<Writer> transfers(arena, session);
  Random random(7);
  std::vector<Random::Two> pairs(std::max<uint64_t>(ahead, 1), random.two_below(accounts));
  uint64_t turn = 0;
  bool ok = true;
  const double ns = time_loop(state, [&] {
    Random::Two& pair = pairs[turn++ % pairs.size()];
    ok &= transfers.transfer(pair);
    pair = random.two_below(accounts);
    if (ahead > 0) transfers.prefetch(pair);
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
