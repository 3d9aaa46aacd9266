// The event count, one step at a time. Its races are in crash/arena_event.cc.
#include <thread>
#include <vector>

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include <gtest/gtest.h>

#include "arena/event.h"
#include "support/child_process.h"

namespace casbook::arena {
namespace {

using namespace test_support;

constexpr int64_t kSecondNs = 1'000'000'000;

class Event : public testing::Test {
 protected:
  uint64_t sequence() const { return event_->sequence.load_relaxed(); }
  int64_t in_seconds(int64_t seconds) const { return monotonic_ns() + seconds * kSecondNs; }

  Shared<EventLine> event_;
};

TEST_F(Event, NotifyWritesNothingWhenNobodyWaits) {
  for (int i = 0; i < 3; ++i) notify(*event_);
  EXPECT_EQ(sequence(), 0u);
  EXPECT_EQ(event_->woken.load_relaxed(), 0u);
}

TEST_F(Event, NotifyAfterPrepareEndsTheWaitAtOnce) {
  for (int i = 0; i < 3; ++i) {
    const uint64_t ticket = prepare_wait(*event_);
    notify(*event_);
    EXPECT_EQ(wait(*event_, ticket, in_seconds(20)), WaitEnd::notified);
    EXPECT_EQ(sequence(), ticket + 1);
    notify(*event_);  // nobody waits any more
    EXPECT_EQ(sequence(), ticket + 1);
  }
}

TEST_F(Event, SaysWhetherSomebodyWaits) {
  EXPECT_FALSE(is_awaited(*event_));
  for (int i = 0; i < 3; ++i) {
    const uint64_t ticket = prepare_wait(*event_);
    EXPECT_TRUE(is_awaited(*event_));
    EXPECT_EQ(wait(*event_, ticket, monotonic_ns() - 1), WaitEnd::timed_out);
    EXPECT_TRUE(is_awaited(*event_)) << "nobody said that it is over";
    notify(*event_);
    EXPECT_FALSE(is_awaited(*event_));
  }
}

TEST_F(Event, ManyWaitersAreWokenByOneNotify) {
  std::vector<std::thread> waiters;
  base::AtomicU64 prepared;
  prepared.initialise(0);
  for (int i = 0; i < 5; ++i)
    waiters.emplace_back([&] {
      const uint64_t ticket = prepare_wait(*event_);
      prepared.add_relaxed(1);
      EXPECT_EQ(wait(*event_, ticket, in_seconds(20)), WaitEnd::notified);
    });
  ASSERT_TRUE(await([&] { return prepared.load_relaxed() == 5; }));
  sleep_us(20'000);
  notify(*event_);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(sequence(), 1u);
}

TEST_F(Event, TimesOutAtTheDeadlineAndNotBefore) {
  const int64_t deadline_ns = monotonic_ns() + kSecondNs / 20;
  EXPECT_EQ(wait(*event_, prepare_wait(*event_), deadline_ns), WaitEnd::timed_out);
  EXPECT_GE(monotonic_ns(), deadline_ns);
}

TEST_F(Event, DeadlinesInThePastAreTimeOuts) {
  for (const int64_t deadline_ns : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}})
    EXPECT_EQ(wait(*event_, prepare_wait(*event_), deadline_ns), WaitEnd::timed_out);
}

TEST_F(Event, TheLastDeadlineIsNoTimeOut) {
  Child waker([&] {
    require(await([&] { return event_->wanted.load_relaxed() == 1; }), "no waiter");
    notify(*event_);
  });
  EXPECT_EQ(wait(*event_, prepare_wait(*event_), INT64_MAX), WaitEnd::notified);
  EXPECT_TRUE(waker.succeeded());
}

TEST_F(Event, SaysThatASignalCame) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  const pthread_t self = pthread_self();
  base::AtomicU64 is_over;
  is_over.initialise(0);
  std::thread signaller([&] {
    // Again and again: the first may come before the sleep begins.
    while (is_over.load_relaxed() == 0) {
      sleep_us(5'000);
      pthread_kill(self, SIGUSR1);
    }
  });
  EXPECT_EQ(wait(*event_, prepare_wait(*event_), in_seconds(20)), WaitEnd::interrupted);
  is_over.store_relaxed(1);
  signaller.join();
}

TEST_F(Event, AWakeForAnEarlierTicketDoesNotEndAWait) {
  Shared<base::AtomicU64> end;
  Child waiter([&] {
    const uint64_t ticket = prepare_wait(*event_);
    end->store_relaxed(1 + static_cast<uint64_t>(wait(*event_, ticket, in_seconds(20))));
  });
  ASSERT_TRUE(await([&] { return event_->wanted.load_relaxed() == 1; }));
  sleep_us(20'000);
  // As a waker does that counted for the ticket before this one and comes late.
  for (int i = 0; i < 20; ++i) {
    EXPECT_LE(syscall(SYS_futex, &*event_, FUTEX_WAKE, 1, nullptr, nullptr, 0), 1);
    sleep_us(500);
  }
  EXPECT_EQ(end->load_relaxed(), 0u);
  notify(*event_);
  ASSERT_TRUE(waiter.succeeded());
  EXPECT_EQ(end->load_relaxed(), 1 + static_cast<uint64_t>(WaitEnd::notified));
}

TEST_F(Event, ADeadWaiterCostsOneWake) {
  Child waiter([&] { (void)wait(*event_, prepare_wait(*event_), in_seconds(20)); });
  ASSERT_TRUE(await([&] { return event_->wanted.load_relaxed() == 1; }));
  waiter.kill_and_wait();
  notify(*event_);
  EXPECT_EQ(sequence(), 1u);
  notify(*event_);
  EXPECT_EQ(sequence(), 1u);
}

}  // namespace
}  // namespace casbook::arena
