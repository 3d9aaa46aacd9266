// The slow lane: payments that lost three times are added within bounds at whatever version the
// accounts have. Their answers are those of the fast lane.
#include <functional>

#include <gtest/gtest.h>

#include "support/id_table.h"
#include "support/interruption.h"
#include "support/lanes.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class SlowLane : public testing::Test {
 protected:
  SlowLane() { begin_slow({5, 6}); }
  void TearDown() override { EXPECT_GT(made_slow(book_.book), 0u) << "not in the slow lane"; }

  // 60 from `a` to five accounts, in the slow lane.
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
  // What fails in the slow lane is refused under the locks; in the fast one an account that changed
  // is a conflict.
  uint64_t conflicts() { return book_.book.status().sessions[0].conflicts; }
  uint64_t refusals() { return book_.book.status().sessions[0].refusals; }

  static CreateOptions options() {
    CreateOptions options = small_options();
    options.payments = 40'000;
    return options;
  }

  SmallBook book_{options()};
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
  EXPECT_EQ(made_slow(book_.book), 1u);
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
  const Payment back = Payment(payment_id(3)).debit(to_[4], 12).credit(a_, 12);
  must(pay(wide(4)));
  must(pay(back));  // so that it may be closed
  book_.fund(a_, 48);
  const uint64_t conflicts_before = conflicts(), refusals_before = refusals();
  Interruption closing(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    must(other_.close_account(to_[4]));
  });
  const auto refused = pay(wide(1));
  ASSERT_EQ(code_of(refused), Code::account_closed);
  EXPECT_TRUE(refused.error().is_recorded());
  EXPECT_TRUE(must(book_.book.account_info(to_[4])).closed);
  EXPECT_EQ(conflicts(), conflicts_before);
  EXPECT_EQ(refusals(), refusals_before + 1);
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

// Nothing made it begin there. A payment of two accounts that loses again and again is made in the
// slow lane in the end, where losing is over: it cannot starve.
TEST_F(SlowLane, APaymentThatLostThreeTimesCannotLoseAgain) {
  begin_slow({});
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
  EXPECT_EQ(made_slow(book_.book), 1u);
  EXPECT_EQ(receipt.available[0], 94);
  EXPECT_EQ(book_.available(a_), 94);
  EXPECT_TRUE(book_.audit_is_ok());
}

// A storm no machine can make: at every tenth access to shared memory of a payment somebody else
// makes a whole payment on the same accounts. It loses three times and not again, and not once
// where it begins in the slow lane. What it needs is that the eight loads of one cell are not
// interrupted by a commit to that very cell.
TEST_F(SlowLane, AStormOfPaymentsAtEveryAccessStarvesNobody) {
  const Account a = book_.open_with("rich", 3000), b = book_.open_with("too", 1000);
  static std::function<void()> rival;
  static const auto on_access = [](const void*) {
    static uint64_t accesses;
    if (++accesses % 10 == 0) rival();
  };
  uint64_t number = 0, id = 0;
  rival = [&] {
    base::probes.access = nullptr;
    const bool is_to = ++number % 2 == 0;
    PaymentId rivals = payment_id(number << 20);
    if (below_.bucket(rivals, 0) == below_.bucket(payment_id(id), 0))
      rivals = payment_id(number << 20 | 1);
    must(other_.pay(Payment(rivals).debit(is_to ? b : a, 1).credit(is_to ? a : b, 1)));
    base::probes.access = on_access;
  };
  for (const bool is_slow : {false, true})
    for (const uint32_t accounts : {3u, 5u, 8u, 3u, 5u, 8u}) {
      begin_slow({is_slow ? accounts : 1});
      Payment payment(payment_id(++id));
      payment.debit(a, accounts - 1).credit(b, 1);
      const Account more[] = {a_, to_[0], to_[1], to_[2], to_[3], to_[4]};
      for (uint32_t i = 2; i < accounts; ++i) payment.credit(more[i - 2], 1);
      const uint64_t before = number, slow_before = made_slow(book_.book);
      const uint64_t conflicts_max = conflicts() + (is_slow ? 0 : 3);
      base::probes.access = on_access;
      const Result<Receipt> receipt = book_.session.pay(payment);
      base::probes.access = nullptr;
      ASSERT_TRUE(receipt) << receipt.error().message();
      EXPECT_LE(conflicts(), conflicts_max) << accounts;
      EXPECT_EQ(made_slow(book_.book), slow_before + 1) << accounts;
      EXPECT_GT(number, before + 15) << "hardly a storm";
    }
  rival = nullptr;
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(SlowLane, GuardedWidePaymentsStopWithTheirLease) {
  const Grant grant = must(book_.session.try_acquire("lease"));
  must(pay(wide(2).guard(grant.lease)));
  book_.fund(a_, 60);
  const uint64_t conflicts_before = conflicts(), refusals_before = refusals();
  Interruption loss(base::FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    pay_other(world_, a_, 7);
    must(other_.release(grant.lease));
    must(other_.try_acquire("lease"));
  });
  EXPECT_EQ(code_of(pay(wide(1).guard(grant.lease))), Code::lease_superseded);
  EXPECT_EQ(book_.available(a_), 107);
  EXPECT_EQ(conflicts(), conflicts_before);
  EXPECT_EQ(refusals(), refusals_before + 1);
}

struct Lane {
  uint32_t accounts;
  bool is_slow;
};

// Payments of five to eight accounts, in the lane they begin in by themselves and in the other one:
// the answers are the same, whatever others do between plan and commit.
class BothLanes : public testing::TestWithParam<Lane> {
 protected:
  BothLanes() {
    if (GetParam().is_slow) begin_slow({GetParam().accounts});
    for (uint32_t i = 1; i < GetParam().accounts; ++i)
      to_.push_back(book_.open(std::to_string(i), {.max_available = i == 3 ? 30 : 1000}));
  }

  // Twelve to each of the others.
  Payment wide(uint64_t id) const {
    Payment payment(payment_id(id));
    payment.debit(a_, 12 * static_cast<Amount>(to_.size()));
    for (const Account account : to_) payment.credit(account, 12);
    return payment;
  }
  // What is answered where `from` pays `amount` to `to` in between.
  Result<Receipt> pay_beside(uint64_t id, Account from, Account to, Amount amount) {
    Interruption payment(base::FaultPoint::payment_planned, [&] {
      base::probes.fault = nullptr;
      const PaymentId other_id = payment_id("of another, number " + std::to_string(id));
      must(other_.pay(Payment(other_id).debit(from, amount).credit(to, amount)));
    });
    const Result<Receipt> answer = book_.session.pay(wide(id));
    EXPECT_TRUE(payment.has_happened());
    return answer;
  }
  // So many of what was answered until now was settled by commits of money.
  void expect_made(uint64_t count) const {
    EXPECT_EQ(made_slow(book_.book), GetParam().is_slow ? count : 0);
  }

  SmallBook book_;
  Session other_ = must(book_.book.open_session());
  Account world_ = book_.world;
  Account a_ = book_.open_with("a", 100);
  std::vector<Account> to_;
};

TEST_P(BothLanes, PayOnceWhateverOthersPayMeanwhile) {
  const Receipt receipt = must(pay_beside(1, world_, to_[1], 5));
  const auto paid = 12 * static_cast<Amount>(to_.size());
  EXPECT_EQ(receipt.available[0], 100 - paid);
  for (size_t i = 0; i < to_.size(); ++i) EXPECT_EQ(receipt.available[i + 1], i == 1 ? 17 : 12);
  const Receipt again = must(book_.session.pay(wide(1)));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.available, receipt.available);
  EXPECT_EQ(book_.available(a_), 100 - paid);
  expect_made(1);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_P(BothLanes, RefuseWhatIsGoneOrFullAtTheCommit) {
  const auto poor = pay_beside(1, a_, world_, 60);
  ASSERT_EQ(code_of(poor), Code::insufficient_available);
  EXPECT_TRUE(poor.error().is_recorded());
  book_.fund(a_, 100);
  const auto full = pay_beside(2, world_, to_[2], 19);
  ASSERT_EQ(code_of(full), Code::ceiling_exceeded);
  EXPECT_TRUE(full.error().is_recorded());
  EXPECT_EQ(book_.available(a_), 140);
  expect_made(2);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_P(BothLanes, RecordNoRefusalThatIsFalseAtTheCommit) {
  must(other_.pay(Payment(payment_id(99)).debit(a_, 90).credit(world_, 90)));
  EXPECT_EQ(code_of(pay_beside(1, world_, a_, 90)), kDone);
  EXPECT_EQ(book_.available(to_.back()), 12);
  expect_made(1);
}

INSTANTIATE_TEST_SUITE_P(Of, BothLanes,
                         testing::Values(Lane{5, false}, Lane{6, false}, Lane{7, false},
                                         Lane{8, false}, Lane{5, true}, Lane{6, true},
                                         Lane{7, true}, Lane{8, true}),
                         [](const auto& of) {
                           return std::to_string(of.param.accounts) +
                                  (of.param.is_slow ? "Slow" : "Fast");
                         });

}  // namespace
}  // namespace casbook
