// `casbook demo` in short: every claim of it holds, it can fail, and it leaves nothing behind.
#include <gtest/gtest.h>

#include "support/child_process.h"
#include "support/command.h"

namespace casbook {
namespace {

using test_support::await;
using test_support::CommandBench;
using test_support::Ended;
using test_support::Started;
using test_support::Words;

const Words kShort{"demo", "--seconds", "3", "--payments", "300000", "--json"};

bool is_empty(const CommandBench& bench) { return std::filesystem::is_empty(bench.directory()); }

TEST(Demo, EveryClaimHoldsAndTheBookIsGone) {
  const CommandBench bench(CASBOOK_COMMAND);
  const Ended ended = bench.run(kShort);
  ASSERT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  const nlohmann::json report = ended.object();
  EXPECT_EQ(report["ok"], true) << ended.out;
  for (const auto& claim : report["claims"]) EXPECT_EQ(claim["ok"], true) << claim;
  EXPECT_EQ(report["claims"].size(), 8);
  for (const char* figure : {"orders", "payouts", "duplicates", "stale", "kills", "stops",
                             "snapshots", "p50_ns", "payments_per_second"})
    EXPECT_GT(report[figure], 0) << figure;
  EXPECT_TRUE(is_empty(bench));
}

// The gateway dies on its way: the first 10,000 payments are made before there is one.
TEST(Demo, FailsWhenAProcessDiesThatNobodyKilled) {
  const CommandBench bench(CASBOOK_COMMAND_INSTRUMENTED);
  const Ended ended =
      Started(bench.program(), bench.words(kShort), {"CASBOOK_FAULT=payment_committed:20000"})
          .wait();
  EXPECT_EQ(ended.exit_code, 1) << ended.out << ended.err;
  const nlohmann::json report = ended.object();
  EXPECT_EQ(report["ok"], false) << ended.out;
  EXPECT_EQ(report["claims"].back()["ok"], false) << ended.out;
  EXPECT_EQ(report["claims"].back()["evidence"], "gateway was ended by signal 9");
  EXPECT_TRUE(is_empty(bench));
}

TEST(Demo, AnInterruptEndsItAndTheBook) {
  const CommandBench bench(CASBOOK_COMMAND);
  signal(SIGINT, SIG_DFL);  // a background job of a shell ignores it
  Started demo(bench.program(), bench.words(kShort));
  ASSERT_TRUE(await([&] { return !is_empty(bench); }));
  kill(demo.pid(), SIGINT);
  EXPECT_EQ(demo.wait().exit_code, -1);
  EXPECT_TRUE(is_empty(bench));
}

}  // namespace
}  // namespace casbook
