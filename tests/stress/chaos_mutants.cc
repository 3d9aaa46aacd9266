// Bugs that are seeded into the workers of a chaos run, and what its checker has to find: the proof
// that the chaos run can fail. Those that it seldom meets are caught elsewhere, see mutants.def.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "support/chaos_run.h"

namespace casbook {
namespace {

namespace chaos = test_support::chaos;
using base::Mutant;
using chaos::Problem;

struct Seeded {
  Mutant mutant;
  Problem problem;
};
void PrintTo(const Seeded& seeded, std::ostream* out) { *out << base::mutant_name(seeded.mutant); }

class ChaosMutants : public testing::TestWithParam<Seeded> {};

TEST_P(ChaosMutants, IsFound) {
  chaos::RunOptions options;
  options.mutant = GetParam().mutant;
  options.wanted = GetParam().problem;
  options.seed = std::random_device()();
  options.length = std::chrono::seconds(60);  // at most: it ends when the problem is found
  options.stall_after = std::chrono::seconds(3);
  const chaos::RunReport report = chaos::run(options);
  report.print(stdout);
  // A record that nobody will ever publish stops the checker, and with it everybody.
  EXPECT_GT(report.found(GetParam().problem) + report.found(Problem::stall), 0u)
      << chaos::problem_name(GetParam().problem) << " was not found";
}

INSTANTIATE_TEST_SUITE_P(Each, ChaosMutants,
                         testing::Values(Seeded{Mutant::no_status_before_claim, Problem::old_value},
                                         Seeded{Mutant::tail_passes_undecided, Problem::old_value},
                                         Seeded{Mutant::judge_skipped, Problem::refusal},
                                         Seeded{Mutant::adopt_skips_run, Problem::defect},
                                         Seeded{Mutant::reserve_after_publish, Problem::log},
                                         Seeded{Mutant::any_release_to_read, Problem::reader},
                                         Seeded{Mutant::guard_skipped, Problem::missing_guard},
                                         Seeded{Mutant::renew_expired, Problem::lease},
                                         Seeded{Mutant::release_without_token, Problem::lease}),
                         [](const testing::TestParamInfo<Seeded>& given) {
                           return std::string(base::mutant_name(given.param.mutant));
                         });

}  // namespace
}  // namespace casbook
