// Every table, ring and slot of a book, full: each has its own answer, the answer says the way out,
// the way out works, and nothing of the refused call is left behind.
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using std::chrono::hours;
using testing::HasSubstr;

CreateOptions tiny(uint64_t payments = 1) {
  return {.accounts = 4,
          .payments = payments,
          .window = std::chrono::seconds(1),
          .leases = 1,
          .ledgers = 2,
          .sessions = 2,
          .records = 64};
}

class Limits : public testing::Test {
 protected:
  // Calls until the answer is an error, which has to be this one with this advice.
  template <class Call>
  void fill(Call call, Code code, const char* advice) {
    for (int i = 0; i < 100'000; ++i) {
      const auto answer = call(i);
      if (answer) continue;
      EXPECT_EQ(answer.error().code, code);
      EXPECT_THAT(answer.error().message(), HasSubstr(advice));
      EXPECT_FALSE(answer.error().is_final()) << "it may be asked again";
      return;
    }
    FAIL() << "never full";
  }
  Payment payment(const PaymentId& id) { return Payment(id).debit(small_.world, 1).credit(a_, 1); }

  explicit Limits(uint64_t payments = 1000) : small_(tiny(payments)) {}

  SmallBook small_;
  Account a_ = small_.open("a");
};

class LimitsOfIds : public Limits {
 protected:
  LimitsOfIds() : Limits(1) {}
};

TEST_F(Limits, Ledgers) {
  fill([&](int i) { return small_.session.open_ledger("L" + std::to_string(i), 2); },
       Code::book_full, "create the book with more");
  EXPECT_EQ(small_.book.ledgers().size(), small_.book.status().ledgers_max);
}

TEST_F(Limits, Accounts) {
  fill(
      [&](int i) {
        return small_.session.open_account(account_id("more " + std::to_string(i)),
                                           {.ledger = "EUR"});
      },
      Code::book_full, "create the book with more");
  EXPECT_EQ(small_.book.status().accounts, small_.book.status().accounts_max);
  EXPECT_EQ(code_of(small_.session.pay(payment(small_.fresh_id()))), kDone) << "the rest goes on";
}

TEST_F(Limits, Leases) {
  fill(
      [&](int i) {
        return small_.session.try_acquire("lease " + std::to_string(i), {.ttl = hours(1)});
      },
      Code::book_full, "leases: ");
  const std::vector<LeaseInfo> held = small_.book.leases();
  ASSERT_FALSE(held.empty());
  must(small_.session.release(held.front().lease));
  EXPECT_EQ(code_of(small_.session.try_acquire("another", {.ttl = hours(1)})), kDone)
      << "a release makes room";
}

TEST_F(Limits, ReEntriesOfALease) {
  const AcquireOptions options{.ttl = hours(1)};
  fill([&](int) { return small_.session.try_acquire("lease", options); }, Code::book_full,
       "release some");
  const LeaseInfo info = must(small_.book.lease("lease"));
  EXPECT_EQ(info.count, kLeaseCountMax);
  must(small_.session.release(info.lease));
  EXPECT_EQ(must(small_.session.try_acquire("lease", options)).count, kLeaseCountMax);
}

TEST_F(LimitsOfIds, PaymentIdsOfTheWindow) {
  PaymentId refused{};
  fill(
      [&](int) {
        refused = small_.fresh_id();
        return small_.session.pay(payment(refused));
      },
      Code::payment_window_full, "more payments");
  const Amount before = small_.available(a_);
  EXPECT_EQ(code_of(small_.session.pay(payment(refused))), Code::payment_window_full);
  EXPECT_EQ(small_.available(a_), before);
  step_wall_clock(2 * (1000 + kFutureToleranceMs));
  EXPECT_EQ(code_of(small_.session.pay(payment(refused))), kDone) << "not for ever";
  EXPECT_EQ(small_.available(a_), before + 1);
}

TEST_F(Limits, RecordsThatAFollowerHolds) {
  LogFollower follower = must(small_.book.follow("slow", FullPolicy::refuse_payments));
  fill([&](int) { return small_.session.pay(payment(small_.fresh_id())); }, Code::backpressure,
       "follower");
  const PaymentId refused = small_.fresh_id();
  EXPECT_EQ(code_of(small_.session.pay(payment(refused))), Code::backpressure);
  EXPECT_EQ(code_of(small_.book.lookup(refused)), Code::payment_missing);
  follower.remove();
  EXPECT_EQ(code_of(small_.session.pay(payment(refused))), kDone);
}

TEST_F(Limits, Followers) {
  std::vector<LogFollower> all;
  fill(
      [&](int i) {
        auto follower = small_.book.follow("f" + std::to_string(i), FullPolicy::drop_follower);
        if (follower) all.push_back(std::move(*follower));
        return follower ? Result<void>() : Result<void>(follower.error());
      },
      Code::followers_full, "registration");
  EXPECT_EQ(all.size(), kFollowersMax);
  all.back().remove();
  EXPECT_EQ(code_of(small_.book.follow("another", FullPolicy::drop_follower)), kDone);
}

TEST_F(Limits, Sessions) {
  std::vector<Session> all;
  fill(
      [&](int) {
        Result<Session> session = small_.book.open_session();
        if (session) all.push_back(std::move(*session));
        return session ? Result<void>() : Result<void>(session.error());
      },
      Code::sessions_full, "more sessions");
  all.pop_back();
  EXPECT_EQ(code_of(small_.book.open_session()), kDone);
}

TEST_F(Limits, Attachments) {
  std::vector<Book> all;
  fill(
      [&](int) {
        Result<Book> book = Book::attach("book", small_.directory.path());
        if (book) all.push_back(std::move(*book));
        return book ? Result<void>() : Result<void>(book.error());
      },
      Code::attachments_full, "observing");
  EXPECT_EQ(code_of(Book::observe("book", small_.directory.path())), kDone) << "readers need none";
  all.pop_back();
  EXPECT_EQ(code_of(Book::attach("book", small_.directory.path())), kDone);
}

TEST_F(Limits, AmountsOf63Bits) {
  const Account rich = small_.open("rich", {});
  constexpr Amount kMost = std::numeric_limits<Amount>::max();
  must(small_.session.pay(
      Payment(small_.fresh_id()).debit(small_.world, kMost).credit(rich, kMost)));
  const PaymentId id = small_.fresh_id();
  const auto over = small_.session.pay(Payment(id).debit(a_, 0).credit(rich, 1));
  EXPECT_FALSE(over);
  EXPECT_EQ(code_of(small_.session.pay(Payment(id).debit(small_.world, 1).credit(rich, 1))),
            Code::amount_overflow);
  EXPECT_EQ(small_.available(rich), kMost);
  // The same id when there is room again.
  must(small_.session.pay(Payment(small_.fresh_id()).debit(rich, 5).credit(small_.world, 5)));
  EXPECT_EQ(code_of(small_.session.pay(Payment(id).debit(small_.world, 1).credit(rich, 1))), kDone);
}

// Each quarantine ends a term; after the last there is no opening again, and all can still be read.
TEST_F(Limits, Terms) {
  uint64_t turns = 0;
  for (;; ++turns) {
    must(small_.book.set_quarantine(true));
    const Result<void> opened = small_.book.set_quarantine(false);
    if (opened) continue;
    EXPECT_EQ(opened.error().code, Code::book_full);
    EXPECT_THAT(opened.error().message(), HasSubstr("terms: "));
    break;
  }
  EXPECT_EQ(small_.book.status().term, kTermMax);
  EXPECT_TRUE(small_.book.status().quarantined);
  EXPECT_EQ(turns, kTermMax - 1);
  EXPECT_EQ(code_of(small_.session.pay(payment(small_.fresh_id()))), Code::quarantined);
  EXPECT_EQ(code_of(small_.book.balance(a_)), kDone);
  EXPECT_TRUE(small_.book.check().ok);
}

}  // namespace
}  // namespace casbook
