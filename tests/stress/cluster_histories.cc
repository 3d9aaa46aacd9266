// What processes on all hosts of a cluster were told, while leaders are killed and cut off, held
// against the log of a host as witness; small histories also against a checker of linearizability
// that knows no log. CASBOOK_HISTORY_SECONDS (6, for each of two tests) and CASBOOK_SEED choose.
#include <algorithm>
#include <cstdlib>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/history_cluster.h"
#include "support/history_tally.h"
#include "support/history_window.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

uint64_t seconds() {
  const char* const given = std::getenv("CASBOOK_HISTORY_SECONDS");
  return given ? std::strtoull(given, nullptr, 10) : 6;
}
uint64_t seed_of_run() {
  const char* const given = std::getenv("CASBOOK_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}
int64_t length_of_run_ns() { return static_cast<int64_t>(seconds()) * 1'000'000'000; }

constexpr uint32_t kHosts = 3, kMoreHosts = 5;
constexpr int64_t kRunNs = 20'000'000'000;  // a longer one is begun anew, on other hosts
constexpr uint64_t kLatestIds = 20;         // sent again now and then

class ClusterHistories : public testing::Test {
 protected:
  void begin(uint64_t seed, uint32_t accounts) {
    cluster.reset();
    cluster.emplace(hosts, seed, founders);
    if (!cluster->load().hosts().are_there())
      GTEST_SKIP() << "no hosts here: " << cluster->load().hosts().why_not();
    ASSERT_TRUE(cluster->begin(accounts)) << cluster->load().all_events();
  }
  // One more or one less, where there can be, or another leads.
  enum class Change { add, remove, hand_over };
  void change_members(Change change, uint32_t leader, test::Random& random) {
    const auto members = leader == 0 ? std::vector<uint32_t>() : cluster->members(leader);
    if (members.empty()) return;
    std::vector<uint32_t> others;
    for (uint32_t host = 1; host <= hosts; ++host)
      if (std::ranges::find(members, host) == members.end()) others.push_back(host);
    if (change == Change::hand_over) hand_overs += cluster->hand_over(leader);
    if (change == Change::remove && members.size() > 3)
      removals += cluster->remove(leader, members[random.below(members.size())]);
    if (change == Change::add && !others.empty())
      additions += cluster->add(leader, others[random.below(others.size())]);
    EXPECT_NE(cluster->await_leader(), 0u) << cluster->load().all_events();
  }
  // Killed, cut off or stopped, for a while; or all are heard badly, or it hands over.
  void harm_leader(uint32_t leader, test::Random& random, bool must_kill, int64_t us) {
    if (leader == 0) return;
    const uint64_t how = must_kill ? 0 : random.below(5);
    if (how == 0) cluster->kill_daemon(leader), ++kills;
    if (how == 1) cluster->isolate(leader), ++cuts;
    if (how == 2) cluster->load().daemons().signal(leader, SIGSTOP), ++stops;
    if (how == 3) cluster->begin_storm(), ++storms;
    if (how == 4) hand_overs += cluster->hand_over(leader);
    sleep_us(us);
    cluster->load().daemons().signal(leader, SIGCONT);
    cluster->heal();
    EXPECT_NE(cluster->await_leader(), 0u) << cluster->load().all_events();
  }
  void print(const HistoryTally& tally) const {
    const auto number = [](uint64_t count) { return static_cast<unsigned long long>(count); };
    std::printf("leaders: %llu killed, %llu cut off, %llu stopped, %llu handed over; %llu storms\n",
                number(kills), number(cuts), number(stops), number(hand_overs), number(storms));
    if (founders != 0)
      std::printf("members: %llu added, %llu removed\n", number(additions), number(removals));
    tally.print();
  }

  uint32_t hosts = kHosts, founders = 0;  // 0: all are members for good
  uint64_t additions = 0, removals = 0;
  std::optional<HistoryCluster> cluster;
  uint64_t kills = 0, cuts = 0, stops = 0, storms = 0, hand_overs = 0;
};

// --- a large one

constexpr uint32_t kAccounts = 6, kLeases = 3, kCallersEach = 2;

class LargeClusterHistories : public ClusterHistories {
 protected:
  struct At {
    std::atomic<uint64_t> ids;
    std::array<std::atomic<uint64_t>, kMoreHosts * kCallersEach> payment;  // that each is at
  };
  void start(uint32_t caller, uint64_t seed, bool is_unconfirmed) {
    std::vector<Account> accounts;
    for (uint32_t i = 0; i <= kAccounts; ++i) accounts.push_back(cluster->account(i));
    callers[caller].emplace(cluster->start_caller(
        1 + caller / kCallersEach, ++starts, is_unconfirmed, accounts,
        [this, caller, random = test::Random(seed)](HistoryCaller& made) mutable {
          call(made, random, at->payment[caller]);
        }));
  }
  void call(HistoryCaller& caller, test::Random& random, std::atomic<uint64_t>& payment) {
    // First of all what has no answer yet.
    for (bool is_open = payment != 0; !caller.is_over() && !caller.has_to_look_anew();) {
      CallEnd end;
      if (is_open) {
        end = caller.pay(payment);
      } else {
        payment = next_id(random);
        end = caller.call_at_random(random, payment, static_cast<uint32_t>(random.below(kLeases)));
      }
      is_open = end == CallEnd::unknown || (is_open && end == CallEnd::turned_away);
      if (end != CallEnd::turned_away) continue;
      // Another host leads: here is read what it has.
      sleep_us(static_cast<int64_t>(random.below(5000)));
      const uint64_t shown = cluster->world().shown;
      if (shown != 0) caller.read_at(static_cast<uint32_t>(1 + random.below(kAccounts)), {shown});
    }
  }
  uint64_t next_id(test::Random& random) {
    const uint64_t newest = at->ids;
    if (newest > kLatestIds && random.one_in(4)) return newest - random.below(kLatestIds);
    return ++at->ids;
  }
  void wake_all() {
    for (auto& caller : callers) caller->signal(SIGCONT);
  }
  // On one cluster after the other. `harm` is called now and then, with its number on that cluster.
  void expect_what_the_log_says(const std::function<bool()>& is_worth_its_name,
                                const std::function<void(uint32_t)>& harm) {
    int64_t left_ns = length_of_run_ns();
    for (int runs = 0; left_ns > 0 || (runs < 4 && !is_worth_its_name()); ++runs) {
      ASSERT_NO_FATAL_FAILURE(begin(chance.next(), 1 + kAccounts));
      if (IsSkipped()) return;
      uint32_t harms = 0;
      run(monotonic_ns() + std::min(length_of_run_ns(), kRunNs), false, [&] {
        cluster->take_logs();
        harm(harms++);
      });
      left_ns -= kRunNs;
      const bool are_all_members = founders == 0 || cluster->make_all_members();
      ASSERT_TRUE(are_all_members) << cluster->load().all_events();
      const auto problems = cluster->problems();
      if (!problems) continue;
      ASSERT_THAT(*problems, IsEmpty()) << cluster->load().all_events();
      tally.take(cluster->world().board.calls());
    }
    print(tally);
    EXPECT_TRUE(is_worth_its_name());
  }
  // `harm` is called now and then.
  void run(int64_t end_ns, bool is_unconfirmed, const std::function<void()>& harm) {
    callers.clear(), callers.resize(hosts * kCallersEach);
    int64_t next_harm_ns = monotonic_ns() + 1'000'000'000;
    while (monotonic_ns() < end_ns && !cluster->world().board.is_full()) {
      for (uint32_t i = 0; i < callers.size(); ++i)
        if (!callers[i] || callers[i]->has_ended()) start(i, chance.next(), is_unconfirmed);
      if (chance.one_in(8)) callers[chance.below(callers.size())]->signal(SIGKILL);
      // One sleeps in its call, and wakes when others may lead.
      if (chance.one_in(8)) callers[chance.below(callers.size())]->signal(SIGSTOP);
      if (chance.one_in(8)) wake_all();
      if (monotonic_ns() > next_harm_ns) {
        harm();
        next_harm_ns = monotonic_ns() + 1'000'000'000;
      }
      sleep_us(20'000);
    }
    wake_all();
    cluster->heal();
    sleep_us(500'000);
    cluster->world().must_stop = 1;
    for (auto& caller : callers) caller->wait();
  }

  // Each kind more often than so many times in a second.
  bool has_all_answers(uint64_t per_second) const {
    return tally.done > 25 * per_second * seconds() &&
           std::min({tally.turned_away, tally.replays, tally.denied, tally.refused, tally.grants,
                     tally.reads, tally.reads_at}) > per_second * seconds();
  }

  HistoryTally tally;
  test::Random chance{seed_of_run()};
  Shared<At> at;
  std::vector<std::optional<Child>> callers;
  uint32_t starts = 0;
};

// On a busy machine it takes longer to become one worth its name.
TEST_F(LargeClusterHistories, AreWhatTheLogSays) {
  expect_what_the_log_says(
      [&] {
        return kills > 0 && has_all_answers(2) && tally.unknown > seconds() / 2 &&
               tally.resolved > 0 && std::min(tally.renewals, tally.re_entries) > seconds() / 2;
      },
      [&](uint32_t number) {
        harm_leader(cluster->load().leader(), chance, number == 0, 900'000);
      });
}

TEST_F(LargeClusterHistories, OfFiveHostsAreWhatTheLogSays) {
  hosts = kMoreHosts;
  expect_what_the_log_says([&] { return kills > 0 && has_all_answers(1); },
                           [&](uint32_t number) {
                             harm_leader(cluster->load().leader(), chance, number == 0, 900'000);
                           });
}

// Of five hosts three begin. The last ones to be added have all of it in the end.
TEST_F(LargeClusterHistories, OfMembersThatChangeAreWhatTheLogSays) {
  hosts = kMoreHosts, founders = 3;
  uint32_t turn = 0;  // over all clusters: in one there may be time for two
  expect_what_the_log_says(
      [&] { return additions > 0 && removals > 0 && hand_overs > 0 && has_all_answers(1); },
      [&](uint32_t) {
        constexpr Change kTurns[] = {Change::add, Change::remove, Change::hand_over};
        const uint32_t leader = cluster->load().leader(), now = turn++ % 4;
        if (now == 3) return harm_leader(leader, chance, false, 900'000);
        change_members(kTurns[now], leader, chance);
      });
}

// Callers that read where they are, without asking whether it leads there.
TEST_F(LargeClusterHistories, ReadsThatAreNotConfirmedAreFound) {
  std::string found;
  for (int runs = 0; found.empty() && runs < 5; ++runs) {
    ASSERT_NO_FATAL_FAILURE(begin(chance.next(), 1 + kAccounts));
    if (IsSkipped()) return;
    run(monotonic_ns() + 1'500'000'000, true, [] {});
    const auto problems = cluster->problems();
    if (problems && !problems->empty()) found = problems->front();
  }
  std::printf("%s\n", found.c_str());
  EXPECT_THAT(found, HasSubstr("which had been answered"));
}

// --- small ones

constexpr uint32_t kRoundsMax = (HistoryCluster::kAccountsMax - 1) / 2;
constexpr uint32_t kCallsEach = 7, kCallersThere = 3;  // there: where it leads
constexpr uint64_t kIds = 8;                           // of a round: most are sent more than once

class SmallClusterHistories : public ClusterHistories {
 protected:
  enum class Harm { none, kill_caller, harm_leader };

  void begin_rounds(uint64_t seed) {
    round = 0;
    begin(seed, 1 + 2 * kRoundsMax);
  }
  std::vector<Account> accounts() const {
    return {cluster->account(0), cluster->account(2 * round + 1), cluster->account(2 * round + 2)};
  }
  // What contradicts linearizability; empty: nothing.
  std::string run_round(test::Random& random, Harm harm, bool is_unconfirmed = false) {
    const uint32_t leader = cluster->await_leader();
    EXPECT_NE(leader, 0u) << cluster->load().all_events();
    if (harm == Harm::harm_leader) cluster->take_logs();
    const uint64_t first = cluster->world().board.count();
    gate->ready = gate->finished = gate->is_open = gate->is_over = 0;
    std::vector<Child> callers;
    for (uint32_t host = 1; host <= kHosts; ++host)
      for (uint32_t i = 0; i < (host == leader ? kCallersThere : 1); ++i)
        callers.push_back(start(host, random.next(), is_unconfirmed));
    EXPECT_TRUE(await([&] { return gate->ready == callers.size(); })) << "a caller does not begin";
    gate->is_open = 1;
    std::set<uint32_t> ended;
    sleep_us(static_cast<int64_t>(random.below(8000)));
    if (harm == Harm::kill_caller) {
      const uint64_t which = leader - 1 + random.below(kCallersThere);
      callers[which].kill_and_wait();
      ended.insert(static_cast<uint32_t>(processes - callers.size() + 1 + which));
    }
    if (harm == Harm::harm_leader) harm_leader(leader, random, false, 900'000);
    // Those where nobody leads have nothing to do, and end with the others.
    await([&] { return gate->finished + ended.size() >= kCallersThere; }, 1);
    look_at_the_end();
    gate->is_over = 1;
    for (Child& caller : callers) caller.wait();
    ++round;
    return check(first, ended);
  }
  std::string check(uint64_t first, const std::set<uint32_t>& ended) {
    const auto calls = cluster->world().board.calls(first);
    const auto list = linear_calls(calls, cluster->account(0).index, ended);
    if (list.size() > kLinearCallsMax) return ++too_long, "";
    const std::string problem = check_linearizable(list);
    return problem.empty() ? "" : problem + "\n" + text_of(list);
  }

  uint64_t too_long = 0;
  uint32_t round = 0, processes = 0;

 private:
  struct Gate {
    std::atomic<uint32_t> ready, finished, is_open, is_over;
  };
  Child start(uint32_t host, uint64_t seed, bool is_unconfirmed) {
    return cluster->start_caller(
        host, ++processes, is_unconfirmed, accounts(),
        [this, random = test::Random(seed), left = kCallsEach](HistoryCaller& caller) mutable {
          if (left == kCallsEach) ++gate->ready;
          while (gate->is_open == 0) sleep_us(20);
          while (left > 0 && gate->is_over == 0 && !caller.has_to_look_anew()) {
            if (caller.call_at_random(random, round * 1000 + random.below(kIds), round) ==
                CallEnd::turned_away)
              sleep_us(3000);
            else
              --left, sleep_us(static_cast<int64_t>(random.below(2000)));
          }
          if (left > 0 && gate->is_over == 0) return;
          ++gate->finished;
          while (gate->is_over == 0) sleep_us(100);
          _exit(0);
        });
  }
  // On whichever host leads, until it is done there.
  void look_at_the_end() {
    const auto look = [this](HistoryCaller& caller) {
      const auto insist = [&](auto&& call) {
        for (int i = 0; i < 20; ++i)
          if (const CallEnd end = call(); end == CallEnd::done || end == CallEnd::refused) return;
        _exit(1);
      };
      insist([&] { return caller.read_latest(1); });
      insist([&] { return caller.read_latest(2); });
      insist([&] { return caller.acquire(round, 10s, true); });
      _exit(0);
    };
    uint32_t leader = 0;
    const uint64_t first = cluster->world().board.count();
    EXPECT_TRUE(await([&] {
      leader = cluster->load().leader();
      return leader != 0 && cluster->start_caller(leader, 0, false, accounts(), look).succeeded();
    })) << "host "
        << leader << " leads, and answers: " << ends(cluster->world().board.calls(first)) << "\n"
        << cluster->load().all_events();
  }
  static std::string ends(const std::vector<HistoryCall>& calls) {
    std::string text;
    for (const HistoryCall& call : calls)
      if (call.process == 0) text += std::to_string(static_cast<uint32_t>(call.end)) + " ";
    return text;
  }

  Shared<Gate> gate;
};

TEST_F(SmallClusterHistories, AreLinearizable) {
  test::Random random(seed_of_run());
  HistoryTally tally;
  uint64_t rounds = 0;
  const auto is_worth_its_name = [&] {
    return rounds > seconds() / 2 && kills + cuts + stops + storms + hand_overs > 0 &&
           tally.done > 10 * rounds && tally.unknown > 0 &&
           std::min({tally.replays, tally.denied, tally.grants, tally.refused}) > rounds / 4;
  };
  int64_t left_ns = length_of_run_ns();
  for (int runs = 0; left_ns > 0 || (runs < 4 && !is_worth_its_name()); ++runs) {
    ASSERT_NO_FATAL_FAILURE(begin_rounds(random.next()));
    if (IsSkipped()) return;
    const int64_t end_ns = monotonic_ns() + std::min(length_of_run_ns(), kRunNs);
    for (; monotonic_ns() < end_ns && round < kRoundsMax; ++rounds) {
      const Harm harm = round % 8 == 4     ? Harm::harm_leader
                        : random.one_in(2) ? Harm::kill_caller
                                           : Harm::none;
      ASSERT_EQ(run_round(random, harm), "") << cluster->load().all_events();
    }
    left_ns -= kRunNs;
    const auto problems = cluster->problems();
    if (!problems) continue;
    ASSERT_THAT(*problems, IsEmpty()) << cluster->load().all_events();
    tally.take(cluster->world().board.calls());
  }
  std::printf("%llu rounds\n", static_cast<unsigned long long>(rounds));
  print(tally);
  EXPECT_LE(too_long, rounds / 5);
  EXPECT_TRUE(is_worth_its_name());
}

TEST_F(SmallClusterHistories, ReadsThatAreNotConfirmedAreFound) {
  test::Random random(seed_of_run());
  ASSERT_NO_FATAL_FAILURE(begin_rounds(random.next()));
  if (IsSkipped()) return;
  std::string problem;
  while (problem.empty() && round < kRoundsMax) problem = run_round(random, Harm::none, true);
  std::printf("%s\n", problem.c_str());
  EXPECT_THAT(problem, HasSubstr("no order goes on"));
}

}  // namespace
}  // namespace casbook
