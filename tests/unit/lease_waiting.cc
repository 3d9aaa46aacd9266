// Waiting for a lease: bounded, cancellable, woken. Times are generous upwards: machines are busy.
#include <thread>

#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>

#include "base/atomic.h"
#include "support/child_process.h"
#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;

constexpr int64_t kMsNs = 1'000'000;

class LeaseWaiting : public testing::Test {
 protected:
  // Waits in a thread of its own, from another attachment.
  struct Waiter {
    explicit Waiter(SmallBook& small, AcquireOptions options)
        : book(small.attach()), session(must(book.open_session())), thread([this, options] {
            started_ns = monotonic_ns();
            answer = session.wait_acquire("lease", options);
            ended_ns = monotonic_ns();
            is_done.store_release(1);
          }) {}
    Code join() {
      thread.join();
      return code_of(answer);
    }
    Book book;
    Session session;
    Result<Grant> answer = Code::outcome_unknown;
    int64_t started_ns = 0, ended_ns = 0;
    base::AtomicU64 is_done{};
    std::thread thread;
  };

  void await_waiters(uint32_t count) {
    ASSERT_TRUE(await([&] { return must(book_.book.lease("lease")).waiters == count; }));
  }

  SmallBook book_;
  Session& session_ = book_.session;
  Grant held_ = must(session_.try_acquire("lease", {.ttl = 60s}));
};

TEST_F(LeaseWaiting, EndsWhenTheTimeIsOver) {
  Waiter waiter(book_, {.wait = 60ms});
  EXPECT_EQ(waiter.join(), Code::wait_timeout);
  EXPECT_GE(waiter.ended_ns - waiter.started_ns, 60 * kMsNs);
  EXPECT_LT(waiter.ended_ns - waiter.started_ns, 1000 * kMsNs);
  EXPECT_EQ(must(book_.book.lease("lease")).waiters, 0u);  // F21: it leaves nothing behind
}

TEST_F(LeaseWaiting, NoTimeIsOneTry) {
  Book other = book_.attach();
  Session session = must(other.open_session());
  EXPECT_EQ(code_of(session.wait_acquire("lease", {})), Code::lease_held);
  EXPECT_EQ(code_of(session.wait_acquire("lease", {.wait = -5s})), Code::lease_held);
  EXPECT_EQ(code_of(session.wait_acquire("", {.wait = 5s})), Code::bad_argument);
  EXPECT_EQ(code_of(session.wait_acquire("free", {.wait = 5s})), kDone);
}

// F40: a release that comes while it sleeps wakes it, long before its time is over.
TEST_F(LeaseWaiting, IsWokenByTheRelease) {
  Waiter waiter(book_, {.wait = 60s});
  await_waiters(1);
  sleep_us(30'000);
  const int64_t released = monotonic_ns();
  must(session_.release(held_.lease));
  ASSERT_EQ(waiter.join(), kDone);
  EXPECT_LT(waiter.ended_ns - released, 1000 * kMsNs);
  EXPECT_GT(waiter.answer->remaining, 0s);
  EXPECT_GT(waiter.answer->lease.token, held_.lease.token);
}

// F40: nor is one lost that comes between the last look and the sleep.
TEST_F(LeaseWaiting, IsNotLostBetweenTheLastLookAndTheSleep) {
  Book other = book_.attach();
  Session session = must(other.open_session());
  Interruption release(base::FaultPoint::lease_waiting,
                       [&] { must(session_.release(held_.lease)); });
  const int64_t start = monotonic_ns();
  EXPECT_EQ(code_of(session.wait_acquire("lease", {.wait = 60s})), kDone);
  EXPECT_TRUE(release.has_happened());
  EXPECT_LT(monotonic_ns() - start, 1000 * kMsNs);
}

TEST_F(LeaseWaiting, EndsWithTheDeadlineOfTheHolder) {
  must(session_.release(held_.lease));
  must(session_.try_acquire("lease", {.ttl = 100ms}));
  Waiter waiter(book_, {.wait = 60s});
  ASSERT_EQ(waiter.join(), kDone);
  EXPECT_LT(waiter.ended_ns - waiter.started_ns, 1000 * kMsNs);
}

// Within 10 ms, and what a busy machine adds.
TEST_F(LeaseWaiting, IsCancelledSoon) {
  std::stop_source stop;
  Waiter waiter(book_, {.wait = 60s, .stop = stop.get_token()});
  await_waiters(1);
  sleep_us(5'000);
  const int64_t asked = monotonic_ns();
  stop.request_stop();
  EXPECT_EQ(waiter.join(), Code::wait_cancelled);
  EXPECT_LT(waiter.ended_ns - asked, (10 + 240) * kMsNs);
  EXPECT_EQ(must(book_.book.lease("lease")).waiters, 0u);
}

TEST_F(LeaseWaiting, WhoIsCancelledBeforeItBeginsStillGetsAFreeLease) {
  std::stop_source stop;
  stop.request_stop();
  Waiter waiter(book_, {.wait = 60s, .stop = stop.get_token()});
  EXPECT_EQ(waiter.join(), Code::wait_cancelled);
  must(session_.release(held_.lease));
  Waiter second(book_, {.wait = 60s, .stop = stop.get_token()});
  EXPECT_EQ(second.join(), kDone);
}

TEST_F(LeaseWaiting, TheLongestWaitIsNoTimeOut) {
  Waiter waiter(book_, {.wait = std::chrono::milliseconds::max()});
  await_waiters(1);
  must(session_.release(held_.lease));
  EXPECT_EQ(waiter.join(), kDone);
}

TEST_F(LeaseWaiting, IsListedWithWaitersAndTime) {
  Waiter one(book_, {.wait = 60s}), two(book_, {.wait = 60s});
  await_waiters(2);
  const auto list = book_.book.leases();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].name, "lease");
  EXPECT_GT(list[0].remaining, 50s);
  must(session_.release(held_.lease));
  // One has it now; it gives it to the other.
  const auto is_done = [](Waiter& waiter) { return waiter.is_done.load_acquire() == 1; };
  ASSERT_TRUE(await([&] { return is_done(one) || is_done(two); }));
  Waiter& first = is_done(one) ? one : two;
  Waiter& second = &first == &one ? two : one;
  first.join();
  EXPECT_EQ(must(book_.book.lease("lease")).lease, first.answer->lease);
  must(first.session.release(first.answer->lease));
  EXPECT_EQ(second.join(), kDone);
}

// F75: signals neither end the wait nor get lost.
TEST_F(LeaseWaiting, SignalsDoNotEndIt) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  Waiter waiter(book_, {.wait = 300ms});
  await_waiters(1);
  for (int i = 0; i < 50; ++i) {
    pthread_kill(waiter.thread.native_handle(), SIGUSR1);
    sleep_us(2000);
  }
  EXPECT_EQ(waiter.join(), Code::wait_timeout);
  EXPECT_GE(waiter.ended_ns - waiter.started_ns, 300 * kMsNs);
}

// F02: the lease it returns is its own, with its own time, however long it queued.
TEST_F(LeaseWaiting, TheTtlBeginsWithTheGrant) {
  Waiter waiter(book_, {.ttl = 200ms, .wait = 60s});
  await_waiters(1);
  sleep_us(250'000);
  must(session_.release(held_.lease));
  ASSERT_EQ(waiter.join(), kDone);
  EXPECT_GT(waiter.answer->remaining, 50ms);
}

// While somebody waits the slot may go to another name: the wait goes on for the name, not the
// slot.
TEST_F(LeaseWaiting, IsForTheNameAndNotForItsSlot) {
  Book other = book_.attach();
  Session session = must(other.open_session());
  Interruption reuse(base::FaultPoint::lease_waiting, [&] {
    must(session_.release(held_.lease));
    for (int i = 0; i < 200; ++i) (void)session_.try_acquire("fill " + std::to_string(i));
    step_boot_clock(10'000);  // all of them expire
  });
  const Grant grant = must(session.wait_acquire("lease", {.wait = 60s}));
  EXPECT_TRUE(reuse.has_happened());
  EXPECT_EQ(must(book_.book.lease("lease")).lease, grant.lease);
}

}  // namespace
}  // namespace casbook
