// The hunt for seeded bugs: each rule of commit and log is broken on purpose, one at a time, and
// the directed schedules, then random ones, have to notice. A mutant that survives is a rule
// without a test, or none.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "support/commit_exploration.h"
#include "support/scenario.h"

namespace casbook::test {
namespace {

using base::Mutant;

std::string run_scenarios(std::span<const Scenario> scenarios) {
  for (const Scenario& scenario : scenarios) {
    const std::string violation = scenario.run();
    // A scenario that did not come to its place has seen nothing.
    if (!violation.empty() && !violation.starts_with("setup"))
      return std::string(scenario.name) + ": " + violation;
  }
  return "";
}

std::string hunt() {
  for (const auto scenarios : {commit_scenarios(), gate_scenarios(), follower_scenarios()})
    if (const std::string violation = run_scenarios(scenarios); !violation.empty())
      return violation;
  for (const RunWorld world : {run_payers, run_gate, run_followers}) {
    const Exploration result = explore_for(world, 1.5, 1);
    if (!result.violation.empty()) return "random: " + result.violation;
  }
  return run_scenarios(log_scenarios());
}

// In a child of its own: a mutant may end in an assert of the engine, or never.
std::string hunt_in_child(Mutant mutant) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    base::probes.mutant = mutant;
    const std::string violation = hunt();
    (void)!write(ends[1], violation.data(), violation.size());
    _exit(0);
  }
  close(ends[1]);
  std::string caught;
  char text[256];
  for (ssize_t got; (got = read(ends[0], text, sizeof text)) > 0;)
    caught.append(text, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    caught = WTERMSIG(status) == SIGABRT ? "an assert of the engine" : "it never ends";
  return caught;
}

struct Name {
  std::string operator()(const testing::TestParamInfo<Mutant>& info) const {
    return base::mutant_name(info.param);
  }
};

class Mutants : public testing::TestWithParam<Mutant> {};

TEST_P(Mutants, IsCaught) {
  const std::string caught = hunt_in_child(GetParam());
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

TEST(NoMutant, NothingIsCaught) { EXPECT_EQ(hunt_in_child(Mutant::none), ""); }

}  // namespace
}  // namespace casbook::test
