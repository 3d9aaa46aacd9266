// Small histories on one book: rounds in which three or four processes make a few calls to two
// accounts and one lease, all at once; in every other round one of them is killed at some access to
// shared memory.
#pragma once

#include <memory>
#include <set>

#include "base/atomic.h"
#include "base/probe.h"
#include "support/history_caller.h"
#include "support/history_witness.h"
#include "support/small_book.h"

namespace casbook::test_support {

class HistoryRounds {
 public:
  static constexpr uint32_t kRoundsMax = 200;

  // `mutant`: in those processes.
  explicit HistoryRounds(uint64_t seed, base::Mutant mutant = base::Mutant::none);

  // One more. What contradicts linearizability; empty: nothing.
  std::string run_round();
  // The whole of it against the log.
  std::vector<std::string> check();

  std::vector<HistoryCall> calls() const { return world_->board.calls(); }
  uint64_t kills() const { return kills_; }
  uint64_t too_long() const { return too_long_; }  // rounds that were not looked at

 private:
  // Of the processes of one round.
  struct Gate {
    std::atomic<uint32_t> ready, finished, is_over;
    std::atomic<int64_t> begin_ns;
  };
  std::vector<Account> accounts_of(uint32_t round) const;
  void be_caller(uint32_t number, uint64_t seed, bool is_struck);
  std::set<uint32_t> run_callers(uint64_t seed);
  void look_at_the_end();

  test::Random random_;
  const base::Mutant mutant_;
  Shared<HistoryWorld> world_;
  Shared<Gate> gate_;
  SmallBook book_;
  std::vector<Account> accounts_;
  LogReader reader_;
  HistoryWitness witness_;
  uint32_t round_ = 0, processes_ = 0;
  uint64_t kills_ = 0, too_long_ = 0;
};

}  // namespace casbook::test_support
