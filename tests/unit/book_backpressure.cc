// A follower that does not release holds the ring: payments are refused before anything is visible,
// or the follower is dropped, as its policy says.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class Backpressure : public testing::Test {
 protected:
  Backpressure() { book_.fund(a_, 1); }  // and the horizon has moved

  Code pay() {
    return code_of(
        book_.session.pay(Payment(book_.fresh_id()).debit(book_.world, 1).credit(a_, 1)));
  }
  // Returns how many payments the ring took.
  uint64_t pay_until_refused(uint64_t most = 5000) {
    uint64_t taken = 0;
    for (Code code = pay(); code == kDone && taken < most; code = pay()) ++taken;
    return taken;
  }
  static CreateOptions options() {
    CreateOptions options = small_options();
    options.payments = 20'000;
    return options;
  }

  SmallBook book_{options()};
  Account a_ = book_.open("a");
};

TEST_F(Backpressure, ComesWhenTheRingIsFullAndGoesWhenItIsReleased) {
  LogFollower follower = must(book_.book.follow("journal", FullPolicy::refuse_payments));
  const uint64_t taken = pay_until_refused();
  EXPECT_GE(taken, small_options().records);  // what was asked for is there
  ASSERT_LT(taken, 5000u);
  const Amount available = book_.available(a_);
  const Position before = book_.book.position();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pay(), Code::backpressure);
  EXPECT_EQ(book_.book.position(), before);
  EXPECT_EQ(book_.available(a_), available);
  ASSERT_EQ(book_.book.status().followers.size(), 1u);
  EXPECT_EQ(book_.book.status().followers[0].lag, taken);
  uint64_t read = 0;
  for (auto record = must(follower.next()); record; record = must(follower.next())) ++read;
  EXPECT_EQ(read, taken);
  EXPECT_EQ(pay(), Code::backpressure);  // read, but not released
  follower.release();
  EXPECT_GE(pay_until_refused(), small_options().records / 2);
  EXPECT_TRUE(book_.audit_is_ok());
}

TEST_F(Backpressure, StopsAllThatCommitsAndNothingElse) {
  const Grant grant = must(book_.session.try_acquire("held"));
  const PaymentId paid = book_.fresh_id();
  must(book_.session.pay(Payment(paid).debit(book_.world, 1).credit(a_, 1)));
  LogFollower follower = must(book_.book.follow("journal", FullPolicy::refuse_payments));
  pay_until_refused();
  Session& session = book_.session;
  EXPECT_EQ(code_of(session.open_ledger("GBP", 2)), Code::backpressure);
  EXPECT_EQ(code_of(session.open_account(account_id("c"), {.ledger = "EUR"})), Code::backpressure);
  EXPECT_EQ(code_of(session.set_limits(a_, {})), Code::backpressure);
  EXPECT_EQ(code_of(session.close_account(book_.world_usd)), Code::backpressure);
  EXPECT_EQ(code_of(session.try_acquire("new")), Code::backpressure);
  EXPECT_EQ(code_of(session.renew(grant.lease, std::chrono::seconds(5))), Code::backpressure);
  EXPECT_EQ(code_of(session.release(grant.lease)), Code::backpressure);
  EXPECT_TRUE(must(session.pay(Payment(paid).debit(book_.world, 1).credit(a_, 1))).replayed);
  EXPECT_TRUE(must(book_.book.lookup(paid)).executed);
  EXPECT_EQ(code_of(session.open_ledger("EUR", 2)), kDone);  // nothing to commit
  follower.remove();
  EXPECT_EQ(code_of(session.release(grant.lease)), kDone);
}

// Also for a session that opens only now: its first commit finds the ring as full.
TEST_F(Backpressure, HoldsForEverySession) {
  LogFollower follower = must(book_.book.follow("journal", FullPolicy::refuse_payments));
  pay_until_refused();
  const Position before = book_.book.position();
  Book other = book_.attach();
  for (int i = 0; i < 5; ++i) {
    Session session = must(other.open_session());
    uint64_t taken = 0;
    while (taken < 1000 &&
           code_of(session.pay(Payment(book_.fresh_id()).debit(book_.world, 1).credit(a_, 1))) ==
               kDone)
      ++taken;
    EXPECT_LT(taken, 100u);
  }
  auto reader = must(book_.book.read_log(before));
  EXPECT_EQ(must(reader.next()).value().position, before);
  // The follower has lost nothing.
  uint64_t lsn = 0;
  for (auto record = must(follower.next()); record; record = must(follower.next())) {
    EXPECT_TRUE(lsn == 0 || record->position.lsn() == lsn + 1);
    lsn = record->position.lsn();
  }
  EXPECT_EQ(lsn, book_.book.position().lsn());
}

TEST_F(Backpressure, AFollowerThatMayBeDroppedIs) {
  LogFollower follower = must(book_.book.follow("dashboard", FullPolicy::drop_follower));
  ASSERT_TRUE(pay() == kDone);
  ASSERT_TRUE(must(follower.next()).has_value());
  EXPECT_EQ(pay_until_refused(3000), 3000u);
  EXPECT_EQ(code_of(follower.next()), Code::overrun);
  EXPECT_TRUE(book_.book.status().followers.empty());
}

TEST_F(Backpressure, DroppingOneDoesNotDropTheOther) {
  LogFollower journal = must(book_.book.follow("journal", FullPolicy::refuse_payments));
  LogFollower dashboard = must(book_.book.follow("dashboard", FullPolicy::drop_follower));
  pay_until_refused();
  EXPECT_EQ(pay(), Code::backpressure);
  EXPECT_EQ(code_of(dashboard.next()), Code::overrun);
  EXPECT_TRUE(must(journal.next()).has_value());
}

TEST_F(Backpressure, AFollowerThatKeepsUpIsNeverInTheWay) {
  LogFollower follower = must(book_.book.follow("journal", FullPolicy::refuse_payments));
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(pay(), kDone) << i;
    if (i % 50 != 0) continue;
    while (must(follower.next()).has_value()) {
    }
    follower.release();
  }
}

TEST_F(Backpressure, ARegistrationOutlivesItsFollowerAndIsResumedByName) {
  Position next;
  {
    LogFollower follower = must(book_.book.follow("journal", FullPolicy::refuse_payments));
    ASSERT_EQ(pay(), kDone);
    ASSERT_EQ(pay(), kDone);
    must(follower.next());
    follower.release();
    next = book_.book.position();
  }
  pay_until_refused();
  EXPECT_EQ(pay(), Code::backpressure);
  LogFollower again = must(book_.book.follow("journal", FullPolicy::refuse_payments));
  EXPECT_EQ(must(again.next()).value().position, next);
  again.remove();
  EXPECT_EQ(pay(), kDone);
  EXPECT_TRUE(book_.book.status().followers.empty());
}

TEST_F(Backpressure, ReplayingAllRecordsFromTheFirstGivesTheBook) {
  ScratchDirectory directory;
  CreateOptions with_directory = options();
  with_directory.directory = directory.path();
  Book book = must(Book::create("empty", with_directory));
  LogFollower follower = must(book.follow("auditor", FullPolicy::refuse_payments, true));
  Session session = must(book.open_session());
  must(session.open_ledger("EUR", 2));
  const Account a = must(session.open_account(account_id("a"), {.ledger = "EUR"}));
  const Account b = must(session.open_account(account_id("b"), {.ledger = "EUR"}));
  std::map<std::pair<uint64_t, uint32_t>, uint64_t> words;
  const auto replay = [&] {
    for (auto record = must(follower.next()); record; record = must(follower.next()))
      for (const WordChange& change : record->changes) {
        uint64_t& value = words[{change.cell, change.word}];
        ASSERT_EQ(value, change.old_value);
        value = change.new_value;
      }
    follower.release();
  };
  for (int i = 0; i < 2000; ++i) {
    must(session.pay(
        Payment(payment_id(static_cast<uint64_t>(i))).debit(a, i + 1).credit(b, i + 1)));
    if (i % 100 == 0) replay();
  }
  replay();
  std::multiset<int64_t> values;
  for (const auto& [where, value] : words) values.insert(static_cast<int64_t>(value));
  EXPECT_EQ(values.count(must(book.balance(a)).available), 1u);
  EXPECT_EQ(values.count(must(book.balance(b)).available), 1u);
}

}  // namespace
}  // namespace casbook
