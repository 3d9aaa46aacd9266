// What several processes on one book were told, some of them killed and replaced, held against the
// log as witness, and small histories against a checker of linearizability that knows no log.
// CASBOOK_HISTORY_SECONDS (6, for each of two tests) and CASBOOK_SEED choose.
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
int64_t end_of_run_ns() {
  return monotonic_ns() + static_cast<int64_t>(seconds()) * 1'000'000'000;
}

// --- small ones

// On one book after the other.
TEST(SmallHistories, AreLinearizable) {
  test::Random random(seed_of_run());
  HistoryTally tally;
  uint64_t rounds = 0, kills = 0, too_long = 0;
  for (const int64_t end_ns = end_of_run_ns(); monotonic_ns() < end_ns;) {
    HistoryRounds histories(random.next());
    for (uint32_t i = 0; i < HistoryRounds::kRoundsMax && monotonic_ns() < end_ns; ++i, ++rounds)
      ASSERT_EQ(histories.run_round(), "");
    ASSERT_THAT(histories.check(), IsEmpty());
    tally.take(histories.calls());
    kills += histories.kills(), too_long += histories.too_long();
  }
  std::printf("%llu rounds, %llu kills\n", static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(kills));
  tally.print();
  EXPECT_GT(rounds, 5 * seconds());
  EXPECT_GT(kills, seconds());
  EXPECT_LT(too_long, 1 + rounds / 20);
  EXPECT_GT(tally.unknown, seconds() / 2);
  for (const uint64_t count : {tally.done, tally.replays, tally.denied, tally.refused, tally.grants,
                               tally.releases, tally.guarded, tally.stale})
    EXPECT_GT(count, rounds / 10);
}

// --- a large one

constexpr uint32_t kWorkers = 4, kAccounts = 6, kLeases = 3;
constexpr uint64_t kLatestIds = 20;  // sent again now and then
constexpr int64_t kRunNs = 3'000'000'000;

class LargeHistory {
 public:
  explicit LargeHistory(uint64_t seed)
      : random_(seed), follower_(must(book_.book.follow("witness", FullPolicy::refuse_payments))) {
    accounts_.push_back(book_.world);
    for (uint32_t i = 0; i < kAccounts; ++i)
      accounts_.push_back(book_.open("account " + std::to_string(i)));
  }

  void run(int64_t end_ns) {
    while (monotonic_ns() < end_ns && !world_->board.is_full()) {
      for (auto& worker : workers_)
        if (!worker || worker->has_ended()) start(worker);
      if (random_.one_in(40)) workers_[random_.below(kWorkers)]->signal(SIGKILL);
      take_log();
      sleep_us(1000);
    }
    world_->must_stop = 1;
    for (auto& worker : workers_) worker->wait();
    take_log();
  }
  std::vector<HistoryCall> calls() const { return world_->board.calls(); }
  uint64_t starts() const { return starts_; }
  void expect_sound() {
    EXPECT_EQ(world_->unexpected, 0u);
    EXPECT_THAT(check_history(calls(), witness_.log()), IsEmpty());
    EXPECT_TRUE(book_.audit_is_ok());
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
  void start(std::optional<Child>& worker) {
    const uint32_t number = ++starts_;
    const uint64_t seed = random_.next();
    worker.emplace([this, number, seed] { work(number, seed); });
  }
  // Bursts, so that calls meet; one worker of two dies at some access of its.
  void work(uint32_t number, uint64_t seed) {
    test::Random random(seed);
    Book book = book_.attach();
    HistoryCaller caller(*world_, book, must(book.open_session()), accounts_, {.process = number});
    if (number % 2) arm({.nth = 1 + random.below(200'000)});
    delay_now_and_then(2000, seed);
    while (!caller.is_over()) {
      for (uint64_t i = random.below(32); i > 0; --i)
        caller.call_at_random(random, next_id(random), static_cast<uint32_t>(random.below(kLeases)));
      sleep_us(static_cast<int64_t>(random.below(4000)));
    }
  }
  uint64_t next_id(test::Random& random) {
    const uint64_t newest = *ids_;
    if (newest > kLatestIds && random.one_in(5)) return newest - random.below(kLatestIds);
    return ++*ids_;
  }

  test::Random random_;
  Shared<HistoryWorld> world_;
  Shared<std::atomic<uint64_t>> ids_;
  SmallBook book_{options()};
  std::vector<Account> accounts_;
  LogFollower follower_;
  HistoryWitness witness_;
  std::array<std::optional<Child>, kWorkers> workers_;
  uint32_t starts_ = 0;
};

TEST(LargeHistories, AreWhatTheLogSays) {
  test::Random random(seed_of_run());
  HistoryTally tally;
  uint64_t starts = 0;
  for (const int64_t end_ns = end_of_run_ns(); monotonic_ns() < end_ns;) {
    LargeHistory history(random.next());
    history.run(std::min(end_ns, monotonic_ns() + kRunNs));
    ASSERT_NO_FATAL_FAILURE(history.expect_sound());
    tally.take(history.calls());
    starts += history.starts();
    if (testing::Test::HasFailure()) break;
  }
  std::printf("%llu processes\n", static_cast<unsigned long long>(starts));
  tally.print();
  EXPECT_GT(starts, 5 * seconds());
  EXPECT_GT(tally.done, 500 * seconds());
  EXPECT_GT(tally.unknown, seconds());
  EXPECT_GT(tally.resolved, 0u) << "no payment of one that died was found done";
  for (const uint64_t count : {tally.replays, tally.denied, tally.refused, tally.grants,
                               tally.releases, tally.guarded, tally.stale, tally.reads_at})
    EXPECT_GT(count, 20 * seconds());
}

}  // namespace
}  // namespace casbook
