// The slow lane: payments over many accounts, or that lost three times, are added within bounds at
// whatever version the accounts have. Their answers are those of the fast lane.
#include <functional>

#include <gtest/gtest.h>

#include "support/id_table.h"
#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class SlowLane : public testing::Test {
 protected:
  // 60 from `a` to five accounts: more than the fast lane takes.
  Payment wide(uint64_t id) {
    Payment payment(payment_id(id));
    payment.debit(a_, 60);
    for (const Account account : to_) payment.credit(account, 12);
    return payment;
  }
  Result<Receipt> pay(const Payment& payment) { return book_.session.pay(payment); }
  // Under an id of another bucket than those of the test's own payments.
  void pay_other(Account from, Account to, Amount amount) {
    PaymentId id = book_.fresh_id();
    while (below_.bucket(id, 0) == below_.bucket(payment_id(1), 0)) id = book_.fresh_id();
    must(other_.pay(Payment(id).debit(from, amount).credit(to, amount)));
  }
  uint64_t conflicts() { return book_.book.status().sessions[0].conflicts; }

  SmallBook book_;
  IdTable below_{book_};
  Session other_ = must(book_.book.open_session());
  Account world_ = book_.world;
  Account a_ = book_.open_with("a", 100);
  Account to_[5] = {book_.open("1"), book_.open("2"), book_.open("3", {.max_available = 30}),
                    book_.open("4", {}), book_.open("5")};
};

TEST_F(SlowLane, WidePaymentsAreExecutedOnce) {
  const Receipt first = must(pay(wide(1)));
  EXPECT_EQ(first.available[0], 40);
  for (uint32_t i = 1; i <= 5; ++i) EXPECT_EQ(first.available[i], 12);
  const Receipt again = must(pay(wide(1)));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.available, first.available);
  EXPECT_EQ(again.position, first.position);
  EXPECT_EQ(book_.available(a_), 40);
  EXPECT_EQ(code_of(pay(wide(1).code(1))), Code::payment_conflict);
  EXPECT_TRUE(book_.audit_is_ok());
}

// What others commit meanwhile costs no second attempt, and the receipt tells what was found.
TEST_F(SlowLane, PaymentsOfOthersInBetweenAreNoConflict) {
  const uint64_t before = conflicts();
  Interruption payment(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    pay_other(world_, a_, 7);
    pay_other(world_, to_[4], 3);
  });
  const Receipt receipt = must(pay(wide(1)));
  EXPECT_TRUE(payment.has_happened());
  EXPECT_EQ(conflicts(), before);
  EXPECT_EQ(receipt.available[0], 47);
  EXPECT_EQ(receipt.available[5], 15);
  EXPECT_EQ(must(pay(wide(1))).available, receipt.available);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(SlowLane, AnAccountWhoseSumIsZeroIsSaidToHoldWhatItHeldAtTheCommit) {
  Interruption payment(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    pay_other(world_, to_[0], 3);
  });
  const Payment cancelling = Payment(payment_id(1))
                                 .debit(a_, 3)
                                 .credit(to_[1], 1)
                                 .credit(to_[2], 1)
                                 .credit(to_[3], 1)
                                 .debit(to_[0], 9)
                                 .credit(to_[0], 9);
  const Receipt receipt = must(pay(cancelling));
  EXPECT_TRUE(payment.has_happened());
  EXPECT_EQ(receipt.available[4], 3);
  EXPECT_EQ(must(pay(cancelling)).available, receipt.available);
}

TEST_F(SlowLane, MoneyThatIsGoneAtTheCommitIsARefusal) {
  Interruption payment(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    pay_other(a_, world_, 41);  // 59 left
  });
  const auto refused = pay(wide(1));
  ASSERT_EQ(code_of(refused), Code::insufficient_available);
  EXPECT_TRUE(refused.error().is_recorded());
  EXPECT_EQ(book_.available(a_), 59);
  book_.fund(a_, 100);
  const auto again = pay(wide(1));
  ASSERT_EQ(code_of(again), Code::insufficient_available);
  EXPECT_TRUE(again.error().replayed);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(SlowLane, ACeilingReachedMeanwhileIsARefusal) {
  Interruption payment(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    pay_other(world_, to_[2], 19);
  });
  EXPECT_EQ(code_of(pay(wide(1))), Code::ceiling_exceeded);
  EXPECT_EQ(book_.available(a_), 100);
}

TEST_F(SlowLane, ARefusalThatIsFalseAtTheCommitIsNotRecorded) {
  pay_other(a_, world_, 41);
  Interruption payment(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    pay_other(world_, a_, 1);
  });
  EXPECT_EQ(code_of(pay(wide(1))), kDone);
  EXPECT_TRUE(payment.has_happened());
  EXPECT_EQ(book_.available(a_), 0);
}

TEST_F(SlowLane, LimitsChangedMeanwhileAreTheOnesThatCount) {
  Interruption change(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    must(other_.set_limits(a_, {.min_available = 41}));
  });
  EXPECT_EQ(code_of(pay(wide(1))), Code::insufficient_available);
  Interruption back(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    must(other_.set_limits(a_, {.min_available = -500}));
  });
  must(other_.set_limits(a_, {.min_available = 50}));
  EXPECT_EQ(code_of(pay(wide(2))), kDone);
  EXPECT_EQ(book_.available(a_), 40);
}

TEST_F(SlowLane, AnAccountClosedMeanwhileIsARefusal) {
  Interruption closing(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    must(other_.close_account(to_[4]));
  });
  const auto refused = pay(wide(1));
  ASSERT_EQ(code_of(refused), Code::account_closed);
  EXPECT_TRUE(refused.error().is_recorded());
  EXPECT_TRUE(must(book_.book.account_info(to_[4])).closed);
  EXPECT_EQ(code_of(pay(wide(2))), Code::account_closed);
}

TEST_F(SlowLane, AnAccountFullTo63BitsMeanwhileIsAnOverflow) {
  const Account source = book_.open("source", {});
  Interruption payment(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    pay_other(source, to_[3], INT64_MAX);
  });
  const auto refused = pay(wide(1));
  ASSERT_EQ(code_of(refused), Code::amount_overflow);
  EXPECT_FALSE(refused.error().is_recorded());
  pay_other(to_[3], source, INT64_MAX);
  EXPECT_EQ(code_of(pay(wide(1))), kDone);
}

// A payment of two accounts that loses again and again is made in the slow lane in the end, where
// losing is over: it cannot starve.
TEST_F(SlowLane, APaymentThatLostThreeTimesCannotLoseAgain) {
  int planned = 0;
  static std::function<void()> rival;
  rival = [&] {
    ++planned;
    base::probes.fault = nullptr;
    pay_other(world_, a_, 1);
    base::probes.fault = [](base::FaultPoint point) {
      if (point == base::FaultPoint::payment_planned) rival();
    };
  };
  base::probes.fault = [](base::FaultPoint point) {
    if (point == base::FaultPoint::payment_planned) rival();
  };
  const Receipt receipt = must(pay(Payment(payment_id(1)).debit(a_, 10).credit(to_[0], 10)));
  base::probes.fault = nullptr;
  rival = nullptr;
  EXPECT_EQ(planned, 4);  // three in the fast lane, one in the slow
  EXPECT_EQ(receipt.available[0], 94);
  EXPECT_EQ(book_.available(a_), 94);
  EXPECT_TRUE(book_.audit_is_ok());
}

// A storm no machine can make: at every tenth access to shared memory of a payment somebody else
// makes a whole payment on the same accounts. It loses three times and not again. What it needs is
// that the eight loads of one cell are not interrupted by a commit to that very cell.
TEST_F(SlowLane, AStormOfPaymentsAtEveryAccessStarvesNobody) {
  CreateOptions options = small_options();
  options.payments = 40'000;
  SmallBook stormy(options);
  const Account a = stormy.open_with("a", 1000), b = stormy.open_with("b", 1000);
  const Account c = stormy.open("c"), d = stormy.open("d"), e = stormy.open("e");
  Session rivals = must(stormy.book.open_session());
  static std::function<void()> rival;
  static const auto on_access = [](const void*) {
    static uint64_t accesses;
    if (++accesses % 10 == 0) rival();
  };
  uint64_t number = 0;
  rival = [&] {
    base::probes.access = nullptr;
    const bool is_to = ++number % 2 == 0;
    must(rivals.pay(
        Payment(payment_id(number << 20)).debit(is_to ? b : a, 1).credit(is_to ? a : b, 1)));
    base::probes.access = on_access;
  };
  for (uint64_t id = 1; id <= 20; ++id) {
    Payment payment(payment_id(id));
    if (id % 2 == 0)
      payment.debit(a, 2).credit(b, 2);
    else
      payment.debit(a, 4).credit(b, 1).credit(c, 1).credit(d, 1).credit(e, 1);
    const uint64_t conflicts = stormy.book.status().sessions[0].conflicts;
    const uint64_t before = number;
    base::probes.access = on_access;
    const Result<Receipt> receipt = stormy.session.pay(payment);
    base::probes.access = nullptr;
    ASSERT_TRUE(receipt) << receipt.error().message();
    EXPECT_LE(stormy.book.status().sessions[0].conflicts, conflicts + 3);
    EXPECT_GT(number, before + 15) << "hardly a storm";
  }
  rival = nullptr;
  EXPECT_TRUE(stormy.audit_is_ok());
}

TEST_F(SlowLane, GuardedWidePaymentsStopWithTheirLease) {
  const Grant grant = must(book_.session.try_acquire("lease"));
  Interruption loss(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    must(other_.release(grant.lease));
    must(other_.try_acquire("lease"));
  });
  EXPECT_EQ(code_of(pay(wide(1).guard(grant.lease))), Code::lease_superseded);
  EXPECT_EQ(book_.available(a_), 100);
}

}  // namespace
}  // namespace casbook
