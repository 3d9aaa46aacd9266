// Random schedules of everything at once: payers by set and add, guards, checks, recorded refusals,
// reads and snapshots, readers and followers of the log, seals and openings; kills with take-over,
// and stops. CASBOOK_SECONDS sets the time for each test (default 4), CASBOOK_SEED the first seed.
#include <gtest/gtest.h>

#include "support/commit_exploration.h"

namespace casbook::test {
namespace {

TEST(CommitRandom, PayersAndObserversWithKillsAndStops) { explore(run_payers); }
TEST(CommitRandom, PaymentsOverManyCellsInBothLanes) { explore(run_wide); }
TEST(CommitRandom, SealsAndOpeningsWithKillsAndStops) { explore(run_gate); }
TEST(CommitRandom, FollowersAndReadersWithKillsAndStops) { explore(run_followers); }

}  // namespace
}  // namespace casbook::test
