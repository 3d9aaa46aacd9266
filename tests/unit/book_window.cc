// The window of payment ids under clocks that jump forward and back: what was executed is not
// executed again, what cannot be proven is refused, and a full table is an answer for a while.
#include <vector>

#include <gtest/gtest.h>

#include "support/dated_id.h"
#include "support/id_table.h"
#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr int64_t kSecond = 1000;
// An entry lives for the window, the tolerance for ids from the future, and until the horizon
// moves, which lags by up to a 64th of the window.
constexpr int64_t kPastWindow = 10 * kSecond + kFutureToleranceMs + kSecond;

// A window of 10 s and the smallest table: 32 buckets of 3 entries.
CreateOptions ten_seconds() {
  CreateOptions options = small_options();
  options.payments = 1;
  options.window = std::chrono::seconds(10);
  options.records = 4096;
  return options;
}

class Window : public testing::Test {
 protected:
  Payment payment(const PaymentId& id) { return Payment(id).debit(book_.world, 1).credit(a_, 1); }
  Code pay(const PaymentId& id) { return code_of(book_.session.pay(payment(id))); }
  bool is_replay(const PaymentId& id) {
    const auto paid = book_.session.pay(payment(id));
    return paid && paid->replayed;
  }
  // New ids until hardly any chain has room: whatever may be evicted is.
  int fill() {
    int taken = 0;
    for (int i = 0; i < 600; ++i) taken += pay(payment_id(++ids_)) == kDone;
    return taken;
  }
  // A number whose home is `bucket`.
  PaymentId number_at(uint64_t bucket) {
    for (;;)
      if (const PaymentId id = payment_id(++ids_); below_.bucket(id, 0) == bucket) return id;
  }
  PaymentId uuid_at(uint64_t bucket, int64_t time_ms) {
    for (;;)
      if (const PaymentId id = uuid_v7(time_ms, ++ids_); below_.bucket(id, 0) == bucket) return id;
  }
  // Three ids in their home: the bucket is full.
  std::vector<PaymentId> fill_bucket(uint64_t bucket) {
    std::vector<PaymentId> ids;
    for (int i = 0; i < 3; ++i) {
      ids.push_back(number_at(bucket));
      EXPECT_EQ(pay(ids.back()), kDone);
      EXPECT_EQ(below_.find(ids.back()), bucket);
    }
    return ids;
  }
  int64_t now() const { return base::wall_clock_ms(); }

  SmallBook book_{ten_seconds()};
  Account a_ = book_.open("a");
  IdTable below_{book_};
  uint64_t ids_ = 0;
};

TEST_F(Window, AnIdWithoutATimeIsRememberedForTheWholeWindow) {
  const PaymentId id = payment_id(777'777);
  ASSERT_EQ(pay(id), kDone);
  fill();
  for (const int64_t step : {5 * kSecond, 4 * kSecond}) {
    step_wall_clock(step);
    fill();
    EXPECT_TRUE(is_replay(id)) << "after " << step;
  }
}

TEST_F(Window, AnIdWithoutATimeIsExecutedAgainOnlyPastTheWindow) {
  const PaymentId id = payment_id(777'777);
  ASSERT_EQ(pay(id), kDone);
  step_wall_clock(kPastWindow);
  EXPECT_TRUE(is_replay(id));  // nothing else needed its place yet
  fill();
  EXPECT_EQ(code_of(book_.book.lookup(id)), Code::payment_missing);
  const auto again = book_.session.pay(payment(id));
  EXPECT_TRUE(again ? !again->replayed : code_of(again) == Code::payment_window_full);
}

TEST_F(Window, AFullTableRefusesBeforeAnythingIsVisibleAndNotForEver) {
  const int taken = fill();
  EXPECT_LE(taken, 96);
  EXPECT_GT(taken, 80);
  const Position before = book_.book.position();
  const Amount available = book_.available(a_);
  PaymentId refused = payment_id(++ids_);
  while (pay(refused) != Code::payment_window_full) refused = payment_id(++ids_);
  EXPECT_EQ(code_of(book_.book.lookup(refused)), Code::payment_missing);
  EXPECT_FALSE(book_.session.pay(payment(refused)).error().is_recorded());
  EXPECT_EQ(book_.book.position(), before);
  EXPECT_EQ(book_.available(a_), available);
  step_wall_clock(kPastWindow);
  EXPECT_EQ(pay(refused), kDone);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Window, TheTableServesForManyWindows) {
  for (int i = 0; i < 2000; ++i) {
    step_wall_clock(2 * kSecond);
    ASSERT_EQ(pay(payment_id(++ids_)), kDone) << "payment " << i;
  }
  EXPECT_LE(book_.book.status().payment_entries, 96u);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Window, LongIdsComeAndGoWithBothTheirEntries) {
  for (uint64_t i = 0; i < 1000; ++i) {
    step_wall_clock(10 * kSecond);
    const PaymentId id = i % 3 == 0 ? payment_id(++ids_)
                                    : payment_id("of more than 16 bytes " + std::to_string(++ids_));
    ASSERT_EQ(pay(id), kDone) << "payment " << i;
    ASSERT_TRUE(is_replay(id)) << "payment " << i;
  }
  EXPECT_EQ(book_.available(a_), 1000);
}

TEST_F(Window, AnIdWithItsTimeIsExecutedOnceWhateverTheClockDoes) {
  const PaymentId ids[] = {uuid_v7(now(), 1), ulid(now(), 2), uuid_v7(now() + 59 * kSecond, 3)};
  for (const PaymentId& id : ids) ASSERT_EQ(pay(id), kDone);
  int executed = 3;
  const auto expect_no_second = [&](const char* when) {
    for (const PaymentId& id : ids) {
      const auto again = book_.session.pay(payment(id));
      EXPECT_TRUE(again ? again->replayed : again.error().code == Code::payment_too_old) << when;
    }
  };
  expect_no_second("at once");
  for (const int64_t ahead : {5 * kSecond, 60 * kSecond, kPastWindow, 3600 * kSecond}) {
    step_wall_clock(ahead);
    executed += fill();
    expect_no_second("forward");
    step_wall_clock(-2 * ahead);
    executed += fill();
    expect_no_second("back");
    step_wall_clock(ahead);
  }
  EXPECT_EQ(book_.available(a_), executed);
  EXPECT_TRUE(book_.audit_is_ok());
}

// Hole (b): an id is evicted, then the clock is set back until it looks young again; also for a
// process that attaches only then.
TEST_F(Window, AnEvictedIdIsNotYoungAgainWhenTheClockIsSetBack) {
  const PaymentId id = uuid_v7(now(), 1);
  ASSERT_EQ(pay(id), kDone);
  step_wall_clock(kPastWindow);
  fill();
  ASSERT_EQ(below_.find(id), UINT64_MAX);
  step_wall_clock(-kPastWindow);
  EXPECT_EQ(pay(id), Code::payment_too_old);
  Book other = book_.attach();
  Session session = must(other.open_session());
  EXPECT_EQ(code_of(session.pay(payment(id))), Code::payment_too_old);
}

// Hole (a): the payer is stopped anywhere in its look-up; meanwhile its id is executed, expires and
// is evicted. Awake again it must not execute it a second time.
TEST_F(Window, APayerThatSleptThroughTheLifeOfItsIdDoesNotExecuteIt) {
  Session other = must(book_.book.open_session());
  for (uint64_t nth = 1;; ++nth) {
    const PaymentId id = uuid_v7(now(), 1'000'000 + nth);
    bool was_executed = false;
    Result<Receipt> answer = Code::outcome_unknown;
    bool has_happened = false;
    {
      Interruption sleep(nth, [&] {
        base::probes.access = nullptr;
        const auto paid = other.pay(payment(id));
        was_executed = paid && !paid->replayed;
        step_wall_clock(kPastWindow);
        for (int i = 0; i < 300; ++i) (void)other.pay(payment(payment_id(++ids_)));
      });
      answer = book_.session.pay(payment(id));
      has_happened = sleep.has_happened();
    }
    if (!has_happened) {
      ASSERT_EQ(code_of(answer), kDone);
      EXPECT_GT(nth, 50u) << "there are more places to sleep at";
      break;
    }
    const bool is_second = was_executed && answer && !answer->replayed;
    ASSERT_FALSE(is_second) << "slept before access " << nth;
    step_wall_clock(kPastWindow);
  }
  EXPECT_TRUE(book_.audit_is_ok());
}

// The same for a payer that is stopped when all is planned: its plan may be older than the window.
TEST_F(Window, APlanOlderThanTheWindowIsNotExecutedBesideAnother) {
  Session other = must(book_.book.open_session());
  for (const bool carries_time : {false, true}) {
    const PaymentId id = carries_time ? uuid_v7(now(), 1) : payment_id(999'999);
    const Amount before = book_.available(a_);
    int filled = 0;
    Interruption sleep(base::FaultPoint::payment_planned, [&] {
      base::probes.fault = nullptr;
      must(other.pay(payment(id)));
      step_wall_clock(kPastWindow);
      for (int i = 0; i < 300; ++i)
        filled += code_of(other.pay(payment(payment_id(++ids_)))) == kDone;
    });
    const auto answer = book_.session.pay(payment(id));
    EXPECT_TRUE(sleep.has_happened());
    EXPECT_EQ(code_of(answer) == Code::payment_too_old, carries_time);
    const int executed = 1 + (answer && !answer->replayed);
    EXPECT_LE(executed, carries_time ? 1 : 2);  // past the window a number is new again
    EXPECT_EQ(book_.available(a_), before + filled + executed);
    step_wall_clock(kPastWindow);
  }
}

TEST_F(Window, AFullBucketSendsIdsOnAndRemembersThat) {
  const uint64_t home = 5;
  fill_bucket(home);
  EXPECT_EQ(below_.over(home), 0u);
  const PaymentId past = number_at(home);
  ASSERT_EQ(pay(past), kDone);
  EXPECT_EQ(below_.find(past), below_.bucket(past, 1));
  EXPECT_GE(below_.over(home), static_cast<uint64_t>(now()));
  EXPECT_TRUE(is_replay(past));
  EXPECT_EQ(must(book_.book.lookup(past)).id, past);
}

TEST_F(Window, ChainsGoUpToEightBuckets) {
  // Every chain of the table is exhausted in the end: nobody is refused while an eighth has room.
  fill();
  for (int i = 0; i < 20; ++i) {
    const PaymentId id = payment_id(++ids_);
    const Code code = pay(id);
    bool has_room = false;
    for (uint32_t k = 0; k < kIdChainMax; ++k) {
      const uint64_t summary = below_.word(below_.bucket(id, k), book::kSummary);
      for (uint32_t e = 0; e < book::kBucketEntries; ++e)
        has_room |= (summary >> (16 * e) & 0xffff) == 0;
    }
    EXPECT_EQ(code, Code::payment_window_full);
    EXPECT_FALSE(has_room);
  }
}

TEST_F(Window, GoneCoversWhatWasEvicted) {
  const uint64_t home = 7;
  const PaymentId dated = uuid_at(home, now() + 50 * kSecond);
  ASSERT_EQ(pay(dated), kDone);
  ASSERT_EQ(below_.find(dated), home);
  ASSERT_EQ(pay(number_at(home)), kDone);
  ASSERT_EQ(pay(number_at(home)), kDone);
  EXPECT_EQ(below_.gone(home), 0u);
  step_wall_clock(2 * kPastWindow);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(pay(number_at(home)), kDone);
  EXPECT_EQ(below_.find(dated), UINT64_MAX);
  EXPECT_GE(below_.gone(home), static_cast<uint64_t>(dated.value.own_time_ms()));
}

TEST_F(Window, GoneCoversWhatIsForgottenWithOver) {
  const uint64_t home = 9;
  fill_bucket(home);
  step_wall_clock(5 * kSecond);  // dated later than all in home, whose eviction raises GONE too
  const PaymentId past = uuid_at(home, now() + 59 * kSecond);
  ASSERT_EQ(pay(past), kDone);
  ASSERT_EQ(below_.find(past), below_.bucket(past, 1));
  EXPECT_GE(below_.over(home), static_cast<uint64_t>(past.value.own_time_ms()));
  step_wall_clock(4 * kPastWindow);
  ASSERT_EQ(pay(number_at(home)), kDone);
  EXPECT_EQ(below_.over(home), 0u);
  EXPECT_GE(below_.gone(home), static_cast<uint64_t>(past.value.own_time_ms()));
  EXPECT_EQ(pay(past), Code::payment_too_old);
}

TEST_F(Window, TheHorizonNeverMovesBack) {
  ASSERT_EQ(pay(payment_id(++ids_)), kDone);
  step_wall_clock(3600 * kSecond);
  ASSERT_EQ(pay(payment_id(++ids_)), kDone);
  const int64_t horizon = below_.horizon_ms();
  EXPECT_GT(horizon, now() - 11 * kSecond);
  step_wall_clock(-7200 * kSecond);
  ASSERT_EQ(pay(payment_id(++ids_)), kDone);
  EXPECT_EQ(below_.horizon_ms(), horizon);
}

TEST_F(Window, BookTimeNeverMovesBack) {
  const Receipt first = must(book_.session.pay(payment(payment_id(++ids_))));
  step_wall_clock(-3600 * kSecond);
  Book other = book_.attach();
  Session session = must(other.open_session());
  EXPECT_GE(must(session.pay(payment(payment_id(++ids_)))).time_ms, first.time_ms);
}

}  // namespace
}  // namespace casbook
