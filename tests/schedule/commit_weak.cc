// The random schedules of commit_random.cc in memory as weak as the orders in the code allow
// (support/weak_memory.h): stale loads, and nothing ordered but by release, acquire and fence. And
// the directed ones, late in other ways each time. The rules are the same, with one difference: an
// answer has to be no older than what happened before the question, where "before" is what the
// process can know. CASBOOK_SECONDS sets the time for each test (default 4), CASBOOK_SEED the seed.
#include <gtest/gtest.h>

#include "support/commit_exploration.h"
#include "support/hunt.h"
#include "support/weak_memory.h"

namespace casbook::test {
namespace {

class CommitWeak : public testing::Test {
 protected:
  CommitWeak() { weakness.is_on = true; }
  ~CommitWeak() override { weakness = {}; }
};

TEST_F(CommitWeak, PayersAndObserversWithKillsAndStops) { explore(run_payers); }
TEST_F(CommitWeak, SealsAndOpeningsWithKillsAndStops) { explore(run_gate); }
TEST_F(CommitWeak, FollowersAndReadersWithKillsAndStops) { explore(run_followers); }

TEST_F(CommitWeak, DirectedSchedules) {
  for (weakness.seed = 1; weakness.seed <= 50; ++weakness.seed)
    EXPECT_EQ(run_core_scenarios(), "") << "weakness.seed " << weakness.seed;
}

}  // namespace
}  // namespace casbook::test
