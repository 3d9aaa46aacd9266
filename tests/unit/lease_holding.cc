// Holding a lease: acquire, re-entry, renewal, expiry, release, and the token. The rows F.. are
// those of the list of what breaks in lock services.
#include <set>

#include <unistd.h>

#include <gtest/gtest.h>

#include "lease/layout.h"
#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;

class Leases : public testing::Test {
 protected:
  Result<Grant> acquire(AcquireOptions options = {}, std::string_view name = "lease") {
    return book_.session.try_acquire(name, options);
  }
  // Of another process, as far as the book can tell.
  Result<Grant> acquire_elsewhere(AcquireOptions options = {}, std::string_view name = "lease") {
    return other_.try_acquire(name, options);
  }

  SmallBook book_;
  Book other_book_ = book_.attach();
  Session other_ = must(other_book_.open_session());
};

TEST_F(Leases, AGrantTellsTokenTimeAndCount) {
  const Grant grant = must(acquire({.ttl = 5s}));
  EXPECT_EQ(grant.lease.token, book_.book.position());  // the position of the grant
  EXPECT_GT(grant.remaining, 4s);
  EXPECT_LE(grant.remaining, 5s);
  EXPECT_EQ(grant.count, 1u);
  EXPECT_FALSE(grant.replayed);
}

TEST_F(Leases, AnotherAttachmentFindsItHeld) {
  must(acquire());
  EXPECT_EQ(code_of(acquire_elsewhere()), Code::lease_held);
  EXPECT_EQ(code_of(acquire_elsewhere({.detached = true})), Code::lease_held);
}

TEST_F(Leases, AnotherOwnerOfTheSameAttachmentFindsItHeld) {
  must(acquire({.owner_id = 1}));
  EXPECT_EQ(code_of(acquire({.owner_id = 2})), Code::lease_held);
}

// F59: re-entry goes by owner and name, whatever session or handle it comes through.
TEST_F(Leases, ReEntryKeepsTheTokenAndCounts) {
  const Grant first = must(acquire({.owner_id = 1}));
  Session second_session = must(book_.book.open_session());
  const Grant second = must(second_session.try_acquire("lease", {.owner_id = 1}));
  EXPECT_EQ(second.lease, first.lease);
  EXPECT_EQ(second.count, 2u);
  EXPECT_EQ(must(book_.session.release(first.lease)).count, 1u);
  EXPECT_EQ(code_of(acquire_elsewhere()), Code::lease_held);
  EXPECT_EQ(must(second_session.release(first.lease)).count, 0u);
  EXPECT_EQ(code_of(acquire_elsewhere()), kDone);
}

// F49, F34: each grant has its own TTL, and a shorter one shortens nothing.
TEST_F(Leases, ReEntryNeverShortensTheDeadline) {
  must(acquire({.ttl = 60s}));
  EXPECT_GT(must(acquire({.ttl = 10s})).remaining, 59s);
  EXPECT_GT(must(acquire({.ttl = 90s})).remaining, 89s);
}

// What a recovery and a new leader give again: never less than the holder was told.
TEST_F(Leases, WhatWasPromisedLastIsWhatARecoveryGives) {
  LogReader reader = must(book_.book.read_log());
  const auto given = [&] {
    uint64_t ns = 0;
    for (auto next = must(reader.next()); next; next = must(reader.next()))
      for (const WordChange& change : next->changes)
        if (change.word == lease::kTtl) ns = change.new_value;
    return std::chrono::nanoseconds(ns);
  };
  const Lease lease = must(acquire({.ttl = 60s})).lease;
  EXPECT_EQ(given(), 60s);
  must(book_.session.renew(lease, 1s));
  EXPECT_GT(given(), 59s) << "a renewal that is shorter shortens nothing";
  must(acquire({.ttl = 90s}));
  EXPECT_EQ(given(), 90s) << "nor does a longer re-entry count for less";
}

TEST_F(Leases, TtlsGoFromAMillisecondToADay) {
  EXPECT_EQ(code_of(acquire({.ttl = 0ms})), Code::bad_argument);
  EXPECT_EQ(code_of(acquire({.ttl = -1ms})), Code::bad_argument);
  EXPECT_EQ(code_of(acquire({.ttl = 24h + 1ms})), Code::bad_argument);
  EXPECT_EQ(code_of(acquire({.ttl = std::chrono::milliseconds::max()})), Code::bad_argument);
  const Grant grant = must(acquire({.ttl = 24h}));
  EXPECT_GT(grant.remaining, 23h);
  EXPECT_EQ(code_of(book_.session.renew(grant.lease, 0ms)), Code::bad_argument);
  EXPECT_EQ(code_of(book_.session.renew(grant.lease, 25h)), Code::bad_argument);
}

// F62, F64: it ends with its TTL, not later, and not before.
TEST_F(Leases, AnExpiredOneMayBeTakenByAnother) {
  const Grant old = must(acquire({.ttl = 10s}));
  step_boot_clock(8000);
  EXPECT_EQ(code_of(acquire_elsewhere()), Code::lease_held);
  step_boot_clock(2100);
  const Grant taken = must(acquire_elsewhere());
  EXPECT_GT(taken.lease.token, old.lease.token);
  EXPECT_EQ(taken.lease.place, old.lease.place);
  EXPECT_EQ(taken.count, 1u);
  // F18, F10: what the old holder still does changes nothing, and it is told why.
  EXPECT_EQ(code_of(book_.session.release(old.lease)), Code::lease_superseded);
  EXPECT_EQ(code_of(book_.session.renew(old.lease, 5s)), Code::lease_superseded);
  EXPECT_EQ(must(book_.book.lease("lease")).lease, taken.lease);
}

// F60, F26: the holder itself begins anew after the end: another token, count 1, renewable.
TEST_F(Leases, AnExpiredOneIsNotReEntered) {
  const Grant old = must(acquire({.ttl = 10s}));
  must(acquire({.ttl = 10s}));
  step_boot_clock(10'100);
  const Grant fresh = must(acquire({.ttl = 10s}));
  EXPECT_GT(fresh.lease.token, old.lease.token);
  EXPECT_EQ(fresh.count, 1u);
  EXPECT_EQ(code_of(book_.session.renew(old.lease, 5s)), Code::lease_superseded);
  EXPECT_EQ(code_of(book_.session.renew(fresh.lease, 5s)), kDone);
}

TEST_F(Leases, RenewalKeepsTheTokenAndNeverShortens) {
  const Grant grant = must(acquire({.ttl = 10s}));
  const Grant longer = must(book_.session.renew(grant.lease, 60s));
  EXPECT_EQ(longer.lease, grant.lease);
  EXPECT_GT(longer.remaining, 59s);
  EXPECT_GT(must(book_.session.renew(grant.lease, 10s)).remaining, 59s);
  EXPECT_EQ(must(acquire({.ttl = 10s})).count, 2u);
  EXPECT_EQ(must(book_.session.renew(grant.lease, 60s)).count, 2u);
}

// F12: even if nobody took it.
TEST_F(Leases, AnExpiredOneCannotBeRenewed) {
  const Grant grant = must(acquire({.ttl = 10s}));
  step_boot_clock(10'000);
  EXPECT_EQ(code_of(book_.session.renew(grant.lease, 5s)), Code::lease_expired);
  EXPECT_LE(must(book_.book.lease("lease")).remaining, 0s);
}

TEST_F(Leases, AnExpiredOneCanBeReleased) {
  const Grant grant = must(acquire({.ttl = 10s}));
  EXPECT_FALSE(must(acquire({.owner_id = 9}, "other")).replayed);
  step_boot_clock(15'000);
  const Released released = must(book_.session.release(grant.lease));
  EXPECT_TRUE(released.was_expired);
  EXPECT_EQ(released.count, 0u);
  EXPECT_EQ(code_of(book_.book.lease("lease")), Code::lease_missing);
}

// F11: whatever time an acquire takes, what it returns still lives.
TEST_F(Leases, NoCallReturnsALeaseThatIsOver) {
  for (const auto point :
       {base::FaultPoint::lease_before_acquire, base::FaultPoint::lease_after_acquire}) {
    Interruption sleep(point, [] { step_boot_clock(20'000); });
    EXPECT_EQ(code_of(acquire({.ttl = 10s})), Code::lease_expired);  // granted
    EXPECT_TRUE(sleep.has_happened());
  }
  must(acquire({.ttl = 10s}));
  {
    Interruption sleep(base::FaultPoint::lease_after_acquire, [] { step_boot_clock(20'000); });
    EXPECT_EQ(code_of(acquire({.ttl = 10s})), Code::lease_expired);  // re-entered
  }
  const Grant grant = must(acquire({.ttl = 10s}));
  for (const auto point :
       {base::FaultPoint::lease_before_renew, base::FaultPoint::lease_after_renew}) {
    Interruption sleep(point, [] { step_boot_clock(20'000); });
    EXPECT_EQ(code_of(book_.session.renew(grant.lease, 10s)), Code::lease_expired);
  }
}

TEST_F(Leases, ReleaseNeedsTheTokenAndAStaleOneChangesNothing) {
  const Grant old = must(acquire());
  must(book_.session.release(old.lease));
  EXPECT_EQ(code_of(book_.session.release(old.lease)), Code::lease_missing);
  EXPECT_EQ(code_of(book_.session.renew(old.lease, 5s)), Code::lease_missing);
  const Grant next = must(acquire_elsewhere({.ttl = 30s}));
  const Position before = book_.book.position();
  EXPECT_EQ(code_of(book_.session.release(old.lease)), Code::lease_superseded);
  EXPECT_EQ(code_of(book_.session.release({old.lease.place, {}})), Code::lease_missing);
  EXPECT_EQ(code_of(book_.session.release({})), Code::lease_missing);
  EXPECT_EQ(code_of(book_.session.release({7, next.lease.token})), Code::lease_missing);
  EXPECT_EQ(code_of(book_.session.release({next.lease.place + 8, next.lease.token})),
            Code::lease_missing);
  EXPECT_EQ(book_.book.position(), before);
  EXPECT_EQ(must(book_.book.lease("lease")).count, 1u);
}

// F69: one counter, slots reusable without the token ever going back.
TEST_F(Leases, TokensGrowOverEveryReuse) {
  Position last{};
  for (int i = 0; i < 200; ++i) {
    Session& session = i % 2 ? other_ : book_.session;
    const Grant grant = must(session.try_acquire("name " + std::to_string(i % 40), {.ttl = 10s}));
    ASSERT_GT(grant.lease.token, last);
    last = grant.lease.token;
    if (i % 3 == 0)
      step_boot_clock(10'100);
    else
      must(session.release(grant.lease));
  }
}

// F24: no renewal brings a released one back, wherever the release comes in.
TEST_F(Leases, ARenewalThatComesAfterTheReleaseBringsNothingBack) {
  const Grant grant = must(acquire());
  Interruption release(base::FaultPoint::lease_before_renew,
                       [&] { must(other_.release(grant.lease)); });
  EXPECT_EQ(code_of(book_.session.renew(grant.lease, 60s)), Code::lease_missing);
  EXPECT_EQ(code_of(book_.book.lease("lease")), Code::lease_missing);
}

// F45, F55: of many that try at once one wins, wherever the others come in.
TEST_F(Leases, OneOfTwoAcquiresWins) {
  for (uint64_t nth = 1; nth < 150; ++nth) {
    Result<Grant> theirs = Code::outcome_unknown;
    Result<Grant> mine = Code::outcome_unknown;
    {
      Interruption rival(nth, [&] { theirs = acquire_elsewhere(); });
      mine = acquire();
      if (!rival.has_happened()) break;
    }
    ASSERT_NE(code_of(mine) == kDone, code_of(theirs) == kDone) << "tried before access " << nth;
    must(book_.session.release(mine ? mine->lease : theirs->lease));
  }
}

TEST_F(Leases, AGuardedPaymentGoesThroughWhileTheTokenStandsAndOnlyThen) {
  const Account a = book_.open("a");
  uint64_t ids = 0;
  const auto pay = [&](const Lease& guard) {
    return code_of(book_.session.pay(
        Payment(payment_id(++ids)).debit(book_.world, 1).credit(a, 1).guard(guard)));
  };
  const Grant grant = must(acquire({.ttl = 10s}));
  EXPECT_EQ(pay(grant.lease), kDone);
  must(acquire({.ttl = 10s}));
  must(book_.session.renew(grant.lease, 10s));
  EXPECT_EQ(pay(grant.lease), kDone);  // re-entry and renewal keep it
  // F01, F15: a paused holder whose lease nobody took may still commit ...
  step_boot_clock(50'000);
  EXPECT_EQ(pay(grant.lease), kDone);
  // F04, F09: ... one whose lease was taken cannot.
  const Grant taken = must(acquire_elsewhere({.ttl = 10s}));
  EXPECT_EQ(pay(grant.lease), Code::lease_superseded);
  must(other_.release(taken.lease));
  EXPECT_EQ(pay(grant.lease), Code::lease_missing);
  EXPECT_EQ(book_.available(a), 3);
}

TEST_F(Leases, APaymentIsGuardedByUpToFourAndTheSameTwice) {
  const Account a = book_.open("a");
  Payment payment = Payment(payment_id(1)).debit(book_.world, 1).credit(a, 1);
  std::vector<Grant> grants;
  for (int i = 0; i < 3; ++i) grants.push_back(must(acquire({}, "lease " + std::to_string(i))));
  for (const Grant& grant : grants) payment.guard(grant.lease);
  payment.guard(grants[0].lease);
  EXPECT_EQ(code_of(book_.session.pay(payment)), kDone);
  must(book_.session.release(grants[2].lease));
  Payment other(payment_id(2));
  other.debit(book_.world, 1).credit(a, 1).guard(grants[0].lease).guard(grants[2].lease);
  EXPECT_EQ(code_of(book_.session.pay(other)), Code::lease_missing);
}

TEST_F(Leases, ListingsTellOwnerCountAndTime) {
  const Grant bound = must(acquire({.ttl = 30s, .owner_id = 7}, "bound"));
  must(acquire({.ttl = 30s, .owner_id = 7}, "bound"));
  must(acquire_elsewhere({.ttl = 10s, .detached = true}, "detached"));
  const LeaseInfo info = must(book_.book.lease("bound"));
  EXPECT_EQ(info.name, "bound");
  EXPECT_EQ(info.lease, bound.lease);
  EXPECT_EQ(info.owner_id, 7u);
  EXPECT_FALSE(info.detached);
  EXPECT_TRUE(info.owner_alive);
  EXPECT_EQ(info.pid, getpid());
  EXPECT_EQ(info.count, 2u);
  EXPECT_EQ(info.waiters, 0u);
  EXPECT_GT(info.remaining, 29s);
  EXPECT_TRUE(must(book_.book.lease("detached")).detached);
  EXPECT_EQ(book_.book.leases().size(), 2u);
  EXPECT_EQ(book_.book.status().leases_held, 2u);
  step_boot_clock(15'000);  // F13: it is read from the book, never remembered
  EXPECT_LT(must(book_.book.lease("detached")).remaining, 0s);
  EXPECT_EQ(code_of(book_.book.lease("nobody's")), Code::lease_missing);
}

}  // namespace
}  // namespace casbook
