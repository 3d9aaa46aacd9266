// The hunt for seeded bugs: each rule of commit and log is broken on purpose, one at a time, and
// the directed schedules, then random ones, have to notice. A mutant that survives is a rule
// without a test, or none.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "base/probe.h"
#include "support/commit_exploration.h"
#include "support/hunt.h"

namespace casbook::test {
namespace {

using base::Mutant;

std::string hunt() {
  if (const std::string violation = run_scenarios(); !violation.empty()) return violation;
  for (const RunWorld world : {run_payers, run_gate, run_followers}) {
    const Exploration result = explore_for(world, 1.5, 1);
    if (!result.violation.empty()) return "random: " + result.violation;
  }
  return run_long_scenarios();
}

std::string hunt_with(Mutant mutant) {
  return hunt_in_child(20, [mutant] {
    base::probes.mutant = mutant;
    return hunt();
  });
}

struct Name {
  std::string operator()(const testing::TestParamInfo<Mutant>& info) const {
    return base::mutant_name(info.param);
  }
};

class Mutants : public testing::TestWithParam<Mutant> {};

TEST_P(Mutants, IsCaught) {
  const std::string caught = hunt_with(GetParam());
  std::printf("%s\n", caught.c_str());
  EXPECT_NE(caught, "");
}

std::vector<Mutant> of_commit_and_log() {
  std::vector<Mutant> mutants;
  for (auto i = 1; i <= static_cast<int>(Mutant::reader_skips_floor); ++i)
    mutants.push_back(static_cast<Mutant>(i));
  return mutants;
}

INSTANTIATE_TEST_SUITE_P(CommitAndLog, Mutants, testing::ValuesIn(of_commit_and_log()), Name());

TEST(NoMutant, NothingIsCaught) { EXPECT_EQ(hunt_with(Mutant::none), ""); }

}  // namespace
}  // namespace casbook::test
