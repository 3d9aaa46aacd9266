// Every fault point, struck with SIGKILL in every scenario that passes it. Whoever survives is not
// blocked, retries under the same ids, and finds the book whole.
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support/crash_scenarios.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;

// The first passages, the middle one and the last.
std::set<uint64_t> passages_to_strike(uint64_t count) {
  std::set<uint64_t> nths;
  for (const uint64_t nth : {uint64_t{1}, uint64_t{2}, uint64_t{3}, (count + 1) / 2, count})
    if (nth >= 1 && nth <= count) nths.insert(nth);
  return nths;
}

// Whether the victim was struck; it may pass a point less often than when it was counted.
bool strike(const Scenario& scenario, const Strike& strike) {
  Stage stage;
  stage.strike = strike;
  scenario.prepare(stage);
  Child victim([&] { scenario.act(stage); });
  const bool is_struck = victim.was_killed_by(SIGKILL);
  EXPECT_TRUE(is_struck || victim.succeeded()) << "the victim failed by itself";
  scenario.settle(stage);
  stage.others.clear();
  stage.book.check();
  return is_struck;
}

class CommitPoints : public testing::TestWithParam<Scenario> {};

TEST_P(CommitPoints, KilledAtAnyTheSurvivorFinishes) {
  const Passages passages = passages_of(GetParam());
  for (size_t i = 0; i < kFaultPoints; ++i) {
    const auto point = static_cast<FaultPoint>(i);
    if (passages.of(point) == 0) continue;
    for (const uint64_t nth : passages_to_strike(passages.of(point))) {
      SCOPED_TRACE(std::string(base::fault_point_name(point)) + ", passage " + std::to_string(nth) +
                   " of " + std::to_string(passages.of(point)));
      // A passage that depends on the timing of two processes gets another chance.
      bool is_struck = false;
      for (int tries = 0; !is_struck && tries < 5 && !HasFailure(); ++tries)
        is_struck = strike(GetParam(), {point, nth});
      EXPECT_TRUE(is_struck) << "counted, but never struck";
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, CommitPoints, testing::ValuesIn(scenarios()),
                         [](const testing::TestParamInfo<Scenario>& given) {
                           return given.param.name;
                         });

// Only the slow lane agrees on what was found: who says that he takes it does, and nobody else.
TEST(CommitPointsOfPayments, AreThoseOfTheirLane) {
  std::map<std::string, uint64_t> agreed;
  for (const Scenario& scenario : scenarios())
    agreed[scenario.name] = passages_of(scenario).of(FaultPoint::commit_after_agree);
  EXPECT_EQ(agreed.at("pay_fast"), 0u);
  EXPECT_EQ(agreed.at("pay_widest"), 0u);
  EXPECT_EQ(agreed.at("pay_slow"), 1u);
  EXPECT_EQ(agreed.at("pay_many"), 50u) << "of 300 every sixth";
  EXPECT_GE(agreed.at("help_agreed"), 1u) << "the other's";
}

// Of the journal and its daemon: crash/daemon_death.cc, which has a list of its own.
bool is_of_the_daemon(std::string_view name) {
  for (const std::string_view prefix : {"segment_", "entry_", "serve_", "recover_", "checkpoint_",
                                        "apply_", "replace_", "follower_arena_", "copy_"})
    if (name.starts_with(prefix)) return true;
  return false;
}

// What a scenario passes, the test above strikes.
TEST(CommitPointsList, IsPassedAsAWhole) {
  std::set<FaultPoint> passed;
  for (const Scenario& scenario : scenarios()) {
    const Passages passages = passages_of(scenario);
    for (size_t i = 0; i < kFaultPoints; ++i)
      if (passages.at[i] != 0) passed.insert(static_cast<FaultPoint>(i));
  }
  for (size_t i = 0; i < kFaultPoints; ++i) {
    const std::string_view name = base::fault_point_name(static_cast<FaultPoint>(i));
    EXPECT_TRUE(is_of_the_daemon(name) || passed.contains(static_cast<FaultPoint>(i)))
        << name << " is passed by no scenario";
  }
}

}  // namespace
}  // namespace casbook
