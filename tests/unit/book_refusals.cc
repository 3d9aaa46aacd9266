// Every answer that refuses a payment, provoked once: what it says of itself, and whether it is
// recorded, so that a retry gets it again, or not, so that the same id may still be executed.
#include <functional>

#include <gtest/gtest.h>

#include "support/dated_id.h"
#include "support/id_table.h"
#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr Amount kMost = INT64_MAX;

class Refusals : public testing::Test {
 protected:
  Payment from_a(Amount amount, const PaymentId& id = payment_id(1)) {
    return Payment(id).debit(a_, amount).credit(b_, amount);
  }
  Payment to_a(Amount amount) {
    return Payment(payment_id(1)).debit(book_.world, amount).credit(a_, amount);
  }
  Result<Receipt> pay(const Payment& payment) { return book_.session.pay(payment); }

  // Leaves nothing under the id; the same payment is executed once `remedy` is done.
  void expect_unrecorded(const Payment& payment, Code code, const std::function<void()>& remedy) {
    const Position before = book_.book.position();
    const auto refused = pay(payment);
    ASSERT_EQ(code_of(refused), code);
    EXPECT_FALSE(refused.error().is_recorded());
    EXPECT_FALSE(refused.error().replayed);
    EXPECT_EQ(refused.error().time_ms, 0);
    EXPECT_EQ(book_.book.position(), before);
    EXPECT_EQ(code_of(book_.book.lookup(payment.id())), Code::payment_missing);
    EXPECT_EQ(code_of(pay(payment)), code);
    remedy();
    const auto executed = pay(payment);
    ASSERT_EQ(code_of(executed), kDone);
    EXPECT_FALSE(executed->replayed);
  }

  // A retry gets the same, and another content conflicts with it, although after `remedy` the same
  // postings are executed under another id.
  void expect_recorded(const Payment& payment, Code code, const std::function<void()>& remedy) {
    const auto refused = pay(payment);
    ASSERT_EQ(code_of(refused), code);
    const Error first = refused.error();
    EXPECT_TRUE(first.is_recorded());
    EXPECT_TRUE(first.is_final());
    EXPECT_FALSE(first.replayed);
    EXPECT_EQ(first.position, book_.book.position().value);
    const PaymentInfo info = must(book_.book.lookup(payment.id()));
    EXPECT_FALSE(info.executed);
    EXPECT_EQ(info.refusal, code);
    EXPECT_EQ(info.position.value, first.position);
    EXPECT_EQ(info.postings, payment.postings());
    remedy();
    const auto again = pay(payment);
    ASSERT_EQ(code_of(again), code);
    EXPECT_TRUE(again.error().replayed);
    EXPECT_EQ(again.error().position, first.position);
    EXPECT_EQ(again.error().time_ms, first.time_ms);
    Payment other = payment;
    const auto conflict = pay(other.user_data(1));
    ASSERT_EQ(code_of(conflict), Code::payment_conflict);
    EXPECT_EQ(conflict.error().detail, "differs in: user data");
    Payment fresh(book_.fresh_id());
    for (uint32_t i = 0; i < payment.posting_count(); ++i) fresh.add(payment.postings()[i]);
    EXPECT_EQ(code_of(pay(fresh)), kDone);
  }

  SmallBook book_;
  Account a_ = book_.open_with("a", 100, {.min_available = 0, .max_available = 150});
  Account b_ = book_.open("b", {});
};

TEST_F(Refusals, BookClosed) {
  const IdTable below(book_);
  commit::Executor operating(below.store);
  operating.seal(1);
  expect_unrecorded(from_a(10), Code::book_closed, [&] { operating.open(2); });
  EXPECT_EQ(book_.book.position().term(), 2u);
}

// Everything that commits says so while the book is closed; reading goes on.
TEST_F(Refusals, BookClosedForEverythingThatCommits) {
  const Grant grant = must(book_.session.try_acquire("held"));
  const IdTable below(book_);
  commit::Executor(below.store).seal(1);
  Session& session = book_.session;
  EXPECT_EQ(code_of(session.open_ledger("GBP", 2)), Code::book_closed);
  EXPECT_EQ(code_of(session.open_account(account_id("c"), {.ledger = "EUR"})), Code::book_closed);
  EXPECT_EQ(code_of(session.set_limits(a_, {})), Code::book_closed);
  EXPECT_EQ(code_of(session.close_account(b_)), Code::book_closed);
  EXPECT_EQ(code_of(session.try_acquire("new")), Code::book_closed);
  EXPECT_EQ(code_of(session.wait_acquire("new", {.wait = std::chrono::seconds(5)})),
            Code::book_closed);
  EXPECT_EQ(code_of(session.renew(grant.lease, std::chrono::seconds(5))), Code::book_closed);
  EXPECT_EQ(code_of(session.release(grant.lease)), Code::book_closed);
  EXPECT_EQ(book_.available(a_), 100);
  EXPECT_TRUE(book_.audit_is_ok());
  EXPECT_EQ(must(book_.book.history(a_)).size(), 1u);
}

TEST_F(Refusals, PaymentTooOld) {
  const int64_t now = base::wall_clock_ms();
  const auto too_old = pay(from_a(10, uuid_v7(now - 25 * 3'600'000, 1)));
  ASSERT_EQ(code_of(too_old), Code::payment_too_old);
  EXPECT_FALSE(too_old.error().is_recorded());
  EXPECT_TRUE(too_old.error().is_final());
  EXPECT_EQ(code_of(pay(from_a(10, ulid(now - 25 * 3'600'000, 1)))), Code::payment_too_old);
  EXPECT_EQ(code_of(pay(from_a(10, uuid_v7(now - 23 * 3'600'000, 1)))), kDone);
  EXPECT_EQ(code_of(pay(from_a(10, ulid(now - 23 * 3'600'000, 1)))), kDone);
}

TEST_F(Refusals, PaymentFromFuture) {
  const int64_t now = base::wall_clock_ms();
  expect_unrecorded(from_a(10, uuid_v7(now + 70'000, 1)), Code::payment_from_future,
                    [] { step_wall_clock(20'000); });
  EXPECT_EQ(code_of(pay(from_a(10, ulid(now + 90'000, 1)))), Code::payment_from_future);
  EXPECT_EQ(code_of(pay(from_a(10, ulid(now + 75'000, 1)))), kDone);
}

TEST_F(Refusals, LeaseMissing) {
  Lease never{};
  EXPECT_EQ(code_of(pay(from_a(10).guard(never))), Code::lease_missing);
  EXPECT_EQ(code_of(pay(from_a(10).guard({1, {5}}))), Code::lease_missing);  // no lease's place
  const Grant grant = must(book_.session.try_acquire("lease"));
  EXPECT_EQ(code_of(pay(from_a(10).guard({grant.lease.place, {}}))), Code::lease_missing);
  EXPECT_EQ(code_of(pay(from_a(10).guard({grant.lease.place + 1, grant.lease.token}))),
            Code::lease_missing);
  must(book_.session.release(grant.lease));
  // The next holder can execute it under the same id.
  const Payment stale = from_a(10).guard(grant.lease);
  ASSERT_EQ(code_of(pay(stale)), Code::lease_missing);
  const Grant next = must(book_.session.try_acquire("lease"));
  EXPECT_EQ(code_of(pay(from_a(10).guard(next.lease))), kDone);
  EXPECT_TRUE(must(pay(stale)).replayed);  // the id is looked up before the lease
}

TEST_F(Refusals, LeaseSuperseded) {
  const Grant old = must(book_.session.try_acquire("lease"));
  must(book_.session.release(old.lease));
  const Grant next = must(book_.session.try_acquire("lease"));
  const auto refused = pay(from_a(10).guard(old.lease));
  ASSERT_EQ(code_of(refused), Code::lease_superseded);
  EXPECT_FALSE(refused.error().is_recorded());
  EXPECT_EQ(code_of(pay(from_a(10).guard(next.lease))), kDone);
}

TEST_F(Refusals, AccountMissing) {
  const Account nobody{a_.index + 9, a_.ledger};
  expect_unrecorded(Payment(payment_id(1)).debit(a_, 5).credit(nobody, 5), Code::account_missing,
                    [&] {
                      Account last = a_;
                      for (int i = 0; last.index < nobody.index; ++i)
                        last = book_.open("later " + std::to_string(i));
                    });
  EXPECT_EQ(code_of(pay(Payment(payment_id(2)).debit(a_, 5).credit({UINT32_MAX, 0}, 5))),
            Code::account_missing);
}

TEST_F(Refusals, LedgerMismatch) {
  const Account lied{book_.world_usd.index, a_.ledger};  // exists, but in dollars
  const auto refused = pay(Payment(payment_id(1)).debit(a_, 5).credit(lied, 5));
  ASSERT_EQ(code_of(refused), Code::ledger_mismatch);
  EXPECT_FALSE(refused.error().is_recorded());
  EXPECT_EQ(code_of(pay(from_a(5))), kDone);  // the same id
}

TEST_F(Refusals, AccountClosed) {
  const Account c = book_.open("c");
  must(book_.session.close_account(c));
  const Payment payment = Payment(payment_id(1)).debit(a_, 5).credit(c, 5);
  const auto refused = pay(payment);
  ASSERT_EQ(code_of(refused), Code::account_closed);
  EXPECT_TRUE(refused.error().is_recorded());
  const auto again = pay(payment);
  ASSERT_EQ(code_of(again), Code::account_closed);
  EXPECT_TRUE(again.error().replayed);
  EXPECT_EQ(again.error().position, refused.error().position);
  EXPECT_EQ(book_.available(a_), 100);
}

TEST_F(Refusals, AmountOverflow) {
  const Account vault = book_.open("vault", {});
  must(pay(Payment(book_.fresh_id()).debit(b_, kMost).credit(vault, kMost)));
  expect_unrecorded(Payment(payment_id(1)).debit(a_, 1).credit(vault, 1), Code::amount_overflow,
                    [&] { must(pay(Payment(book_.fresh_id()).debit(vault, 1).credit(b_, 1))); });
}

TEST_F(Refusals, InsufficientAvailable) {
  expect_recorded(from_a(101), Code::insufficient_available, [&] { book_.fund(a_, 1); });
}

TEST_F(Refusals, InsufficientAvailableBelowAnOverdraft) {
  const Account c = book_.open("c", {.min_available = -20});
  EXPECT_EQ(code_of(pay(Payment(payment_id(2)).debit(c, 20).credit(b_, 20))), kDone);
  expect_recorded(Payment(payment_id(1)).debit(c, 1).credit(b_, 1), Code::insufficient_available,
                  [&] { must(book_.session.set_limits(c, {.min_available = -21})); });
}

TEST_F(Refusals, CeilingExceeded) {
  expect_recorded(to_a(51), Code::ceiling_exceeded,
                  [&] { must(pay(Payment(book_.fresh_id()).debit(a_, 1).credit(b_, 1))); });
}

TEST_F(Refusals, TheirRecordsGuardAndMoveNothing) {
  ASSERT_EQ(code_of(pay(from_a(101))), Code::insufficient_available);
  auto reader = must(book_.book.read_log(book_.book.position()));
  const auto record = must(reader.next());
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->kind, RecordKind::refusal);
  EXPECT_EQ(record->payment.refusal, Code::insufficient_available);
  EXPECT_EQ(record->payment.id, payment_id(1));
  EXPECT_EQ(record->payment.postings[0].amount, 101);
  EXPECT_TRUE(must(book_.book.history(b_)).empty());
  EXPECT_TRUE(book_.audit_is_ok());
}

// A refusal that was planned while there was too little must not be recorded once there is enough.
TEST_F(Refusals, ARefusalPlannedBeforeMoneyCameInIsNone) {
  Session other = must(book_.book.open_session());
  Interruption money_comes(base::FaultPoint::payment_planned, [&] {
    must(other.pay(Payment(payment_id(2)).debit(book_.world, 1).credit(a_, 1)));
  });
  EXPECT_EQ(code_of(pay(from_a(101))), kDone);
  EXPECT_EQ(book_.available(a_), 0);
}

}  // namespace
}  // namespace casbook
