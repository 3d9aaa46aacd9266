// Every answer says up to where it looked: refusals that are not recorded, reads and tokens too.
// Whoever waits for that position may tell the answer on.
#include <gtest/gtest.h>

#include "log/durable.h"
#include "support/id_table.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using std::chrono::milliseconds;

class Positions : public testing::Test {
 protected:
  Payment payment(uint64_t id) const {
    return Payment(payment_id(id)).debit(book_.world, 1).credit(a_, 1);
  }
  // What a daemon does.
  void adopt_journal() {
    must(book_.book.follow("journal", FullPolicy::refuse_payments));
    below_.store.control().journal.lo.initialise(7);
  }
  void publish(Position position) { log::publish_durable(below_.store, position); }

  // Judged by everything that was committed until now, and not recorded.
  template <class T>
  void expect_judged_now(const Result<T>& answer, Code code) {
    ASSERT_EQ(code_of(answer), code);
    EXPECT_EQ(Position{answer.error().position}, book_.book.position()) << code_name(code);
    EXPECT_FALSE(answer.error().is_recorded()) << code_name(code);
  }
  template <class T>
  void expect_without_position(const Result<T>& answer, Code code) {
    ASSERT_EQ(code_of(answer), code);
    EXPECT_EQ(answer.error().position, 0u) << code_name(code);
    EXPECT_FALSE(answer.error().is_recorded()) << code_name(code);
  }

  SmallBook book_;
  Account a_ = book_.open_with("a", 10);
  IdTable below_{book_};
};

TEST_F(Positions, RefusedPaymentsThatAreNotRecordedSayWhatTheySaw) {
  Session& session = book_.session;
  const Grant grant = must(session.try_acquire("lease"));
  must(session.release(grant.lease));
  expect_judged_now(session.pay(payment(1).guard(grant.lease)), Code::lease_missing);
  const Grant next = must(session.try_acquire("lease"));
  const auto superseded = session.pay(payment(1).guard(grant.lease));
  expect_judged_now(superseded, Code::lease_superseded);
  EXPECT_GE(Position{superseded.error().position}, next.lease.token);
  expect_judged_now(session.pay(Payment(payment_id(1)).debit(book_.world, 1).credit({60, 0}, 1)),
                    Code::account_missing);
  const Account other_ledger{a_.index, 1};
  expect_judged_now(
      session.pay(Payment(payment_id(1)).debit(book_.world_usd, 1).credit(other_ledger, 1)),
      Code::ledger_mismatch);
}

TEST_F(Positions, AConflictSaysWhereThePaymentOfThatIdStands) {
  const Position first = must(book_.session.pay(payment(1))).position;
  must(book_.session.pay(payment(2)));
  const auto conflict = book_.session.pay(payment(1).code(5));
  ASSERT_EQ(code_of(conflict), Code::payment_conflict);
  EXPECT_EQ(Position{conflict.error().position}, first);
  EXPECT_FALSE(conflict.error().is_recorded()) << "the id keeps another answer";
}

TEST_F(Positions, RecordedRefusalsSayThatTheyAre) {
  const Payment refused = Payment(payment_id(1)).debit(a_, 500).credit(book_.world, 500);
  const auto first = book_.session.pay(refused);
  ASSERT_EQ(code_of(first), Code::insufficient_available);
  EXPECT_TRUE(first.error().is_recorded());
  EXPECT_EQ(Position{first.error().position}, book_.book.position());
  must(book_.session.pay(payment(2)));
  const auto again = book_.session.pay(refused);
  EXPECT_TRUE(again.error().is_recorded());
  EXPECT_EQ(again.error().position, first.error().position);
}

TEST_F(Positions, WhatTheBookSaysNothingAboutHasNone) {
  expect_without_position(book_.session.pay(Payment(payment_id(1)).debit(a_, 1)),
                          Code::bad_argument);
  expect_without_position(book_.session.pay(payment(1), Level::quorum, milliseconds(0)),
                          Code::level_unavailable);
  must(book_.book.set_quarantine(true));
  expect_without_position(book_.session.pay(payment(1)), Code::quarantined);
}

TEST_F(Positions, RefusalsOfABatchHaveThemToo) {
  const Payment payments[] = {payment(1), Payment(payment_id(2)).debit(a_, 1).credit({60, 0}, 1)};
  Result<Receipt> answers[] = {Code::forked, Code::forked};
  book_.session.pay_batch(payments, answers);
  ASSERT_EQ(code_of(answers[0]), kDone);
  expect_judged_now(answers[1], Code::account_missing);
}

TEST_F(Positions, ARefusalIsHeldBackUntilWhatItSawIsDurable) {
  adopt_journal();
  const Payment missing = Payment(payment_id(1)).debit(a_, 1).credit({60, 0}, 1);
  const auto early = book_.session.pay(missing, Level::durable, milliseconds(5));
  ASSERT_EQ(code_of(early), Code::outcome_unknown);
  EXPECT_EQ(Position{early.error().position}, book_.book.position());
  EXPECT_FALSE(early.error().is_recorded());
  publish(book_.book.position());
  EXPECT_EQ(code_of(book_.session.pay(missing, Level::durable, milliseconds(5))),
            Code::account_missing);
  must(book_.session.pay(payment(2)));
  const auto conflict = book_.session.pay(payment(2).code(5), Level::durable, milliseconds(5));
  EXPECT_EQ(code_of(conflict), Code::outcome_unknown);
  EXPECT_EQ(code_of(book_.session.pay(missing, Level::memory, milliseconds(0))),
            Code::account_missing)
      << "memory has it";
}

TEST_F(Positions, RefusedAccountsAndLedgersSayWhatTheySaw) {
  Session& session = book_.session;
  expect_judged_now(session.open_ledger("EUR", 3), Code::ledger_exists);
  expect_judged_now(session.open_account(account_id("b"), {.ledger = "CHF"}), Code::ledger_missing);
  expect_judged_now(session.open_account(account_id("a"), {.ledger = "EUR", .code = 4}),
                    Code::account_exists);
  expect_judged_now(session.close_account(a_), Code::account_not_empty);
  expect_judged_now(session.set_limits({60, 0}, {}), Code::account_missing);
}

TEST_F(Positions, RefusedReadsSayWhatTheySaw) {
  Book& book = book_.book;
  expect_judged_now(book.find_ledger("CHF"), Code::ledger_missing);
  expect_judged_now(book.find_account(account_id("b")), Code::account_missing);
  expect_judged_now(book.account_info({60, 0}), Code::account_missing);
  expect_judged_now(book.balance({60, 0}), Code::account_missing);
  const Account accounts[] = {{60, 0}};
  expect_judged_now(book.balances(accounts), Code::account_missing);
  expect_judged_now(book.history({60'000, 0}), Code::account_missing);
  expect_judged_now(book.lookup(payment_id(77)), Code::payment_missing);
  expect_judged_now(book.lease("nobody's"), Code::lease_missing);
}

TEST_F(Positions, RefusedLeasesSayWhatTheySaw) {
  Session other = must(book_.book.open_session());
  const Grant grant = must(book_.session.try_acquire("lease"));
  expect_judged_now(other.try_acquire("lease", {.owner_id = 2}), Code::lease_held);
  expect_judged_now(other.wait_acquire("lease", {.owner_id = 2, .wait = milliseconds(2)}),
                    Code::wait_timeout);
  must(book_.session.release(grant.lease));
  expect_judged_now(other.renew(grant.lease, milliseconds(1000)), Code::lease_missing);
  expect_judged_now(other.release(grant.lease), Code::lease_missing);
}

TEST_F(Positions, GrantsAndReleasesShowTheCommitThatTheyAnswerWith) {
  Session& session = book_.session;
  const Grant grant = must(session.try_acquire("lease", {.operation_id = 5}));
  EXPECT_EQ(grant.position, grant.lease.token);
  EXPECT_EQ(must(session.try_acquire("lease", {.operation_id = 5})).position, grant.position);
  const Grant entered = must(session.try_acquire("lease"));
  EXPECT_EQ(entered.position, book_.book.position());
  EXPECT_GT(entered.position, entered.lease.token) << "a re-entry is a commit of its own";
  const Grant renewed = must(session.renew(grant.lease, milliseconds(60'000)));
  EXPECT_EQ(renewed.position, book_.book.position());
  EXPECT_EQ(must(book_.book.lease("lease")).position, renewed.position);
  const Released released = must(session.release(grant.lease, 9));
  EXPECT_EQ(released.position, book_.book.position());
  must(session.pay(payment(1)));
  EXPECT_EQ(must(session.release(grant.lease, 9)).position, released.position);
}

TEST_F(Positions, ReadsShowTheCommitThatTheyHoldAsOf) {
  const Position paid = must(book_.session.pay(payment(1))).position;
  EXPECT_EQ(must(book_.book.balance(a_)).position, paid);
  EXPECT_EQ(must(book_.book.lookup(payment_id(1))).position, paid);
  must(book_.session.set_limits(a_, {.min_available = -5}));
  const Position limited = book_.book.position();
  EXPECT_EQ(must(book_.book.account_info(a_)).position, limited);
  const Account accounts[] = {a_};
  EXPECT_EQ(must(book_.book.balances(accounts))[0].position, limited);
  EXPECT_EQ(must(book_.book.snapshot()).position, limited);
  const LedgerInfo opened = must(book_.session.open_ledger("CHF", 2));
  EXPECT_EQ(opened.position, book_.book.position());
  must(book_.session.pay(payment(2)));
  EXPECT_EQ(must(book_.book.find_ledger("CHF")).position, opened.position);
}

}  // namespace
}  // namespace casbook
