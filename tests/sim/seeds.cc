// Clusters by the hundred, each of its own seed: nodes die, disks lie, the network does what it
// wants, and whoever pays is never told what is not so.
//
//   CASBOOK_SEED=n         that one alone; with CASBOOK_SIM_TRACE=1 it says what happens
//   CASBOOK_SIM_SEEDS=n    so many
//   CASBOOK_SIM_ROUGH=1    three times as long, and more goes wrong at once
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "support/sim_cluster.h"

namespace casbook::test {
namespace {

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

constexpr uint64_t kParts = 4;
constexpr uint64_t kSeeds = 320;

class Seeds : public testing::TestWithParam<uint64_t> {};

TEST_P(Seeds, NobodyIsToldWhatIsNotSo) {
  const uint64_t alone = number_from("CASBOOK_SEED", 0);
  const bool is_traced = number_from("CASBOOK_SIM_TRACE", 0) != 0;
  const bool is_rough = number_from("CASBOOK_SIM_ROUGH", 0) != 0;
  if (alone != 0) {
    if (alone % kParts != GetParam()) return;
    const SimReport report =
        simulate({.seed = alone, .is_traced = is_traced, .is_rough = is_rough});
    std::printf("%s\n", describe(report).c_str());
    EXPECT_EQ(report.violation, "");
    return;
  }
  const uint64_t seeds = number_from("CASBOOK_SIM_SEEDS", kSeeds);
  int failures = 0;
  for (uint64_t seed = 1; seed <= seeds && failures < 8; ++seed) {
    if (seed % kParts != GetParam()) continue;
    const SimReport report = simulate({.seed = seed, .is_traced = is_traced, .is_rough = is_rough});
    if (number_from("CASBOOK_SIM_VERBOSE", 0)) std::printf("%s\n", describe(report).c_str());
    EXPECT_EQ(report.violation, "") << describe(report);
    failures += !report.violation.empty();
  }
}

INSTANTIATE_TEST_SUITE_P(Part, Seeds, testing::Range<uint64_t>(0, kParts));

// Every third cluster changes its keys, every second one gives copies.
TEST(Rotation, ComesInTheMiddleOfCopiesToo) {
  uint64_t loaded_in_copies = 0;
  for (uint64_t seed = 6; seed <= 120 && loaded_in_copies == 0; seed += 6) {
    const SimReport report = simulate({.seed = seed});
    EXPECT_EQ(report.violation, "") << describe(report);
    EXPECT_GE(report.rotations, 2u) << describe(report);
    loaded_in_copies += report.loaded_in_copies;
  }
  EXPECT_GT(loaded_in_copies, 0u);
}

TEST(Replay, TheSameSeedIsTheSameRun) {
  for (const uint64_t seed : {3, 4, 7}) {
    const SimReport one = simulate({.seed = seed}), other = simulate({.seed = seed});
    EXPECT_EQ(one.trace_hash, other.trace_hash) << describe(one) << "\n" << describe(other);
    EXPECT_EQ(one.events, other.events);
  }
  EXPECT_NE(simulate({.seed = 3}).trace_hash, simulate({.seed = 4}).trace_hash);
}

}  // namespace
}  // namespace casbook::test
