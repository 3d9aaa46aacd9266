// The members of a cluster change while it is paid into: `casbook serve` on five hosts, of which
// three begin; two are added, the lead is handed over, the leader is removed, and what it was does
// not disturb when it starts again. CASBOOK_SEED chooses the faults of the wire.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "support/cluster_check.h"
#include "support/cluster_daemons.h"
#include "support/cluster_payer.h"

namespace casbook {
namespace {

using namespace test_support;
using Json = nlohmann::json;

constexpr uint32_t kHosts = 5, kFounders = 3;
constexpr int kSeconds = 30;
constexpr int64_t kMs = 1'000'000;
constexpr int64_t kFarewellNs = 2000 * kMs;  // ten election timeouts, and some

uint64_t seed() {
  const char* const given = std::getenv("CASBOOK_SEED");
  return given ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

class ClusterMembers : public testing::Test {
 protected:
  void SetUp() override {
    if (!hosts_.are_there()) GTEST_SKIP() << "no hosts here: " << hosts_.why_not();
    ClusterPlan plan;
    plan.segment = "4MiB";
    plan.members = kFounders;
    daemons_.emplace(hosts_, CASBOOK_COMMAND_INSTRUMENTED, plan);
    for (uint32_t host = 1; host <= kFounders; ++host) daemons_->start(host);
    payers_.resize(kHosts);
    for (uint32_t host = 1; host <= kHosts; ++host) pay_from(host);
    ASSERT_TRUE(await_progress()) << all_events();
  }
  void TearDown() override {
    if (testing::Test::HasFailure() && daemons_) std::printf("%s", all_events().c_str());
  }

  void pay_from(uint32_t host) {
    payers_[host - 1] = std::make_unique<Child>(
        fork_on(hosts_, host, [&, host] { pay_on_host(host, daemons_->book(), *truth_); }));
  }
  bool has_said(uint32_t host, const std::string& text) const {
    return daemons_->events(host).find(text) != std::string::npos;
  }
  bool await_progress() { return test_support::await_progress(*truth_); }

  Json status(uint32_t host) {
    const auto asked =
        start_on(hosts_, host, CASBOOK_COMMAND, {"cluster", "status", daemons_->book(), "--json"});
    const Ended ended = asked->wait();
    if (ended.exit_code != 0) return Json::object();
    return ended.object().value("cluster", Json::object());
  }
  // 0: nobody leads within the time.
  uint32_t leader() {
    uint32_t leads = 0;
    (void)await(
        [&] {
          for (uint32_t host = 1; host <= kHosts && leads == 0; ++host)
            if (daemons_->is_running(host) && status(host).value("leads", false)) leads = host;
          return leads != 0;
        },
        kSeconds);
    return leads;
  }
  uint64_t term_of(uint32_t host) {
    return std::stoull(status(host).value("leader_term", std::string("0")));
  }

  // At whoever leads; again where the lead was elsewhere by then.
  Ended ask(Words words) {
    words.insert(words.begin(), "cluster");
    words.insert(words.begin() + 2, daemons_->book());
    words.insert(words.end(), {"--json", "--timeout", "20s"});
    Ended ended;
    (void)await(
        [&] {
          ended = start_on(hosts_, leader(), CASBOOK_COMMAND, words)->wait();
          return ended.err.find("not_leader") == ended.err.npos;
        },
        kSeconds);
    return ended;
  }
  static std::string roles(const Ended& ended) {
    std::string text;
    if (ended.exit_code != 0) return "exit " + std::to_string(ended.exit_code) + ": " + ended.err;
    const Json answer = ended.object();
    for (const Json& member : answer.at("members"))
      text += (text.empty() ? "" : ", ") + std::to_string(member.at("id").get<int>()) + " " +
              member.at("role").get<std::string>();
    return text;
  }
  Ended add(uint32_t host, const Words& more = {}) {
    if (!daemons_->is_running(host)) daemons_->start(host);
    Words words{"add", std::to_string(host), cluster_address(host)};
    words.insert(words.end(), more.begin(), more.end());
    return ask(words);
  }

  // The longest time without a payment that reached its level while `what` happens.
  int64_t longest_pause_ns(const std::function<void()>& what) {
    Shared<std::atomic<uint64_t>> longest, is_over;
    Child watcher([&] {
      uint64_t seen = truth_->reached();
      int64_t since = monotonic_ns();
      while (*is_over == 0) {
        sleep_us(200);
        const int64_t now = monotonic_ns();
        if (truth_->reached() != seen) seen = truth_->reached(), since = now;
        raise(*longest, static_cast<uint64_t>(now - since));
      }
    });
    what();
    sleep_us(300'000);
    *is_over = 1;
    watcher.wait();
    return static_cast<int64_t>(longest->load());
  }

  // All members have the same book, and it holds what was answered.
  void check(const std::vector<uint32_t>& members) {
    truth_->must_stop = 1;
    for (auto& payer : payers_) EXPECT_TRUE(await([&] { return payer->has_ended(); }));
    const auto look = [&] {
      for (const uint32_t host : members)
        fork_on(hosts_, host, [&, host] {
          look_on_host(daemons_->book(), report_of(host));
        }).wait();
      for (const uint32_t host : members)
        if (report_of(host).position != report_of(members[0]).position ||
            report_of(host).durable != report_of(members[0]).position ||
            report_of(host).position == 0)
          return sleep_us(50'000), false;
      return true;
    };
    ASSERT_TRUE(await(look, kSeconds)) << "the members do not come to the same";
    for (const uint32_t host : members) {
      HostReport& report = report_of(host);
      EXPECT_TRUE(fork_on(hosts_, host, [&] {
                    check_on_host(daemons_->book(), *truth_, {.is_quorum_kept = false}, report);
                  }).succeeded());
      EXPECT_TRUE(report.is_sound()) << "host " << host << "\n" << report.text;
      EXPECT_EQ(report.digest, report_of(members[0]).digest) << "host " << host;
    }
    for (size_t lie = 0; lie < truth_->lies.size(); ++lie)
      EXPECT_EQ(truth_->lies[lie], 0u) << kLieNames[lie];
  }
  HostReport& report_of(uint32_t host) { return (*reports_)[host - 1]; }
  std::string all_events() const {
    std::string text;
    for (uint32_t host = 1; host <= kHosts; ++host) text += daemons_->last_events(host, 20);
    return text;
  }

  Shared<ClusterTruth> truth_;
  Shared<std::array<HostReport, kHostsMax>> reports_;
  Hosts hosts_{{.count = kHosts, .seed = seed()}};
  std::optional<ClusterDaemons> daemons_;
  std::vector<std::unique_ptr<Child>> payers_;
};

TEST_F(ClusterMembers, AreAddedAndCarryTheCluster) {
  EXPECT_EQ(roles(add(4)), "1 voter, 2 voter, 3 voter, 4 voter");
  EXPECT_EQ(roles(add(5, {"--standby"})), "1 voter, 2 voter, 3 voter, 4 voter, 5 standby");
  EXPECT_EQ(status(leader()).at("nodes").size(), 5u);
  EXPECT_EQ(roles(ask({"promote", "5"})), "1 voter, 2 voter, 3 voter, 4 voter, 5 voter");
  ASSERT_TRUE(await_progress());
  // Two of five die, founders both: the new ones are needed.
  const uint32_t first = leader();
  daemons_->kill(first);
  daemons_->kill(first == 1 ? 2 : 1);
  ASSERT_TRUE(await_progress());
  daemons_->start_all();
  ASSERT_TRUE(await_progress());
  check({1, 2, 3, 4, 5});
}

TEST_F(ClusterMembers, AreRemovedTheLeaderTooAndDisturbNobody) {
  ASSERT_EQ(roles(add(4)), "1 voter, 2 voter, 3 voter, 4 voter");
  const uint32_t removed = leader();
  const int64_t pause = longest_pause_ns([&] {
    EXPECT_EQ(ask({"remove", std::to_string(removed)}).exit_code, 0);
  });
  std::printf("  the leader removed: longest pause %lld ms\n", static_cast<long long>(pause / kMs));
  ASSERT_TRUE(await_progress());
  const uint32_t next = leader();
  EXPECT_NE(next, removed);
  EXPECT_TRUE(await([&] { return has_said(removed, "event=removed"); })) << "it is told";
  const uint64_t term = term_of(next);
  EXPECT_EQ(daemons_->stop(removed).exit_code, 0);
  daemons_->start(removed);
  sleep_us(1'500'000);
  EXPECT_EQ(term_of(next), term) << "a removed node that starts again disturbs nobody";
  ASSERT_TRUE(await_progress());
  std::vector<uint32_t> members;
  for (uint32_t host = 1; host <= 4; ++host)
    if (host != removed) members.push_back(host);
  check(members);
}

TEST_F(ClusterMembers, HandTheLeadOver) {
  for (int i = 0; i < 4; ++i) {
    const uint32_t from = leader(), to = from % kFounders + 1;
    Ended asked;
    const int64_t pause = longest_pause_ns([&] { asked = ask({"transfer", std::to_string(to)}); });
    EXPECT_EQ(asked.exit_code, 0) << "at the first asking: " << asked.err;
    std::printf("  transfer under load: longest pause %lld ms\n",
                static_cast<long long>(pause / kMs));
    EXPECT_EQ(leader(), to);
    ASSERT_TRUE(await_progress());
  }
  const uint32_t leads = leader(), dead = leads % kFounders + 1;
  daemons_->kill(dead);
  sleep_us(400'000);
  const Ended refused = ask({"transfer", std::to_string(dead)});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("was not heard of"), std::string::npos) << refused.err;
  ASSERT_TRUE(await_progress()) << "it goes on leading";
  daemons_->start(dead);
  check({1, 2, 3});
}

// Refused under its id, removed, added again under it: it takes a copy, and then its vote and its
// disk are needed.
TEST_F(ClusterMembers, ComeBackUnderTheirIdWithAnEmptyDisk) {
  const uint32_t leads = leader(), lost = leads % kFounders + 1, other = lost % kFounders + 1;
  payers_[lost - 1]->kill_and_wait();
  daemons_->lose_disk(lost);
  daemons_->start(lost);
  EXPECT_TRUE(await([&] { return !daemons_->is_running(lost); }, kSeconds));
  EXPECT_TRUE(has_said(lost, "one that lost its disk needs a new id"));
  EXPECT_FALSE(has_said(lost, "event=copy_installed"));
  ASSERT_EQ(ask({"remove", std::to_string(lost)}).exit_code, 0);
  // Those that tell it of its removal know its former disk for so long, and refuse this one: it is
  // started again until nobody does, as a service is.
  int64_t started_ns = 0;
  ASSERT_TRUE(await(
      [&] {
        if (!daemons_->is_running(lost)) daemons_->start(lost), started_ns = monotonic_ns();
        return has_said(lost, "event=copy_installed") && monotonic_ns() - started_ns > kFarewellNs;
      },
      kSeconds));
  EXPECT_EQ(roles(add(lost)), "1 voter, 2 voter, 3 voter");
  ASSERT_TRUE(await_progress());
  pay_from(lost);
  daemons_->kill(other);
  ASSERT_TRUE(await_progress()) << "two of three are a majority, and it is one of them";
  daemons_->start(other);
  check({1, 2, 3});
}

TEST_F(ClusterMembers, RefuseWhatCannotBe) {
  const auto refusal = [&](const Words& words) {
    const Ended ended = ask(words);
    return std::to_string(ended.exit_code) + " " + ended.err;
  };
  EXPECT_NE(refusal({"remove", "9"}).find("2 casbook: ID 9: expected a member, one of 1, 2, 3"),
            std::string::npos);
  EXPECT_NE(refusal({"promote", "9"}).find("ID 9: expected a member"), std::string::npos);
  EXPECT_NE(refusal({"add", "1", "10.0.0.9:7400"}).find("ID 1: node 1 is a member at"),
            std::string::npos);
  EXPECT_NE(refusal({"add", "9", "nowhere"}).find("ADDRESS: expected an IPv4 address"),
            std::string::npos);
  EXPECT_EQ(ask({"remove", "3"}).exit_code, 0);
  EXPECT_NE(refusal({"remove", "2"}).find("expected 2 at least"), std::string::npos);
  const uint32_t other = leader() == 1 ? 2 : 1;
  const Ended elsewhere =
      start_on(hosts_, other, CASBOOK_COMMAND, {"cluster", "transfer", daemons_->book(), "1"})
          ->wait();
  EXPECT_EQ(elsewhere.exit_code, 1);
  EXPECT_NE(elsewhere.err.find("not_leader"), std::string::npos) << elsewhere.err;
  EXPECT_NE(elsewhere.err.find("leads"), std::string::npos) << elsewhere.err;
}

}  // namespace
}  // namespace casbook
