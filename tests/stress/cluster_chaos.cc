// The chaos run over hosts: `casbook serve` on three or five, a payer on each, while daemons and
// payers are killed and stopped, memories lost, and the wire cuts, loses, doubles, reorders, delays
// and damages. At the end all is healed: the books have to become equal, cell by cell, and hold
// what was answered, each payment once. CASBOOK_CHAOS_SECONDS (6 for each of three runs) and
// CASBOOK_SEED choose.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "support/cluster_check.h"
#include "support/cluster_daemons.h"
#include "support/cluster_payer.h"
#include "support/random.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr int kConvergenceSeconds = 30;
constexpr uint64_t kProgress = 5;  // payments of each client after healing

struct ChaosOptions {
  uint32_t hosts = 3;
  // Daemons are killed and memories lost; without it only stopped and cut off, and `quorum` holds.
  bool kills = true;
};

struct Tally {
  uint64_t kills = 0, ends = 0, stops = 0, memories = 0, cuts = 0, one_way_cuts = 0, storms = 0,
           heals = 0, payer_kills = 0;
};

class ClusterChaos {
 public:
  ClusterChaos(const ChaosOptions& options, uint64_t seed)
      : options_(options),
        random_(seed),
        hosts_({.count = options.hosts, .seed = seed}),
        payers_(options.hosts) {}

  const Hosts& hosts() const { return hosts_; }

  void run(uint64_t seconds) {
    ClusterPlan plan;
    plan.arena =
        "accounts = 64\npayments = 400000\nrecords = 4096\nleases = 32\nledgers = 4\n"
        "sessions = 16\n";
    plan.segment = "4MiB";
    plan.more = "[checkpoint]\nevery = \"500ms\"\n";
    daemons_.emplace(hosts_, CASBOOK_COMMAND_INSTRUMENTED, plan);
    heal();
    ASSERT_TRUE(await_progress()) << "nobody pays at the beginning\n" << all_events();
    const int64_t length_ns = static_cast<int64_t>(seconds) * 1'000'000'000;
    const int64_t begun_ns = monotonic_ns();
    const auto goes_on = [&] {
      const int64_t passed_ns = monotonic_ns() - begun_ns;
      return passed_ns < length_ns || (passed_ns < 4 * length_ns && !is_worth_its_name(seconds));
    };
    while (goes_on() && !testing::Test::HasFailure()) {
      strike();
      sleep_us(static_cast<int64_t>(20'000 + random_.below(250'000)));
      restart_the_dead();
    }
    heal();
    ASSERT_TRUE(await_progress()) << "nobody pays any more\n" << all_events();
    stop_payers();
    ASSERT_TRUE(await_equal_positions()) << positions() << all_events();
    check();
  }
  // On a busy machine it takes longer to become so.
  bool is_worth_its_name(uint64_t seconds) const {
    return truth_->reached() > 20 * seconds && truth_->leader_changes > seconds / 6 &&
           truth_->grants > seconds / 6;
  }
  void print() const;
  const Tally& tally() const { return tally_; }
  const ClusterTruth& truth() const { return *truth_; }

 private:
  uint32_t any_host() { return 1 + static_cast<uint32_t>(random_.below(hosts_.count())); }
  // Mostly whoever led last: that hurts most.
  uint32_t victim() {
    const auto leader = static_cast<uint32_t>(truth_->last_leader.load());
    return leader != 0 && random_.one_in(2) ? leader : any_host();
  }

  void strike() {
    const uint32_t host = victim();
    switch (random_.below(options_.kills ? 10 : 7)) {
      case 0:
        return heal_wire();
      case 1:
        return stop_for_a_while(host);
      case 2:
        return hosts_.wire().isolate(host), void(++tally_.cuts);
      case 3:
        return cut_one_way(host);
      case 4:
        return storm();
      case 5:
        return strike_payer(host);
      case 6:
        return heal_wire();
      case 7:
        return daemons_->kill(host), void(++tally_.kills);
      case 8:
        return end_daemon(host);
      default:
        return random_.one_in(2) ? lose_memory(host) : void(daemons_->kill(any_host()));
    }
  }
  void heal_wire() {
    hosts_.wire().heal();
    ++tally_.heals;
  }
  void stop_for_a_while(uint32_t host) {
    daemons_->signal(host, SIGSTOP);
    sleep_us(static_cast<int64_t>(random_.below(600'000)));
    daemons_->signal(host, SIGCONT);
    ++tally_.stops;
  }
  void cut_one_way(uint32_t host) {
    const uint32_t other = any_host();
    if (other != host) hosts_.wire().cut_one_way(host, other);
    ++tally_.one_way_cuts;
  }
  void storm() {
    const auto chance = [&](uint64_t percent) {
      return static_cast<double>(random_.below(percent + 1)) / 100;
    };
    hosts_.wire().set_all({.lose = chance(20),
                           .duplicate = chance(10),
                           .reorder = chance(10),
                           .corrupt = chance(2),
                           .delay_us = static_cast<int64_t>(random_.below(2000)),
                           .jitter_us = static_cast<int64_t>(random_.below(1000))});
    ++tally_.storms;
  }
  void strike_payer(uint32_t host) {
    auto& payer = payers_[host - 1];
    if (payer && random_.one_in(2)) payer->kill_and_wait(), payer.reset(), ++tally_.payer_kills;
    if (payer) payer->signal(random_.one_in(2) ? SIGSTOP : SIGCONT);
  }
  void end_daemon(uint32_t host) {
    const Ended ended = daemons_->stop(host);
    EXPECT_EQ(ended.exit_code, 0) << "after SIGTERM on host " << host << "\n" << ended.err;
    ++tally_.ends;
  }
  // What a loss of power leaves: the disk.
  void lose_memory(uint32_t host) {
    payers_[host - 1].reset();
    daemons_->kill(host);
    EXPECT_TRUE(hosts_.lose_memory(host));
    ++tally_.memories;
  }

  void restart_the_dead() {
    for (uint32_t host = 1; host <= hosts_.count(); ++host) {
      if (!daemons_->is_running(host) && !random_.one_in(4)) start_daemon(host);
      auto& payer = payers_[host - 1];
      if (payer && payer->has_ended()) payer.reset();
      if (!payer)
        payer.emplace(
            fork_on(hosts_, host, [&, host] { pay_on_host(host, daemons_->book(), *truth_); }));
    }
  }
  void start_daemon(uint32_t host) {
    daemons_->start(host);
    ++starts_;
  }

  void heal() {
    hosts_.wire().heal();
    for (uint32_t host = 1; host <= hosts_.count(); ++host) {
      daemons_->signal(host, SIGCONT);
      if (payers_[host - 1]) payers_[host - 1]->signal(SIGCONT);
    }
    restart_the_dead();
    daemons_->start_all();
  }
  bool await_progress() {
    std::array<uint64_t, kClients> before;
    for (uint32_t client = 0; client < kClients; ++client)
      before[client] = truth_->clients[client].reached;
    return await(
        [&] {
          daemons_->start_all();
          for (uint32_t client = 0; client < kClients; ++client)
            if (truth_->clients[client].reached < before[client] + kProgress) return false;
          return true;
        },
        kConvergenceSeconds);
  }
  void stop_payers() {
    truth_->must_stop = 1;
    for (auto& payer : payers_) {
      if (!payer) continue;
      EXPECT_TRUE(await([&] { return payer->has_ended(); })) << "a payer does not end";
      payer.reset();
    }
  }

  void look_everywhere() {
    for (uint32_t host = 1; host <= hosts_.count(); ++host)
      fork_on(hosts_, host, [&, host] { look_on_host(daemons_->book(), report_of(host)); }).wait();
  }
  bool await_equal_positions() {
    return await(
        [&] {
          look_everywhere();
          const HostReport& first = report_of(1);
          for (uint32_t host = 1; host <= hosts_.count(); ++host)
            if (report_of(host).position != first.position ||
                report_of(host).durable != first.position || first.position == 0)
              return sleep_us(50'000), false;
          return true;
        },
        kConvergenceSeconds);
  }
  void check() {
    for (uint32_t host = 1; host <= hosts_.count(); ++host) {
      HostReport& report = report_of(host);
      EXPECT_TRUE(fork_on(hosts_, host, [&] {
                    check_on_host(daemons_->book(), *truth_, {.is_quorum_kept = !options_.kills},
                                  report);
                  }).succeeded());
      EXPECT_TRUE(report.is_sound()) << "host " << host << "\n" << report.text;
      EXPECT_EQ(report.digest, report_of(1).digest) << "hosts " << host << " and 1 differ";
      EXPECT_EQ(report.executed, report_of(1).executed);
      EXPECT_EQ(report.position, report_of(1).position);
    }
    for (size_t lie = 0; lie < truth_->lies.size(); ++lie)
      EXPECT_EQ(truth_->lies[lie], 0u) << kLieNames[lie];
    if (testing::Test::HasFailure()) std::printf("%s", all_events().c_str());
  }

  HostReport& report_of(uint32_t host) { return (*reports_)[host - 1]; }
  std::string positions() {
    std::string text;
    for (uint32_t host = 1; host <= hosts_.count(); ++host)
      text += "host " + std::to_string(host) + ": position " +
              std::to_string(report_of(host).position) + ", durable " +
              std::to_string(report_of(host).durable) + "\n";
    return text;
  }
  std::string all_events() const {
    std::string text;
    for (uint32_t host = 1; host <= hosts_.count(); ++host) text += daemons_->last_events(host, 30);
    return text;
  }

  const ChaosOptions options_;
  test::Random random_;
  Shared<ClusterTruth> truth_;
  Shared<std::array<HostReport, kHostsMax>> reports_;
  Hosts hosts_;
  std::optional<ClusterDaemons> daemons_;
  std::vector<std::optional<Child>> payers_;
  uint64_t starts_ = 0;
  Tally tally_;
};

void ClusterChaos::print() const {
  const auto line = [](const char* what, uint64_t count) {
    std::printf("  %-28s %8llu\n", what, static_cast<unsigned long long>(count));
  };
  line("payments that reached", truth_->reached()),
      line("changes of leader", truth_->leader_changes);
  line("answers not_leader", truth_->not_leader), line("answers outcome_unknown", truth_->unknown);
  line("positions undone", truth_->undone_count), line("leases granted, durable", truth_->grants);
  line("daemons started", starts_), line("daemons killed", tally_.kills);
  line("daemons told to end", tally_.ends), line("daemons stopped a while", tally_.stops);
  line("memories lost", tally_.memories), line("hosts cut off", tally_.cuts);
  line("links cut one way", tally_.one_way_cuts), line("storms on the wire", tally_.storms);
  line("wires healed", tally_.heals), line("payers killed", tally_.payer_kills);
  const LinkCounts wire = hosts_.wire_counts();
  line("frames passed", wire.passed), line("frames lost or cut", wire.lost + wire.cut);
}

void run_chaos(const ChaosOptions& options) {
  const char* seconds = std::getenv("CASBOOK_CHAOS_SECONDS");
  const char* given = std::getenv("CASBOOK_SEED");
  const uint64_t length = seconds ? std::strtoull(seconds, nullptr, 10) : 6;
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  ClusterChaos chaos(options, seed);
  if (!chaos.hosts().are_there()) GTEST_SKIP() << "no hosts here: " << chaos.hosts().why_not();
  chaos.run(length);
  chaos.print();
  EXPECT_TRUE(chaos.is_worth_its_name(length));
}

TEST(ClusterChaos, ThreeHostsThatAreKilledLoseNothing) { run_chaos({}); }

TEST(ClusterChaos, FiveHostsThatAreKilledLoseNothing) { run_chaos({.hosts = 5}); }

TEST(ClusterChaos, ThreeHostsThatAreOnlyCutOffKeepAQuorumToo) { run_chaos({.kills = false}); }

}  // namespace
}  // namespace casbook
