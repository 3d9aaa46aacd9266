// The known holes at the edges of the commit protocol, one schedule each (support/*_scenarios.cc
// say what each drives at), and two schemes that look right and are not.
#include <gtest/gtest.h>

#include "support/scenario.h"

namespace casbook::test {
namespace {

struct Name {
  std::string operator()(const testing::TestParamInfo<Scenario>& info) const {
    return info.param.name;
  }
};

class CommitDirected : public testing::TestWithParam<Scenario> {};
TEST_P(CommitDirected, KeepsTheRules) { EXPECT_EQ(GetParam().run(), ""); }
INSTANTIATE_TEST_SUITE_P(Core, CommitDirected, testing::ValuesIn(commit_scenarios()), Name());
INSTANTIATE_TEST_SUITE_P(Gate, CommitDirected, testing::ValuesIn(gate_scenarios()), Name());

// Private state of one arena, used on another (the same file formatted anew): a hint behind the end
// would leave a hole in the log. It is a defect of the caller, and noticed.
TEST(CommitDirected, HintOfAnotherArenaShutsTheBookInsteadOfLeavingAHole) {
  Stage stage;
  Payer payer(stage.world, 0);
  for (int i = 0; i < 6; ++i) payer.transfer_set(0, 1, 1);
  stage.world.arena.format(true, 10);
  payer.transfer_set(0, 1, 1);
  EXPECT_EQ(stage.world.store().control().gate.load_relaxed() & 1, 0u);
  EXPECT_EQ(stage.world.store().closed_code(), Code::quarantined);
}

// Why nothing is ever undone in place: a helper stands before its write of a word, with the value
// that it read. The commit is undone by putting back exactly what was there. The helper wakes.
TEST(WrongSchemes, UndoInPlaceBringsAnUndoneWriteBack) {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(owner, base::FaultPoint::commit_after_decide);
  Process& helper = stage.helper_of(0);
  stage.to_cas(helper, &stage.cell(0).word(0));
  stage.finish(owner);
  for (uint32_t account : {0, 1}) {
    stage.cell(account).word(0).lo.initialise(10);
    stage.cell(account).word(0).hi.initialise(0);
    stage.cell(account).state.initialise(0);
  }
  stage.finish(helper);
  EXPECT_EQ(stage.world.schedule.failure(), "");
  EXPECT_EQ(stage.cell(0).word(0).lo.load_relaxed(), 9u) << "the scheme would have been right";
}

// Why a SEAL is never taken back by emptying its slot: an executor stands before its claim of that
// slot; sealed, its instance is aborted; emptied again, the claim succeeds.
TEST(WrongSchemes, EmptyingTheSlotOfASealCommitsAnAbortedInstance) {
  Stage stage;
  const commit::Store& store = stage.world.store();
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_cas(owner, &store.slot(1));
  const uint64_t lsn = store.slot(1).lo.load_relaxed(), content = store.slot(1).hi.load_relaxed();
  stage.finish(stage.other([&] {
    commit::Executor executor(store);
    executor.seal(1);
    executor.run_session(0);
  }));
  store.slot(1).lo.initialise(lsn);
  store.slot(1).hi.initialise(content);
  store.control().gate.initialise(1 << 1 | 1);
  stage.world.schedule.step(owner);
  EXPECT_TRUE(commit::is_reference(store.slot(1).hi.load_relaxed()));
  EXPECT_EQ(commit::status_state(stage.descriptor(0).status.lo.load_relaxed()),
            commit::State::aborted)
      << "the scheme would have been right";
}

}  // namespace
}  // namespace casbook::test
