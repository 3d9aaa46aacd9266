// Every schedule of two processes that conflict on two cells, with up to two switches between them
// and a sixth of those with three, each at every access to a contended word; with and without a
// death at the last switch. CASBOOK_FULL=1: all with three, in a minute.
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/exhaustive_schedule.h"

namespace casbook::test {
namespace {

void expect_all_schedules_right(TwoProcesses processes) {
  const int stride = std::getenv("CASBOOK_FULL") ? 1 : 6;
  for (const bool dies : {false, true}) {
    processes.first_dies = dies;
    const ExhaustiveResult result = explore_exhaustively(processes, stride);
    EXPECT_EQ(result.violation, "");
    EXPECT_GT(result.schedules, 1000u);
    std::printf("%s: %llu schedules\n", dies ? "with a death" : "without",
                static_cast<unsigned long long>(result.schedules));
  }
}

void pay_by_set(World& world) { Payer(world, 0).transfer_set(0, 1, 3); }
void pay_back_by_set(World& world) { Payer(world, 1).transfer_set(1, 0, 2); }
void pay_by_add(World& world) { Payer(world, 0).transfer_add(0, 1, 3); }
void pay_back_by_add(World& world) { Payer(world, 1).transfer_add(1, 0, 2); }
// Together more than there is: one of them is refused.
void pay_too_much_by_add(World& world) { Payer(world, 0).transfer_add(0, 1, 7); }
void pay_too_much_elsewhere(World& world) { Payer(world, 1).transfer_add(0, 2, 7); }
void guard_by_set(World& world) { Payer(world, 1).transfer_set(1, 2, 2, Payer::Extra::guard, 0); }
void check_by_add(World& world) { Payer(world, 0).transfer_add(1, 2, 2, Payer::Extra::guard, 0); }
void mark_first(World& world) { Payer(world, 1).transfer_set(1, 2, 2, Payer::Extra::marker, 0); }
void hold_by_add(World& world) { Payer(world, 0).hold_add(0, 4); }
void refuse(World& world) { Payer(world, 0).record_refusal(0, 12, 1); }
void peek_twice(World& world) {
  for (int i = 0; i < 2; ++i) peek(world, static_cast<uint32_t>(i));
}
void take_one_snapshot(World& world) { take_snapshot(world); }
void seal_and_open(World& world) {
  commit::Executor executor(world.store());
  executor.seal(1);
  executor.open(2);
}
void open_without_seal(World& world) { commit::Executor(world.store()).open(2); }

TEST(CommitExhaustive, SetAgainstSet) { expect_all_schedules_right({pay_by_set, pay_back_by_set}); }
TEST(CommitExhaustive, AddAgainstAdd) { expect_all_schedules_right({pay_by_add, pay_back_by_add}); }
TEST(CommitExhaustive, AddAgainstSet) { expect_all_schedules_right({pay_by_add, pay_back_by_set}); }
TEST(CommitExhaustive, RefusalAgainstCommit) {
  expect_all_schedules_right({pay_too_much_by_add, pay_too_much_elsewhere});
}
TEST(CommitExhaustive, GuardAgainstPayer) {
  expect_all_schedules_right({pay_by_set, guard_by_set});
}
TEST(CommitExhaustive, CheckAgainstMarker) {
  expect_all_schedules_right({check_by_add, mark_first});
}
TEST(CommitExhaustive, RecordedRefusalAgainstCredit) {
  expect_all_schedules_right({refuse, pay_back_by_add});
}
TEST(CommitExhaustive, PeekAgainstPayer) { expect_all_schedules_right({pay_by_add, peek_twice}); }
TEST(CommitExhaustive, PeekAgainstTwoWordsOfOneCell) {
  expect_all_schedules_right({hold_by_add, peek_twice});
}
TEST(CommitExhaustive, SnapshotAgainstPayer) {
  expect_all_schedules_right({pay_by_set, take_one_snapshot});
}
TEST(CommitExhaustive, SealAndOpenAgainstPayer) {
  expect_all_schedules_right({pay_by_set, seal_and_open});
}
TEST(CommitExhaustive, OpenAgainstPayer) {
  expect_all_schedules_right({pay_by_add, open_without_seal});
}

}  // namespace
}  // namespace casbook::test
