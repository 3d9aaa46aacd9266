// The order of precedence of a payment's refusals: of two that apply the earlier one is answered.
// Every pair of the order is provoked at once; the codes' numbers follow the order.
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "support/dated_id.h"
#include "support/id_table.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr Amount kMost = INT64_MAX;

// What each refusal needs: something of the request, or something of the book.
struct Request {
  bool unbalanced = false, conflicting = false, too_old = false, from_future = false;
  bool guard_missing = false, guard_superseded = false;
  bool account_missing = false, ledger_mismatch = false, account_closed = false;
  bool overflow = false, insufficient = false, ceiling = false;
  bool book_closed = false, window_full = false, backpressure = false;
};

struct Rule {
  Code code;
  bool Request::*cause;
};

constexpr Rule kOrder[] = {
    {Code::bad_argument, &Request::unbalanced},
    {Code::book_closed, &Request::book_closed},
    {Code::payment_conflict, &Request::conflicting},
    {Code::payment_too_old, &Request::too_old},
    {Code::payment_from_future, &Request::from_future},
    {Code::lease_missing, &Request::guard_missing},
    {Code::lease_superseded, &Request::guard_superseded},
    {Code::account_missing, &Request::account_missing},
    {Code::ledger_mismatch, &Request::ledger_mismatch},
    {Code::account_closed, &Request::account_closed},
    {Code::amount_overflow, &Request::overflow},
    {Code::insufficient_available, &Request::insufficient},
    {Code::ceiling_exceeded, &Request::ceiling},
    {Code::payment_window_full, &Request::window_full},
    {Code::backpressure, &Request::backpressure},
};

class Precedence : public testing::Test {
 protected:
  Precedence() {
    must(book_.session.close_account(closed_));
    must(pay(Payment(payment_id(7)).debit(world_, 1).credit(rich_, 1)));
    must(pay(Payment(book_.fresh_id()).debit(source_, kMost).credit(vault_, kMost)));
    const Grant old = must(book_.session.try_acquire("superseded"));
    superseded_ = old.lease;
    must(book_.session.release(old.lease));
    must(book_.session.try_acquire("superseded"));
    const Grant released = must(book_.session.try_acquire("missing"));
    missing_ = released.lease;
    must(book_.session.release(released.lease));
    low_ = book_.open_with("low", 10);
    full_ = book_.open_with("full", 10, {.min_available = 0, .max_available = 10});
  }

  Result<Receipt> pay(const Payment& payment) { return book_.session.pay(payment); }

  PaymentId id_for(const Request& request) {
    const int64_t now = base::wall_clock_ms();
    if (request.too_old) return uuid_v7(now - 25 * 3'600'000, 1);
    if (request.from_future) return uuid_v7(now + 3'600'000, 1);
    return request.conflicting ? payment_id(7) : payment_id(++ids_);
  }

  // At most two causes: four postings, and two for the balance of what they move.
  Payment make(const Request& request) {
    Payment payment(id_for(request));
    const auto credit = [&](Account account, Amount amount) {
      payment.debit(world_, amount).credit(account, amount);
    };
    if (request.account_missing) credit({60, world_.ledger}, 1);
    if (request.ledger_mismatch) credit({book_.world_usd.index, world_.ledger}, 1);
    if (request.account_closed) credit(closed_, 1);
    if (request.overflow) credit(vault_, 1);
    if (request.ceiling) credit(full_, 1);
    if (request.insufficient) payment.debit(low_, 11).credit(world_, 11);
    if (payment.posting_count() == 0) payment.debit(world_, 2).credit(rich_, 2);
    if (request.unbalanced) payment.debit(world_, 1);
    if (request.guard_superseded) payment.guard(superseded_);
    if (request.guard_missing) payment.guard(missing_);
    return payment;
  }

  void fill_the_window() {
    for (int i = 0; i < 1000; ++i)
      (void)pay(
          Payment(payment_id(10'000 + static_cast<uint64_t>(i))).debit(world_, 1).credit(rich_, 1));
  }

  // What has to be answered where these causes apply.
  void expect_earlier(const Rule& earlier, const Rule& later) {
    SCOPED_TRACE(std::string(code_name(earlier.code)) + " before " + code_name(later.code));
    Request request;
    request.*earlier.cause = true;
    request.*later.cause = true;
    const IdTable below(book_);
    commit::Executor operating(below.store);
    const uint64_t term = below.store.control().gate.load_relaxed() >> 1;
    if (request.book_closed) operating.seal(term);
    const auto answer = pay(make(request));
    if (request.book_closed) operating.open(term + 1);
    EXPECT_EQ(code_of(answer), earlier.code);
  }

  static CreateOptions options() {
    CreateOptions options = small_options();
    options.records = 4096;
    return options;
  }

  SmallBook book_{options()};
  Account world_ = book_.world;
  Account rich_ = book_.open("rich"), closed_ = book_.open("closed");
  Account vault_ = book_.open("vault", {}), source_ = book_.open("source", {});
  Account low_, full_;
  Lease superseded_, missing_;
  uint64_t ids_ = 100;
};

// The other four are made of the book's state: they have tests of their own below.
bool is_of_request(const Rule& rule) {
  return rule.code != Code::payment_window_full && rule.code != Code::backpressure;
}

TEST_F(Precedence, TheNumbersOfTheCodesFollowTheOrder) {
  for (size_t i = 1; i < std::size(kOrder); ++i)
    EXPECT_LT(static_cast<int>(kOrder[i - 1].code), static_cast<int>(kOrder[i].code));
}

TEST_F(Precedence, EachRefusalIsProvokedByItsCauseAlone) {
  for (const Rule& rule : kOrder) {
    if (!is_of_request(rule) || rule.code == Code::book_closed) continue;
    Request request;
    request.*rule.cause = true;
    EXPECT_EQ(code_of(pay(make(request))), rule.code);
  }
  EXPECT_EQ(code_of(pay(make({}))), kDone);
}

TEST_F(Precedence, OfTwoThatApplyTheEarlierIsAnswered) {
  for (size_t i = 0; i < std::size(kOrder); ++i)
    for (size_t j = i + 1; j < std::size(kOrder); ++j) {
      const bool exclude_one_another =
          (kOrder[i].code == Code::payment_conflict &&
           (kOrder[j].code == Code::payment_too_old ||
            kOrder[j].code == Code::payment_from_future)) ||
          (kOrder[i].code == Code::payment_too_old && kOrder[j].code == Code::payment_from_future);
      if (is_of_request(kOrder[i]) && is_of_request(kOrder[j]) && !exclude_one_another)
        expect_earlier(kOrder[i], kOrder[j]);
    }
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Precedence, AnAnswerUnderTheIdComesBeforeEverythingOfTheBook) {
  const int64_t now = base::wall_clock_ms();
  const PaymentId id = uuid_v7(now, 5);
  const Payment payment = Payment(id).debit(low_, 10).credit(rich_, 10);
  must(pay(payment));
  must(book_.session.close_account(low_));
  // Closed, empty, its guard stale, and by now too old; but answered.
  EXPECT_TRUE(must(pay(Payment(payment).guard(missing_))).replayed);
  step_wall_clock(25 * 3'600'000);
  book_.fund(rich_, 1);  // moves the horizon
  EXPECT_TRUE(must(pay(Payment(payment).guard(superseded_))).replayed);
  EXPECT_EQ(code_of(pay(Payment(payment).code(1))), Code::payment_conflict);
}

TEST_F(Precedence, AFullWindowIsAnsweredAfterAllThatThePaymentIsRefusedFor) {
  fill_the_window();
  const auto expect_full = [&](const Request& request, Code code) {
    // Some chains have room still: what counts is that no other answer is given by a full one.
    int full = 0;
    for (int i = 0; i < 40; ++i) {
      const Code answer = code_of(pay(make(request)));
      full += answer == Code::payment_window_full;
      EXPECT_TRUE(code == kDone || answer == code || answer == Code::payment_window_full);
    }
    return full;
  };
  EXPECT_GT(expect_full({}, kDone), 20);
  for (const Rule& rule : kOrder) {
    const bool is_recorded = rule.code == Code::account_closed ||
                             rule.code == Code::insufficient_available ||
                             rule.code == Code::ceiling_exceeded;
    if (!is_of_request(rule) || rule.code == Code::book_closed) continue;
    SCOPED_TRACE(code_name(rule.code));
    Request request;
    request.*rule.cause = true;
    // What would have to be recorded cannot be: the id may be sent again when there is room.
    const int full = expect_full(request, rule.code);
    EXPECT_TRUE(is_recorded ? full > 20 : full == 0) << full;
  }
}

TEST_F(Precedence, BackpressureIsAnsweredLast) {
  LogFollower follower = must(book_.book.follow("auditor", FullPolicy::refuse_payments));
  bool is_held = false;
  for (int i = 0; i < 20'000 && !is_held; ++i)
    is_held = code_of(book_.session.set_limits(rich_, {.min_available = 0})) == Code::backpressure;
  ASSERT_TRUE(is_held);
  for (const Rule& rule : kOrder) {
    if (!is_of_request(rule)) continue;
    const bool has_to_commit = rule.code == Code::account_closed ||
                               rule.code == Code::insufficient_available ||
                               rule.code == Code::ceiling_exceeded;
    if (rule.code == Code::book_closed || has_to_commit) continue;
    Request request;
    request.*rule.cause = true;
    EXPECT_EQ(code_of(pay(make(request))), rule.code);
  }
  EXPECT_EQ(code_of(pay(make({}))), Code::backpressure);
  EXPECT_TRUE(must(pay(Payment(payment_id(7)).debit(world_, 1).credit(rich_, 1))).replayed);
  Request refused;
  refused.insufficient = true;
  EXPECT_EQ(code_of(pay(make(refused))), Code::backpressure);  // it could not be recorded
  follower.remove();
  EXPECT_EQ(code_of(pay(make(refused))), Code::insufficient_available);
}

}  // namespace
}  // namespace casbook
