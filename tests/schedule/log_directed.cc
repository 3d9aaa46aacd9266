// The copies of records, retention and followers, one schedule for each rule
// (support/log_scenarios.cc and support/follower_scenarios.cc say what each drives at).
#include <gtest/gtest.h>

#include "support/scenario.h"

namespace casbook::test {
namespace {

struct Name {
  std::string operator()(const testing::TestParamInfo<Scenario>& info) const {
    return info.param.name;
  }
};

class LogDirected : public testing::TestWithParam<Scenario> {};
TEST_P(LogDirected, KeepsTheRules) { EXPECT_EQ(GetParam().run(), ""); }
INSTANTIATE_TEST_SUITE_P(Copies, LogDirected, testing::ValuesIn(log_scenarios()), Name());
INSTANTIATE_TEST_SUITE_P(Followers, LogDirected, testing::ValuesIn(follower_scenarios()), Name());

}  // namespace
}  // namespace casbook::test
