// What several processes on one book were told, some of them killed and replaced, held against the
// log as witness, and small histories against a checker of linearizability that knows no log.
// CASBOOK_HISTORY_SECONDS (5, for each of two tests) and CASBOOK_SEED choose.
#include <algorithm>
#include <cstdlib>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/history_rounds.h"
#include "support/history_tally.h"
#include "support/hunt.h"
#include "support/strike.h"

namespace casbook {
namespace {

using namespace test_support;
using testing::HasSubstr;
using testing::IsEmpty;

uint64_t seconds() {
  const char* const given = std::getenv("CASBOOK_HISTORY_SECONDS");
  return given ? std::strtoull(given, nullptr, 10) : 5;
}
uint64_t seed_of_run() {
  const char* const given = std::getenv("CASBOOK_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}
int64_t end_of_run_ns() { return monotonic_ns() + static_cast<int64_t>(seconds()) * 1'000'000'000; }

constexpr int64_t kRunNs = 2'000'000'000;  // on one book

// --- small ones

// On one book after the other.
TEST(SmallHistories, AreLinearizable) {
  test::Random random(seed_of_run());
  HistoryTally tally;
  uint64_t rounds = 0, kills = 0, too_long = 0;
  const auto is_worth_its_name = [&] {
    return rounds > 5 * seconds() && kills > rounds / 8 && tally.unknown > kills / 4 &&
           std::min({tally.replays, tally.denied, tally.refused, tally.grants, tally.releases,
                     tally.guarded, tally.stale}) > rounds / 20;
  };
  const int64_t begun_ns = monotonic_ns(), end_ns = end_of_run_ns();
  const int64_t latest_ns = end_ns + 3 * (end_ns - begun_ns);
  while (monotonic_ns() < (is_worth_its_name() ? end_ns : latest_ns)) {
    HistoryRounds histories(random.next());
    const int64_t book_end_ns = monotonic_ns() + std::min(end_ns - begun_ns, kRunNs);
    for (uint32_t i = 0; i < HistoryRounds::kRoundsMax && monotonic_ns() < book_end_ns; ++i) {
      ASSERT_EQ(histories.run_round(), "");
      ++rounds;
    }
    ASSERT_THAT(histories.check(), IsEmpty());
    tally.take(histories.calls());
    kills += histories.kills(), too_long += histories.too_long();
  }
  std::printf("%llu rounds, %llu kills\n", static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(kills));
  tally.print();
  EXPECT_LT(too_long, 1 + rounds / 20);
  EXPECT_TRUE(is_worth_its_name());
}

// --- a large one

constexpr uint32_t kWorkers = 4, kAccounts = 6, kLeases = 3;
constexpr uint64_t kLatestIds = 20;        // sent again now and then
constexpr uint64_t kAccessesMax = 20'000;  // of a worker that is struck, before it is

class LargeHistory {
 public:
  explicit LargeHistory(uint64_t seed, base::Mutant mutant = base::Mutant::none)
      : random_(seed),
        mutant_(mutant),
        follower_(must(book_.book.follow("witness", FullPolicy::refuse_payments))) {
    accounts_.push_back(book_.world);
    for (uint32_t i = 0; i < kAccounts; ++i)
      accounts_.push_back(book_.open("account " + std::to_string(i)));
  }

  void run(int64_t end_ns) {
    while (monotonic_ns() < end_ns && !world_->board.is_full()) {
      for (uint32_t w = 0; w < kWorkers; ++w)
        if (!workers_[w] || workers_[w]->has_ended()) start(w);
      if (random_.one_in(80)) workers_[random_.below(kWorkers)]->signal(SIGKILL);
      stop_one_now_and_then();
      take_log();
      sleep_us(1000);
    }
    world_->must_stop = 1;
    for (auto& worker : workers_) worker->signal(SIGCONT), worker->wait();
    take_log();
  }
  std::vector<HistoryCall> calls() const { return world_->board.calls(); }
  uint64_t starts() const { return starts_; }
  std::vector<std::string> problems() const {
    auto problems = check_history(calls(), witness_.log(), book_.world.index);
    if (world_->unexpected != 0) problems.push_back("there was an answer that must not be");
    if (!book_.audit_is_ok()) problems.push_back("the audit has found something");
    return problems;
  }

 private:
  static CreateOptions options() {
    CreateOptions options = small_options();
    options.payments = HistoryBoard::kCallsMax;
    options.sessions = 32;
    options.records = 4096;
    return options;
  }
  void take_log() {
    must(witness_.take_all(follower_));
    follower_.release();
  }
  // In whatever it does, for longer than most of the leases last.
  void stop_one_now_and_then() {
    if (monotonic_ns() < stopped_until_ns_) return;
    workers_[stopped_]->signal(SIGCONT);
    if (!random_.one_in(20)) return;
    stopped_ = static_cast<uint32_t>(random_.below(kWorkers));
    workers_[stopped_]->signal(SIGSTOP);
    stopped_until_ns_ = monotonic_ns() + 30'000'000;
  }
  void start(uint32_t worker) {
    const uint32_t number = ++starts_;
    const uint64_t seed = random_.next();
    workers_[worker].emplace([this, worker, number, seed] { work(worker, number, seed); });
  }
  // Bursts, so that calls meet; one worker of two dies at some access of its. Each begins with the
  // payment that the one before it was at.
  void work(uint32_t worker, uint32_t number, uint64_t seed) {
    test::Random random(seed);
    Book book = book_.attach();
    HistoryCaller caller(*world_, book, must(book.open_session()), accounts_, {.process = number});
    base::probes.mutant = mutant_;
    std::atomic<uint64_t>& at = (*at_)[worker];
    if (at != 0) caller.pay(at);
    if (number % 2) arm({.nth = 1 + random.below(kAccessesMax)});
    delay_now_and_then(mutant_ == base::Mutant::none ? 2000 : 100, seed);
    while (!caller.is_over()) {
      for (uint64_t i = random.below(32); i > 0; --i) {
        at = next_id(random);
        const auto lease = static_cast<uint32_t>(random.below(kLeases));
        // The witness is late, and the ring full.
        if (caller.call_at_random(random, at, lease) == CallEnd::turned_away) sleep_us(1000);
      }
      sleep_us(static_cast<int64_t>(random.below(4000)));
    }
  }
  uint64_t next_id(test::Random& random) {
    const uint64_t newest = *ids_;
    if (newest > kLatestIds && random.one_in(5)) return newest - random.below(kLatestIds);
    return ++*ids_;
  }

  test::Random random_;
  const base::Mutant mutant_;
  Shared<HistoryWorld> world_;
  Shared<std::atomic<uint64_t>> ids_;
  Shared<std::array<std::atomic<uint64_t>, kWorkers>> at_;  // the payment that each is at
  SmallBook book_{options()};
  std::vector<Account> accounts_;
  LogFollower follower_;
  HistoryWitness witness_;
  std::array<std::optional<Child>, kWorkers> workers_;
  uint32_t starts_ = 0, stopped_ = 0;
  int64_t stopped_until_ns_ = 0;
};

// On a busy machine it takes longer to become one worth its name.
TEST(LargeHistories, AreWhatTheLogSays) {
  test::Random random(seed_of_run());
  HistoryTally tally;
  uint64_t starts = 0;
  const auto is_worth_its_name = [&] {
    return starts > 2 * seconds() && tally.done > 200 * seconds() &&
           tally.unknown > seconds() / 2 && tally.resolved > 0 &&
           std::min({tally.replays, tally.denied, tally.refused, tally.grants, tally.releases,
                     tally.guarded, tally.stale, tally.reads_at}) > 5 * seconds();
  };
  const int64_t begun_ns = monotonic_ns(), end_ns = end_of_run_ns();
  const int64_t latest_ns = end_ns + 3 * (end_ns - begun_ns);
  while (monotonic_ns() < (is_worth_its_name() ? end_ns : latest_ns)) {
    LargeHistory history(random.next());
    history.run(monotonic_ns() + std::min(end_ns - begun_ns, kRunNs));
    ASSERT_THAT(history.problems(), IsEmpty());
    tally.take(history.calls());
    starts += history.starts();
  }
  std::printf("%llu processes\n", static_cast<unsigned long long>(starts));
  tally.print();
  EXPECT_TRUE(is_worth_its_name());
}

// --- bugs, in those who call

// A log that cannot be read is found, too.
template <class Look>
std::string find(Look&& look) {
  try {
    return look();
  } catch (const std::runtime_error& error) {
    return std::string("by an error: ") + error.what();
  }
}
std::string find_in_small_ones(base::Mutant mutant) {
  for (uint64_t seed = 1;; ++seed) {
    HistoryRounds histories(seed, mutant);
    for (uint32_t i = 0; i < 40; ++i)
      if (const std::string problem = histories.run_round(); !problem.empty())
        return "by answers: " + problem;
    const auto problems = histories.check();
    if (!problems.empty()) return "by the log: " + problems.front();
  }
}
std::string find_in_large_ones(base::Mutant mutant) {
  for (uint64_t seed = 1;; ++seed) {
    LargeHistory history(seed, mutant);
    history.run(monotonic_ns() + 1'000'000'000);
    const auto problems = history.problems();
    if (!problems.empty()) return "by the log: " + problems.front();
  }
}

struct Seeded {
  base::Mutant mutant;
  std::string (*find)(base::Mutant);
  const char* seen;
};
void PrintTo(const Seeded& seeded, std::ostream* out) { *out << base::mutant_name(seeded.mutant); }

class HistoryMutants : public testing::TestWithParam<Seeded> {};

TEST_P(HistoryMutants, IsFound) {
  const Seeded& seeded = GetParam();
  const std::string found =
      test::hunt_in_child(60, [&] { return find([&] { return seeded.find(seeded.mutant); }); });
  std::printf("%s\n", found.c_str());
  EXPECT_THAT(found, HasSubstr(seeded.seen));
}

using base::Mutant;
INSTANTIATE_TEST_SUITE_P(
    , HistoryMutants,
    testing::Values(Seeded{Mutant::release_without_token, find_in_small_ones, "by answers"},
                    Seeded{Mutant::guard_skipped, find_in_small_ones, "is not guarded in the log"},
                    Seeded{Mutant::refusal_unguarded, find_in_small_ones, "was denied"},
                    // Now and then the log cannot even be read.
                    Seeded{Mutant::no_status_before_claim, find_in_large_ones, "by "}),
    [](const testing::TestParamInfo<Seeded>& given) {
      return std::string(base::mutant_name(given.param.mutant));
    });

}  // namespace
}  // namespace casbook
