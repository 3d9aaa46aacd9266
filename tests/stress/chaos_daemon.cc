// The chaos run with the daemon among the victims: killed and stopped at random and at fault
// points, told to end, and started again; payers are killed and stopped; now and then the host is
// lost, all processes and the arena. CASBOOK_CHAOS_SECONDS (20) and CASBOOK_SEED choose.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "support/random.h"
#include "support/served_book.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;

constexpr uint32_t kPayers = 4;
constexpr uint64_t kPaymentsPerSecondMax = kPayers * 2000;
constexpr uint64_t kLonger = 4;  // as long as that it may take on a busy machine, in lengths

struct Tally {
  uint64_t daemons = 0, struck = 0, killed = 0, stopped = 0, ended = 0, host_losses = 0;
  uint64_t payer_kills = 0, payer_stops = 0, checks = 0;
};

class Chaos {
 public:
  Chaos(uint64_t seed, uint64_t seconds) : random_(seed), seconds_(seconds), served_(kPayers) {
    DaemonPlace& place = served_.place();
    place.limits[3] = std::to_string(kPaymentsPerSecondMax * (seconds * kLonger + 10));
    place.more_config = "[checkpoint]\nevery = \"100ms\"\n";
  }

  Tally run() {
    const int64_t begin_ns = monotonic_ns(),
                  length_ns = static_cast<int64_t>(seconds_) * 1'000'000'000;
    const auto goes_on = [&] {
      const int64_t passed_ns = monotonic_ns() - begin_ns;
      return passed_ns < length_ns ||
             (!is_worth_its_name() && passed_ns < length_ns * int64_t{kLonger});
    };
    check();  // opens the accounts
    while (goes_on() && !testing::Test::HasFailure()) {
      for (uint64_t lives = 1 + random_.below(3); lives > 0; --lives) live();
      // A slow machine has few rounds: by chance alone it may be none of them.
      if (random_.one_in(6) || tally_.host_losses * 3 < tally_.checks) lose_host();
      check();
    }
    served_.payers().kill_all();
    std::printf("%llu payments were reported durable\n",
                static_cast<unsigned long long>(served_.payers().durable_count()));
    return tally_;
  }

  bool is_worth_its_name() const {
    return tally_.daemons > seconds_ / 2 && tally_.host_losses > seconds_ / 10 &&
           tally_.payer_kills > seconds_;
  }

 private:
  void check() {
    served_.payers().restart_the_dead();
    served_.expect_kept(random_.one_in(2) ? ServedBook::End::kill : ServedBook::End::stop);
    ++tally_.checks;
  }

  Strike choose_strike() {
    if (random_.one_in(5)) return {};
    // Early passages are those of opening, late ones those of serving.
    const uint64_t nth = random_.one_in(2) ? 1 : 1 + random_.below(12);
    // Mostly the daemon's own points, which come last.
    constexpr auto kOwn = static_cast<uint64_t>(FaultPoint::segment_after_create);
    const uint64_t point =
        random_.one_in(4) ? random_.below(kFaultPoints) : kOwn + random_.below(kFaultPoints - kOwn);
    return {static_cast<FaultPoint>(point), nth, random_.one_in(3) ? SIGSTOP : SIGKILL};
  }

  // One daemon, from its start to its end.
  void live() {
    ++tally_.daemons;
    DaemonProcess daemon(served_.place(), choose_strike());
    // Opening takes its time on a busy machine: most lives begin to count when it is over.
    if (!random_.one_in(3))
      await([&] {
        return daemon.has_ended() || daemon.is_stopped() ||
               daemon.events().find("event=serving") != std::string::npos;
      });
    const int64_t end_ns =
        monotonic_ns() + static_cast<int64_t>(100 + random_.below(900)) * 1'000'000;
    while (monotonic_ns() < end_ns && !daemon.has_ended()) {
      sleep_us(static_cast<int64_t>(1000 + random_.below(20'000)));
      disturb_payers();
      if (random_.one_in(20)) daemon.signal(SIGSTOP), ++tally_.stopped;
      if (random_.one_in(3)) daemon.signal(SIGCONT);
    }
    wake_payers();
    if (daemon.has_ended()) {
      ++tally_.struck;
      EXPECT_EQ(daemon.wait().exit_code, -1) << "it ended by itself\n" << daemon.events();
    } else if (random_.one_in(3)) {
      daemon.signal(SIGCONT);
      daemon.signal(SIGTERM);
      // It may be struck on the way, or stop once more.
      await([&] { return daemon.signal(SIGCONT), daemon.has_ended(); });
      const Ended ended = daemon.wait();
      EXPECT_TRUE(ended.exit_code == 0 || ended.exit_code == -1) << ended.err;
      ++tally_.ended;
    } else {
      daemon.kill();
      ++tally_.killed;
    }
    served_.payers().restart_the_dead();
  }

  void disturb_payers() {
    const auto payer = static_cast<uint32_t>(random_.below(kPayers));
    if (random_.one_in(8)) {
      served_.payers().kill_one(payer);
      ++tally_.payer_kills;
    } else if (random_.one_in(4)) {
      served_.payers().signal_one(payer, SIGSTOP);
      ++tally_.payer_stops;
    }
    if (random_.one_in(4)) wake_payers();
    served_.payers().restart_the_dead();
  }

  void wake_payers() {
    for (uint32_t payer = 0; payer < kPayers; ++payer) served_.payers().signal_one(payer, SIGCONT);
  }

  void lose_host() {
    served_.payers().kill_all();
    served_.go_on_in_memory();
    served_.lose_arena();
    ++tally_.host_losses;
  }

  test::Random random_;
  const uint64_t seconds_;
  ServedBook served_;
  Tally tally_;
};

TEST(ChaosDaemon, KeepsWhatWasReportedDurable) {
  const char* seconds = std::getenv("CASBOOK_CHAOS_SECONDS");
  const char* given = std::getenv("CASBOOK_SEED");
  const uint64_t length = seconds ? std::strtoull(seconds, nullptr, 10) : 20;
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Chaos chaos(seed, length);
  const Tally tally = chaos.run();
  const auto line = [](const char* what, uint64_t count) {
    std::printf("  %-28s %8llu\n", what, static_cast<unsigned long long>(count));
  };
  line("daemons", tally.daemons), line("struck at a fault point", tally.struck);
  line("killed at random", tally.killed), line("stopped for a while", tally.stopped);
  line("told to end", tally.ended), line("hosts lost", tally.host_losses);
  line("payers killed", tally.payer_kills), line("payers stopped", tally.payer_stops);
  line("checked", tally.checks);
  EXPECT_TRUE(chaos.is_worth_its_name());
}

}  // namespace
}  // namespace casbook
