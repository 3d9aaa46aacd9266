// Owners that die, stop, or go away: real processes. Dead is not slow. The rows F.. are those of
// the list of what breaks in lock services.
#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/atomic.h"
#include "support/child_process.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;

struct Told {
  base::AtomicU64 is_ready, place, token, answer;
};

class LeaseOwners : public testing::Test {
 protected:
  // A process that holds `lease` and then sleeps.
  Child holder(const AcquireOptions& options) {
    Child child([this, options] {
      Book book = must(Book::attach("book", book_.directory.path()));
      Session session = must(book.open_session());
      const Grant grant = must(session.try_acquire("lease", options));
      told_->place.store_relaxed(grant.lease.place);
      told_->token.store_relaxed(grant.lease.token.value);
      told_->is_ready.store_relaxed(1);
      sleep_forever();
    });
    EXPECT_TRUE(await([&] { return told_->is_ready.load_relaxed() == 1; }));
    return child;
  }
  Lease held() const { return {told_->place.load_relaxed(), {told_->token.load_relaxed()}}; }

  SmallBook book_;
  Session& session_ = book_.session;
  Shared<Told> told_;
};

// F73, F74: a lock whose process is gone is gone, at once.
TEST_F(LeaseOwners, ADeadOwnersBoundLeaseIsFreeAtOnce) {
  Child child = holder({.ttl = 24h});
  EXPECT_EQ(code_of(session_.try_acquire("lease")), Code::lease_held);
  const LeaseInfo before = must(book_.book.lease("lease"));
  EXPECT_TRUE(before.owner_alive);
  EXPECT_EQ(before.pid, child.pid());
  child.kill_and_wait();
  const int64_t start = monotonic_ns();
  EXPECT_FALSE(must(book_.book.lease("lease")).owner_alive);
  const Grant grant = must(session_.try_acquire("lease"));
  EXPECT_LT(monotonic_ns() - start, 1'000'000'000);
  EXPECT_GT(grant.lease.token, held().token);
  EXPECT_EQ(grant.count, 1u);
}

TEST_F(LeaseOwners, ADeadOwnersDetachedLeaseLivesByItsTtl) {
  Child child = holder({.ttl = 10s, .detached = true});
  child.kill_and_wait();
  EXPECT_EQ(code_of(session_.try_acquire("lease")), Code::lease_held);
  EXPECT_EQ(code_of(session_.renew(held(), 10s)), kDone);  // with the token it goes on
  step_boot_clock(10'100);
  EXPECT_EQ(code_of(session_.try_acquire("lease")), kDone);
}

// F06: a stopped owner is not dead: only its TTL lets others in.
TEST_F(LeaseOwners, AStoppedOwnersLeaseIsFreeWhenItsTtlIsOver) {
  Child child = holder({.ttl = 30s});
  child.signal(SIGSTOP);
  int status;
  ASSERT_EQ(waitpid(child.pid(), &status, WUNTRACED), child.pid());
  EXPECT_EQ(code_of(session_.try_acquire("lease")), Code::lease_held);
  EXPECT_TRUE(must(book_.book.lease("lease")).owner_alive);
  step_boot_clock(30'000);
  EXPECT_EQ(code_of(session_.try_acquire("lease")), kDone);
}

// F01, F04: the stopped holder wakes after the takeover and pays: it is refused.
TEST_F(LeaseOwners, AHolderThatWakesAfterTheTakeoverCannotPay) {
  const Account a = book_.open("a");
  Child child([&] {
    Book book = must(Book::attach("book", book_.directory.path()));
    Session session = must(book.open_session());
    const Grant grant = must(session.try_acquire("lease", {.ttl = 30s}));
    told_->is_ready.store_relaxed(1);
    raise(SIGSTOP);
    const auto paid =
        session.pay(Payment(payment_id(1)).debit(book_.world, 1).credit(a, 1).guard(grant.lease));
    told_->answer.store_relaxed(static_cast<uint64_t>(code_of(paid)));
  });
  int status;
  ASSERT_EQ(waitpid(child.pid(), &status, WUNTRACED), child.pid());
  step_boot_clock(30'000);
  must(session_.try_acquire("lease"));
  child.signal(SIGCONT);
  ASSERT_TRUE(child.succeeded());
  EXPECT_EQ(static_cast<Code>(told_->answer.load_relaxed()), Code::lease_superseded);
  EXPECT_EQ(book_.available(a), 0);
}

TEST_F(LeaseOwners, AnOwnerThatDetachedInOrderLeavesItFree) {
  Child child([&] {
    Book book = must(Book::attach("book", book_.directory.path()));
    Session session = must(book.open_session());
    must(session.try_acquire("lease", {.ttl = 24h}));
  });
  // The child ends by _exit, but its book was closed before.
  ASSERT_TRUE(child.succeeded());
  EXPECT_EQ(code_of(session_.try_acquire("lease")), kDone);
}

// F05: the next process gets the dead one's slot in the book, and none of its rights.
TEST_F(LeaseOwners, TheNextInTheSlotOfADeadOwnerInheritsNothing) {
  Child child = holder({.ttl = 24h, .owner_id = 3, .operation_id = 4});
  child.kill_and_wait();
  must(book_.book.take_over_the_dead());
  Book heir = book_.attach();
  Session session = must(heir.open_session());
  const LeaseInfo info = must(book_.book.lease("lease"));
  EXPECT_FALSE(info.owner_alive);
  EXPECT_NE(info.pid, getpid());
  const Grant grant = must(session.try_acquire("lease", {.owner_id = 3, .operation_id = 4}));
  EXPECT_FALSE(grant.replayed);
  EXPECT_EQ(grant.count, 1u);
  EXPECT_EQ(code_of(session.release(held())), Code::lease_superseded);
}

// F45: many wait for a holder that is killed: one gets it.
TEST_F(LeaseOwners, AKilledHoldersWaitersGetItOneByOne) {
  constexpr int kWaiters = 3;
  Child child = holder({.ttl = 24h});
  Shared<base::AtomicU64> holders, granted, worst;
  std::vector<Child> waiters;
  for (int i = 0; i < kWaiters; ++i)
    waiters.emplace_back([&] {
      Book book = must(Book::attach("book", book_.directory.path()));
      Session session = must(book.open_session());
      const Grant grant = must(session.wait_acquire("lease", {.ttl = 60s, .wait = 60s}));
      holders->add_relaxed(1);
      if (holders->load_relaxed() > 1) worst->store_relaxed(holders->load_relaxed());
      sleep_us(3000);
      holders->add_relaxed(UINT64_MAX);
      granted->add_relaxed(1);
      must(session.release(grant.lease));
    });
  ASSERT_TRUE(await([&] { return must(book_.book.lease("lease")).waiters == kWaiters; }));
  child.kill_and_wait();
  for (Child& waiter : waiters) EXPECT_TRUE(waiter.succeeded());
  EXPECT_EQ(granted->load_relaxed(), uint64_t{kWaiters});
  EXPECT_EQ(worst->load_relaxed(), 0u);
  EXPECT_EQ(code_of(book_.book.lease("lease")), Code::lease_missing);
}

// F36: killed waiters delay nobody, and are not counted.
TEST_F(LeaseOwners, KilledWaitersAreInNobodysWay) {
  const Grant grant = must(session_.try_acquire("lease"));
  std::vector<Child> waiters;
  for (int i = 0; i < 3; ++i)
    waiters.emplace_back([&] {
      Book book = must(Book::attach("book", book_.directory.path()));
      Session session = must(book.open_session());
      (void)session.wait_acquire("lease", {.wait = 60s});
    });
  ASSERT_TRUE(await([&] { return must(book_.book.lease("lease")).waiters == 3; }));
  for (Child& waiter : waiters) waiter.kill_and_wait();
  EXPECT_EQ(must(book_.book.lease("lease")).waiters, 0u);
  must(session_.release(grant.lease));
  Book other = book_.attach();
  Session session = must(other.open_session());
  const int64_t start = monotonic_ns();
  EXPECT_EQ(code_of(session.wait_acquire("lease", {.wait = 60s})), kDone);
  EXPECT_LT(monotonic_ns() - start, 1'000'000'000);
}

}  // namespace
}  // namespace casbook
