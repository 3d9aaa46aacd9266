// The chaos run; see support/chaos_world.h. CASBOOK_CHAOS_SECONDS (30) and CASBOOK_SEED choose,
// CASBOOK_CHAOS_REPORT names a file for the report.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "support/chaos_run.h"

namespace casbook {
namespace {

namespace chaos = test_support::chaos;

void write_report(const char* path, const chaos::RunOptions& options,
                  const chaos::RunReport& report) {
  std::FILE* file = std::fopen(path, "w");
  ASSERT_NE(file, nullptr) << "CASBOOK_CHAOS_REPORT: cannot write " << path;
  std::fprintf(file, "CASBOOK_CHAOS_SECONDS=%lld CASBOOK_SEED=%llu\n",
               static_cast<long long>(options.length.count() / 1000),
               static_cast<unsigned long long>(options.seed));
  report.print(file);
  EXPECT_EQ(std::fclose(file), 0);
}

TEST(Chaos, LosesAndDoublesNothing) {
  const char* seconds = std::getenv("CASBOOK_CHAOS_SECONDS");
  const char* seed = std::getenv("CASBOOK_SEED");
  chaos::RunOptions options;
  options.length = std::chrono::seconds(seconds ? std::atoi(seconds) : 30);
  options.seed = seed ? std::strtoull(seed, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  const chaos::RunReport report = chaos::run(options);
  report.print(stdout);
  if (const char* path = std::getenv("CASBOOK_CHAOS_REPORT")) write_report(path, options, report);
  EXPECT_EQ(report.problems_found(), 0u);
  // It was a run worth its name.
  const auto whole_seconds = static_cast<uint64_t>(options.length.count() / 1000);
  EXPECT_GT(report.kills, 3 * whole_seconds);
  EXPECT_GT(report.stops, 3 * whole_seconds);
  EXPECT_GT(report.payments, 100 * whole_seconds);
  EXPECT_GT(report.slow_lane, 5 * whole_seconds);
  EXPECT_GT(report.replays, whole_seconds / 2) << "kills between commit and answer";
  EXPECT_GT(report.stale_refused, whole_seconds / 2);
  EXPECT_GT(report.lease_takeovers, whole_seconds);
  EXPECT_GT(report.session_takeovers, whole_seconds);
}

}  // namespace
}  // namespace casbook
