// What a payment does, and that it does it once: receipts, replays, conflicts, netting, amounts.
#include <limits>

#include <gtest/gtest.h>

#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr Amount kMost = std::numeric_limits<Amount>::max();

class Payments : public testing::Test {
 protected:
  Result<Receipt> pay(const Payment& payment) { return book_.session.pay(payment); }
  std::string conflict_of(const Payment& payment) {
    const auto answer = pay(payment);
    return code_of(answer) == Code::payment_conflict ? answer.error().detail : "no conflict";
  }

  SmallBook book_;
  Account world_ = book_.world;
  Account a_ = book_.open_with("a", 1000);
  Account b_ = book_.open("b");
};

void expect_replay_of(const Receipt& first, const Receipt& again) {
  EXPECT_FALSE(first.replayed);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.position, first.position);
  EXPECT_EQ(again.time_ms, first.time_ms);
  EXPECT_TRUE(first.balances_known);
  EXPECT_TRUE(again.balances_known);
  EXPECT_EQ(again.balance_count, first.balance_count);
  EXPECT_EQ(again.available, first.available);
}

TEST_F(Payments, MoveMoneyAndSayWhatIsAvailableAfter) {
  const Receipt receipt = must(pay(Payment(payment_id(1)).debit(a_, 250).credit(b_, 250)));
  EXPECT_EQ(book_.available(a_), 750);
  EXPECT_EQ(book_.available(b_), 250);
  EXPECT_EQ(receipt.position, book_.book.position());
  EXPECT_NEAR(static_cast<double>(receipt.time_ms), static_cast<double>(base::wall_clock_ms()),
              1000);
  EXPECT_EQ(receipt.balance_count, 2u);
  EXPECT_EQ(receipt.available[0], 750);
  EXPECT_EQ(receipt.available[1], 250);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Payments, TheSameIdAndContentAnswersTheFirstReceiptWhateverHappenedSince) {
  const Payment payment = Payment(payment_id(1)).debit(a_, 250).credit(b_, 250);
  const Receipt first = must(pay(payment));
  must(pay(Payment(payment_id(2)).debit(a_, 700).credit(b_, 700)));
  must(book_.session.set_limits(a_, {.min_available = 50}));
  const Position before = book_.book.position();
  expect_replay_of(first, must(pay(payment)));
  EXPECT_EQ(book_.available(a_), 50);
  EXPECT_EQ(book_.book.position(), before);
}

TEST_F(Payments, WhoSubmitsAndTheGuardAreNoContent) {
  const Receipt first = must(pay(Payment(payment_id(1)).debit(a_, 1).credit(b_, 1)));
  Book other_book = book_.attach();
  Session other = must(other_book.open_session());
  const Grant grant = must(other.try_acquire("lease"));
  const Payment guarded = Payment(payment_id(1)).debit(a_, 1).credit(b_, 1).guard(grant.lease);
  expect_replay_of(first, must(other.pay(guarded)));
  // A replay asks for no lease: its guard may be stale.
  must(other.release(grant.lease));
  expect_replay_of(first, must(other.pay(guarded)));
}

TEST_F(Payments, TheSameIdWithOtherContentNamesTheFirstDifference) {
  const PaymentId id = payment_id(1);
  const Receipt first = must(pay(Payment(id).debit(a_, 10).credit(b_, 10).code(3).user_data(4, 5)));
  const Account c = book_.open("c");
  EXPECT_EQ(conflict_of(Payment(id).debit(a_, 10).credit(b_, 5).credit(c, 5)),
            "differs in: number of postings");
  EXPECT_EQ(conflict_of(Payment(id).debit(c, 10).credit(b_, 10).code(9)),
            "differs in: posting 1: account");
  EXPECT_EQ(conflict_of(Payment(id).credit(a_, 10).debit(b_, 10)), "differs in: posting 1: side");
  EXPECT_EQ(conflict_of(Payment(id).debit(a_, 11).credit(b_, 11)), "differs in: posting 1: amount");
  EXPECT_EQ(conflict_of(Payment(id).debit(a_, 10).credit(c, 10)), "differs in: posting 2: account");
  EXPECT_EQ(conflict_of(Payment(id).debit(a_, 10).credit(b_, 10).code(2).user_data(4, 5)),
            "differs in: code");
  EXPECT_EQ(conflict_of(Payment(id).debit(a_, 10).credit(b_, 10).code(3).user_data(4, 6)),
            "differs in: user data");
  // The order of the postings is content.
  EXPECT_EQ(conflict_of(Payment(id).credit(b_, 10).debit(a_, 10).code(3).user_data(4, 5)),
            "differs in: posting 1: account");
  // It says where the id was used, and nothing moved.
  const auto conflict = pay(Payment(id).debit(a_, 11).credit(b_, 11));
  ASSERT_EQ(code_of(conflict), Code::payment_conflict);
  EXPECT_EQ(conflict.error().position, first.position.value);
  EXPECT_EQ(conflict.error().time_ms, first.time_ms);
  EXPECT_TRUE(conflict.error().is_final());
  EXPECT_EQ(book_.available(a_), 990);
}

TEST_F(Payments, ReplayAndConflictOutliveTheRecord) {
  const Payment payment = Payment(payment_id(1)).debit(a_, 10).credit(b_, 10);
  const Receipt first = must(pay(payment));
  for (uint64_t i = 0; i < 2 * book_.book.status().records_max; ++i)
    must(book_.session.set_limits(b_, {}));
  const Receipt again = must(pay(payment));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.position, first.position);
  EXPECT_EQ(again.time_ms, first.time_ms);
  EXPECT_FALSE(again.balances_known);
  EXPECT_EQ(again.balance_count, 0u);
  EXPECT_EQ(conflict_of(Payment(payment_id(1)).debit(a_, 11).credit(b_, 11)), "");
}

TEST_F(Payments, PostingsOfOneAccountAreNetted) {
  // Gross 1500 leaves `a`, which holds 1000; net 900 does.
  const Payment payment = Payment(payment_id(1)).debit(a_, 1500).credit(b_, 900).credit(a_, 600);
  const Receipt first = must(pay(payment));
  EXPECT_EQ(book_.available(a_), 100);
  EXPECT_EQ(book_.available(b_), 900);
  EXPECT_EQ(first.balance_count, 3u);
  EXPECT_EQ(first.available[0], 100);
  EXPECT_EQ(first.available[1], 900);
  EXPECT_EQ(first.available[2], 100);
  expect_replay_of(first, must(pay(payment)));
  // The postings stay as given.
  const PaymentInfo info = must(book_.book.lookup(payment_id(1)));
  EXPECT_EQ(info.postings[0], (Posting{a_, Side::debit, 1500}));
  EXPECT_EQ(info.postings[2], (Posting{a_, Side::credit, 600}));
  const auto history = must(book_.book.history(a_));
  EXPECT_EQ(history.back().change, -900);
  EXPECT_EQ(history.back().available_after, 100);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Payments, APairThatCancelsOutIsJudgedByNoLimit) {
  const Payment payment = Payment(payment_id(1)).debit(b_, 5).credit(b_, 5);
  const Receipt first = must(pay(payment));  // b holds nothing
  EXPECT_EQ(first.available[0], 0);
  EXPECT_EQ(book_.available(b_), 0);
  expect_replay_of(first, must(pay(payment)));
}

TEST_F(Payments, AnAccountWhoseSumIsZeroIsSaidToHoldWhatItHolds) {
  const Payment payment =
      Payment(payment_id(1)).debit(a_, 5).credit(a_, 5).debit(world_, 7).credit(b_, 7);
  const Receipt first = must(pay(payment));
  EXPECT_EQ(first.available[0], 1000);
  EXPECT_EQ(first.available[1], 1000);
  expect_replay_of(first, must(pay(payment)));
  EXPECT_EQ(must(book_.book.lookup(payment_id(1))).available[0], 1000);
  EXPECT_EQ(must(book_.book.history(a_)).back().available_after, 1000);
  EXPECT_EQ(must(book_.book.history(a_)).back().change, 0);
}

TEST_F(Payments, EightPostingsOverEightAccounts) {
  Payment payment(payment_id(1));
  payment.debit(a_, 700);
  std::vector<Account> accounts;
  for (int i = 0; i < 7; ++i) {
    accounts.push_back(book_.open("to " + std::to_string(i)));
    payment.credit(accounts.back(), 100);
  }
  const Receipt first = must(pay(payment));
  EXPECT_EQ(first.balance_count, 8u);
  EXPECT_EQ(first.available[0], 300);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(first.available[i + 1], 100);
    EXPECT_EQ(book_.available(accounts[i]), 100);
  }
  expect_replay_of(first, must(pay(payment)));
  EXPECT_EQ(code_of(pay(payment.debit(a_, 1))), Code::bad_argument);  // nine
}

TEST_F(Payments, AnExchangeMovesTwoLedgersInOneCommit) {
  const Account dollars = book_.open_with("dollars", 500, {.min_available = 0}, "USD");
  const Account maker = book_.open_with("maker", 300, {.min_available = 0}, "USD");
  const Account maker_eur = book_.open("maker eur");
  const auto exchange = [&](uint64_t id, Amount eur, Amount usd) {
    return Payment(payment_id(id))
        .debit(a_, eur)
        .credit(maker_eur, eur)
        .debit(maker, usd)
        .credit(dollars, usd);
  };
  const Receipt receipt = must(pay(exchange(1, 200, 216)));
  EXPECT_EQ(receipt.available[0], 800);
  EXPECT_EQ(receipt.available[3], 716);
  EXPECT_EQ(book_.available(maker), 84);
  // One side that cannot be paid stops the other.
  EXPECT_EQ(code_of(pay(exchange(2, 200, 85))), Code::insufficient_available);
  EXPECT_EQ(book_.available(a_), 800);
  EXPECT_EQ(book_.available(maker_eur), 200);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Payments, AmountsGoTo63BitsAndSumsAreChecked) {
  const Account vault = book_.open("vault"), deep = book_.open("deep", {});
  const Receipt receipt = must(pay(Payment(payment_id(1)).debit(deep, kMost).credit(vault, kMost)));
  EXPECT_EQ(receipt.available[0], -kMost);
  EXPECT_EQ(receipt.available[1], kMost);
  const auto overflow = pay(Payment(payment_id(2)).debit(a_, 1).credit(vault, 1));
  EXPECT_EQ(code_of(overflow), Code::amount_overflow);
  EXPECT_FALSE(overflow.error().is_recorded());
  // -2^63 is still a number; one less is none.
  EXPECT_EQ(code_of(pay(Payment(payment_id(3)).debit(deep, 1).credit(b_, 1))), kDone);
  EXPECT_EQ(book_.available(deep), std::numeric_limits<Amount>::min());
  EXPECT_EQ(code_of(pay(Payment(payment_id(4)).debit(deep, 1).credit(b_, 1))),
            Code::amount_overflow);
  EXPECT_TRUE(book_.audit_is_ok());
  // The refused one was not recorded: it goes through once there is room.
  must(pay(Payment(payment_id(5)).debit(vault, 1).credit(b_, 1)));
  EXPECT_EQ(code_of(pay(Payment(payment_id(2)).debit(a_, 1).credit(vault, 1))), kDone);
}

TEST_F(Payments, GrossSumsBeyond63BitsAreNoTrouble) {
  const Account x = book_.open("x", {}), y = book_.open("y", {});
  const Payment back_and_forth = Payment(payment_id(1))
                                     .credit(x, kMost)
                                     .credit(x, kMost)
                                     .debit(y, kMost)
                                     .debit(y, kMost)
                                     .debit(x, kMost)
                                     .credit(y, kMost);
  EXPECT_EQ(must(pay(back_and_forth)).available[0], kMost);
  EXPECT_EQ(must(book_.book.history(x)).back().change, kMost);
  EXPECT_EQ(must(book_.book.history(y)).back().change, -kMost);
  const Payment too_much =
      Payment(payment_id(2)).debit(x, kMost).debit(x, kMost).credit(y, kMost).credit(y, kMost);
  EXPECT_EQ(code_of(pay(too_much)), Code::amount_overflow);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Payments, WithoutAnIdOrWithUnsoundPostingsAreNone) {
  EXPECT_EQ(code_of(pay(Payment({}).debit(a_, 1).credit(b_, 1))), Code::bad_argument);
  EXPECT_EQ(code_of(pay(Payment(payment_id(1)))), Code::bad_argument);
  EXPECT_EQ(code_of(pay(Payment(payment_id(1)).debit(a_, 1))), Code::bad_argument);
  EXPECT_EQ(code_of(pay(Payment(payment_id(1)).debit(a_, 0).credit(b_, 0))), Code::bad_argument);
  EXPECT_EQ(code_of(pay(Payment(payment_id(1)).debit(a_, -1).credit(b_, -1))), Code::bad_argument);
  EXPECT_EQ(code_of(pay(Payment(payment_id(1)).debit(a_, 2).credit(b_, 1))), Code::bad_argument);
  const Account lied{a_.index, b_.ledger + 1};
  EXPECT_EQ(code_of(pay(Payment(payment_id(1)).debit(a_, 1).credit(lied, 1))), Code::bad_argument);
  Payment guarded = Payment(payment_id(1)).debit(a_, 1).credit(b_, 1);
  for (int i = 0; i < 5; ++i) guarded.guard({});
  EXPECT_EQ(code_of(pay(guarded)), Code::bad_argument);
  EXPECT_EQ(code_of(book_.book.lookup(payment_id(1))), Code::payment_missing);
}

TEST_F(Payments, TwoSessionsWithOneNewIdExecuteItOnce) {
  Session other = must(book_.book.open_session());
  const Payment payment = Payment(payment_id(1)).debit(a_, 10).credit(b_, 10);
  Receipt theirs;
  Interruption rival(base::FaultPoint::payment_planned, [&] { theirs = must(other.pay(payment)); });
  const Receipt mine = must(pay(payment));
  expect_replay_of(theirs, mine);
  EXPECT_EQ(book_.available(b_), 10);
}

TEST_F(Payments, LookupTellsAllWhileTheRecordIsHeldAndTheAnswerAfter) {
  const Receipt receipt =
      must(pay(Payment(payment_id(1)).debit(a_, 10).credit(b_, 10).code(3).user_data(4, 5)));
  const PaymentInfo info = must(book_.book.lookup(payment_id(1)));
  EXPECT_EQ(info.id, payment_id(1));
  EXPECT_TRUE(info.executed);
  EXPECT_EQ(info.position, receipt.position);
  EXPECT_EQ(info.time_ms, receipt.time_ms);
  ASSERT_TRUE(info.record_held);
  ASSERT_EQ(info.posting_count, 2u);
  EXPECT_EQ(info.postings[1], (Posting{b_, Side::credit, 10}));
  EXPECT_EQ(info.available[0], 990);
  EXPECT_EQ(info.code, 3u);
  EXPECT_EQ(info.user_data, (std::array<uint64_t, 2>{4, 5}));
  for (uint64_t i = 0; i < 2 * book_.book.status().records_max; ++i)
    must(book_.session.set_limits(b_, {}));
  const PaymentInfo later = must(book_.book.lookup(payment_id(1)));
  EXPECT_FALSE(later.record_held);
  EXPECT_TRUE(later.executed);
  EXPECT_EQ(later.id, payment_id(1));
  EXPECT_EQ(later.position, receipt.position);
  EXPECT_EQ(later.time_ms, receipt.time_ms);
}

}  // namespace
}  // namespace casbook
