// The chaos run over hosts; see support/cluster_chaos.h. CASBOOK_CHAOS_SECONDS (6 for each run) and
// CASBOOK_SEED choose. CASBOOK_CHAOS_REPORT names a file for the report, to which each run adds its
// own. CASBOOK_CHAOS_DISKS=1: each host has a disk of its own in all runs, full or still now and
// then.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "support/cluster_chaos.h"

namespace casbook {
namespace {

using test_support::ClusterChaosOptions;

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void write_report(const char* path, uint64_t seconds, uint64_t seed,
                  const test_support::ClusterChaos& chaos) {
  std::FILE* const file = std::fopen(path, "a");
  ASSERT_NE(file, nullptr) << "CASBOOK_CHAOS_REPORT: cannot write " << path;
  std::fprintf(file, "%s CASBOOK_CHAOS_SECONDS=%llu CASBOOK_SEED=%llu\n",
               testing::UnitTest::GetInstance()->current_test_info()->name(),
               static_cast<unsigned long long>(seconds), static_cast<unsigned long long>(seed));
  chaos.print(file);
  std::fprintf(file, "\n");
  EXPECT_EQ(std::fclose(file), 0);
}

void run_chaos(ClusterChaosOptions options) {
  const uint64_t seconds = number_from("CASBOOK_CHAOS_SECONDS", 6);
  const uint64_t seed = number_from("CASBOOK_SEED", std::random_device()());
  if (seconds > 60) options.payments = 400'000;
  options.disks |= number_from("CASBOOK_CHAOS_DISKS", 0) != 0;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  test_support::ClusterChaos chaos(options, seed);
  if (!chaos.why_not().empty()) GTEST_SKIP() << "no hosts here: " << chaos.why_not();
  chaos.run(seconds);
  EXPECT_TRUE(chaos.is_worth_its_name(seconds));
  chaos.print(stdout);
  if (const char* const path = std::getenv("CASBOOK_CHAOS_REPORT"))
    write_report(path, seconds, seed, chaos);
}

TEST(ClusterChaos, ThreeHostsThatAreKilledLoseNothing) { run_chaos({}); }

TEST(ClusterChaos, FiveHostsThatAreKilledLoseNothing) { run_chaos({.hosts = 5}); }

TEST(ClusterChaos, FiveHostsWithBridgesLoseNothing) {
  run_chaos({.hosts = 5, .kills = false, .bridges = true});
}

TEST(ClusterChaos, ThreeHostsThatAreOnlyCutOffKeepAQuorumToo) { run_chaos({.kills = false}); }

}  // namespace
}  // namespace casbook
