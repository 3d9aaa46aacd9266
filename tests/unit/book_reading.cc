// Reading: one balance, several at one position, the whole book, the past, and the end of the ring.
#include <cstdlib>
#include <functional>
#include <new>

#include <gtest/gtest.h>

#include "support/interruption.h"
#include "support/small_book.h"

namespace {
// What others do while the kernel gets much memory ready.
std::function<void()> while_much_is_allocated;
}  // namespace

void* operator new(size_t bytes) {
  if (constexpr size_t kMuch = 50'000; bytes >= kMuch && while_much_is_allocated)
    std::exchange(while_much_is_allocated, nullptr)();
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
// Not inlined: the compiler would warn of free() on what it knows came from new.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace casbook {
namespace {

using namespace test_support;

class Reading : public testing::Test {
 protected:
  Position pay(Account from, Account to, Amount amount) {
    return must(book_.session.pay(Payment(book_.fresh_id()).debit(from, amount).credit(to, amount)))
        .position;
  }
  std::vector<Amount> amounts(const std::vector<Account>& accounts, Position at = {}) {
    std::vector<Amount> list;
    for (const Balance& balance : must(book_.book.balances(accounts, at)))
      list.push_back(balance.available);
    return list;
  }
  // Of the book's first accounts, by index.
  std::vector<Amount> all(Position at) {
    std::vector<Amount> list;
    for (const AccountBalance& line : must(book_.book.snapshot(at)).accounts)
      list.push_back(line.available);
    return list;
  }
  void overrun_the_ring() {
    for (uint64_t i = 0; i < 2 * book_.book.status().records_max; ++i)
      must(book_.session.set_limits(b_, {}));
  }

  SmallBook book_;
  Account world_ = book_.world;
  Account a_ = book_.open_with("a", 1000), b_ = book_.open("b");
};

TEST_F(Reading, ABalanceNamesThePositionOfTheAccountsLastChange) {
  const Position paid = pay(a_, b_, 10);
  book_.fund(book_.open("c"), 5);
  const Balance balance = must(book_.book.balance(a_));
  EXPECT_EQ(balance.available, 990);
  EXPECT_EQ(balance.held, 0);
  EXPECT_EQ(balance.position, paid);
}

TEST_F(Reading, SeveralBalancesStandAtOnePosition) {
  pay(a_, b_, 10);
  const Position last = pay(a_, b_, 20);
  const auto balances = must(book_.book.balances(std::vector<Account>{b_, a_, b_}));
  ASSERT_EQ(balances.size(), 3u);
  EXPECT_EQ(balances[0].available, 30);
  EXPECT_EQ(balances[1].available, 970);
  EXPECT_EQ(balances[2].available, 30);
  for (const Balance& balance : balances) EXPECT_EQ(balance.position, last);
}

TEST_F(Reading, NobodysBalancesAreAnEmptyList) {
  EXPECT_TRUE(must(book_.book.balances({})).empty());
}

// Whatever is paid between two reads of the scan: money is neither lost nor made.
TEST_F(Reading, BalancesWhileAnotherPaysAreOfOneMoment) {
  Session other = must(book_.book.open_session());
  for (uint64_t nth = 1;; ++nth) {
    bool has_happened;
    std::vector<Amount> seen;
    {
      Interruption payment(
          nth, [&] { must(other.pay(Payment(payment_id(nth)).debit(a_, 1).credit(b_, 1))); });
      seen = amounts({a_, b_, a_});
      has_happened = payment.has_happened();
    }
    EXPECT_EQ(seen[0] + seen[1], 1000) << "paid before access " << nth;
    EXPECT_EQ(seen[0], seen[2]) << "paid before access " << nth;
    if (!has_happened) break;
    ASSERT_LT(nth, 1000u);
  }
}

TEST_F(Reading, ThePastIsShownAsItWas) {
  const std::vector<Account> pair{a_, b_};
  const Position start = book_.book.position();
  std::vector<Position> positions;
  for (int i = 0; i < 20; ++i) positions.push_back(pay(a_, b_, 1));
  EXPECT_EQ(amounts(pair, start), (std::vector<Amount>{1000, 0}));
  for (size_t i = 0; i < positions.size(); ++i) {
    const auto passed = static_cast<Amount>(i + 1);
    EXPECT_EQ(amounts(pair, positions[i]), (std::vector<Amount>{1000 - passed, passed}));
    EXPECT_EQ(must(book_.book.balances(pair, positions[i]))[0].position, positions[i]);
    EXPECT_EQ(amounts({a_, a_}, positions[i]), (std::vector<Amount>{1000 - passed, 1000 - passed}));
  }
}

TEST_F(Reading, TheWholeBookIsShownAsItWas) {
  const Position start = book_.book.position();
  const std::vector<Amount> before = all({});
  pay(a_, b_, 10);
  const Account c = book_.open("c");
  pay(b_, c, 4);
  EXPECT_EQ(all(start), before);  // without the account that was opened later
  EXPECT_EQ(all({}).size(), before.size() + 1);
  const BookSnapshot now = must(book_.book.snapshot());
  EXPECT_EQ(now.position, book_.book.position());
  Amount sum = 0;
  for (const AccountBalance& line : now.accounts) sum += line.available + line.held;
  EXPECT_EQ(sum, 0);
}

// An account that is opened and paid during the scan is part of it or came after it.
TEST_F(Reading, TheWholeBookWhileAnAccountIsOpenedAndPaidSumsToZero) {
  Session other = must(book_.book.open_session());
  for (uint64_t nth = 1; nth < 60; ++nth) {
    BookSnapshot seen;
    {
      Interruption opening(nth, [&] {
        const Account opened =
            must(other.open_account(account_id("new " + std::to_string(nth)), {.ledger = "EUR"}));
        must(other.pay(Payment(payment_id(nth)).debit(a_, 1).credit(opened, 1)));
      });
      seen = must(book_.book.snapshot());
    }
    Amount sum = 0;
    for (const AccountBalance& line : seen.accounts) sum += line.available;
    EXPECT_EQ(sum, 0) << "opened before access " << nth;
  }
}

CreateOptions many_accounts() {
  CreateOptions options = small_options();
  options.accounts = 8000;
  options.payments = 20'000;
  return options;
}

std::vector<Account> open_many(SmallBook& book) {
  std::vector<Account> accounts;
  for (uint64_t i = 0; i < many_accounts().accounts - 100; ++i)
    accounts.push_back(must(book.session.open_account(
        {ExternalId::of_number(i + 1)}, {.ledger = "EUR", .limits = {.min_available = 0}})));
  return accounts;
}

// Not before its memory is there does a snapshot depend on what the ring holds. It takes three
// large pieces and more: a lap during each.
TEST(ReadingManyAccounts, DependsOnTheRingOnlyOnceItsMemoryIsThere) {
  SmallBook book(many_accounts());
  const std::vector<Account> accounts = open_many(book);
  book.fund(accounts.front(), 100'000);
  Session other = must(book.book.open_session());
  const uint64_t ring = book.book.status().records_max;
  uint64_t paid = 0, laps = 0;
  const std::function<void()> lap = [&] {
    ++laps;
    for (uint64_t i = 0; i < 2 * ring; ++i, ++paid)
      must(other.pay(Payment(payment_id(paid))
                         .debit(accounts[paid % 2], 1)
                         .credit(accounts[(paid + 1) % 2], 1)));
    while_much_is_allocated = lap;
  };
  while_much_is_allocated = lap;
  const auto chosen = book.book.balances(accounts);
  const auto whole = book.book.snapshot();
  while_much_is_allocated = nullptr;
  EXPECT_GE(laps, 6u);
  Amount sum = 0;
  for (const Balance& balance : must(chosen)) sum += balance.available;
  EXPECT_EQ(sum, 100'000);
  sum = 0;
  for (const AccountBalance& line : must(whole).accounts) sum += line.available;
  EXPECT_EQ(sum, 0);
}

// The ring is lapped during the scan, more than once; what it held is redone before.
TEST(ReadingManyAccounts, TakesLongerThanTheRingHoldsRecords) {
  SmallBook book(many_accounts());
  const std::vector<Account> accounts = open_many(book);
  for (const Account account : {accounts.front(), accounts.back()}) book.fund(account, 100'000);
  Session other = must(book.book.open_session());
  uint64_t paid = 0;
  // From the first to the last, and between some that are near the middle of the scan.
  const auto pay = [&] {
    const Account from = paid % 2 ? accounts.front() : accounts.back();
    const Account to = accounts[paid * 7 % accounts.size()];
    must(other.pay(Payment(payment_id(++paid)).debit(from, 2).credit(to, 2)));
  };
  const uint64_t ring = book.book.status().records_max;
  Amount sum = 0;
  {
    Storm storm(100, pay);
    for (const Balance& balance : must(book.book.balances(accounts))) sum += balance.available;
    EXPECT_GT(storm.payments(), ring);
  }
  EXPECT_EQ(sum, 200'000);
  sum = 0;
  {
    Storm storm(100, pay);
    for (const AccountBalance& line : must(book.book.snapshot()).accounts) sum += line.available;
    EXPECT_GT(storm.payments(), ring);
  }
  EXPECT_EQ(sum, 0);
}

TEST_F(Reading, PositionsThatNeverWereAreSaidSo) {
  const std::vector<Account> one{a_};
  const Position last = book_.book.position();
  const Position later{last.value + 1}, other_term = Position::of(last.term() + 1, last.lsn());
  const Position earlier_term = Position::of(0, last.lsn());
  EXPECT_EQ(code_of(book_.book.balances(one, later)), Code::bad_argument);
  EXPECT_EQ(code_of(book_.book.snapshot(later)), Code::bad_argument);
  EXPECT_EQ(code_of(book_.book.balances(one, other_term)), Code::bad_argument);
  EXPECT_EQ(code_of(book_.book.balances(one, earlier_term)), Code::undone);
  EXPECT_EQ(code_of(book_.book.snapshot(earlier_term)), Code::undone);
  EXPECT_EQ(code_of(book_.book.read_log(earlier_term)), Code::undone);
}

TEST_F(Reading, WhatLeftTheRingIsOverrun) {
  const Position old = pay(a_, b_, 10);
  auto slow = must(book_.book.read_log());
  ASSERT_TRUE(must(slow.next()).has_value());
  overrun_the_ring();
  EXPECT_EQ(code_of(book_.book.balances(std::vector<Account>{a_}, old)), Code::overrun);
  EXPECT_EQ(code_of(book_.book.snapshot(old)), Code::overrun);
  EXPECT_EQ(code_of(book_.book.read_log(old)), Code::overrun);
  EXPECT_EQ(code_of(slow.next()), Code::overrun);
  EXPECT_EQ(code_of(slow.next()), Code::overrun);  // until it goes on elsewhere
  EXPECT_GT(slow.skip_to_oldest(), 0u);
  EXPECT_EQ(slow.skip_to_oldest(), 0u);
  uint64_t read = 0;
  for (auto record = must(slow.next()); record; record = must(slow.next())) ++read;
  EXPECT_EQ(read, book_.book.status().records_held);
  EXPECT_GE(read, small_options().records);
  EXPECT_EQ(book_.available(a_), 990);
}

TEST_F(Reading, HistoryListsWhatTouchedTheAccountOldestFirst) {
  std::vector<Position> positions;
  for (Amount amount = 1; amount <= 5; ++amount) positions.push_back(pay(a_, b_, amount));
  (void)book_.session.pay(Payment(book_.fresh_id()).debit(b_, 999).credit(a_, 999));  // refused
  book_.fund(a_, 100);
  const auto lines = must(book_.book.history(b_));
  ASSERT_EQ(lines.size(), 5u);
  Amount held = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    held += static_cast<Amount>(i + 1);
    EXPECT_EQ(lines[i].payment.position, positions[i]);
    EXPECT_EQ(lines[i].change, static_cast<Amount>(i + 1));
    EXPECT_EQ(lines[i].available_after, held);
  }
  EXPECT_EQ(must(book_.book.history(b_, positions[3])).size(), 2u);
  const auto first_two = must(book_.book.history(b_, {}, 2));
  ASSERT_EQ(first_two.size(), 2u);
  EXPECT_EQ(first_two[1].payment.position, positions[1]);
  EXPECT_TRUE(must(book_.book.history(b_, {}, 0)).empty());
}

TEST_F(Reading, HistoryGoesAsFarAsTheRing) {
  pay(a_, b_, 1);
  overrun_the_ring();
  EXPECT_TRUE(must(book_.book.history(b_)).empty());
  pay(a_, b_, 2);
  const auto lines = must(book_.book.history(b_));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].change, 2);
  EXPECT_EQ(lines[0].available_after, 3);
}

TEST_F(Reading, AnObserverReadsAllAndWritesNothing) {
  const PaymentId id = book_.fresh_id();
  must(book_.session.pay(Payment(id).debit(a_, 7).credit(b_, 7)));
  const Grant grant = must(book_.session.try_acquire("lease"));
  Book observer = must(Book::observe("book", book_.directory.path()));
  EXPECT_EQ(must(observer.balance(a_)).available, 993);
  EXPECT_EQ(must(observer.balances(std::vector<Account>{a_, b_}))[1].available, 7);
  EXPECT_EQ(must(observer.snapshot()).position, book_.book.position());
  EXPECT_EQ(must(observer.history(b_)).size(), 1u);
  EXPECT_TRUE(must(observer.lookup(id)).executed);
  EXPECT_TRUE(must(observer.audit()).ok);
  EXPECT_EQ(must(observer.find_account(account_id("a"))), a_);
  EXPECT_EQ(must(observer.account_info(a_)).id, account_id("a"));
  EXPECT_EQ(must(observer.lease("lease")).lease, grant.lease);
  EXPECT_EQ(observer.ledgers().size(), 2u);
  EXPECT_EQ(observer.status().position, book_.book.position());
  EXPECT_EQ(code_of(observer.open_session()), Code::read_only);
  EXPECT_EQ(code_of(observer.follow("f", FullPolicy::drop_follower)), Code::read_only);
  auto reader = must(observer.read_log());
  uint64_t records = 0;
  for (auto record = must(reader.next()); record; record = must(reader.next())) ++records;
  EXPECT_EQ(records, book_.book.position().lsn());
}

TEST_F(Reading, TheLogTellsEveryKindOfCommit) {
  const Grant grant = must(book_.session.try_acquire("lease", {.ttl = std::chrono::seconds(9)}));
  auto reader = must(book_.book.read_log(grant.lease.token));
  must(book_.session.pay(Payment(payment_id(1))
                             .debit(a_, 5)
                             .credit(b_, 5)
                             .code(3)
                             .user_data(4, 5)
                             .guard(grant.lease)));
  (void)book_.session.pay(Payment(payment_id(2)).debit(b_, 50).credit(a_, 50));
  must(book_.session.renew(grant.lease, std::chrono::seconds(20)));
  must(book_.session.release(grant.lease));
  must(book_.session.set_limits(b_, {.min_available = -1}));
  const Account c = book_.open("c");
  must(book_.session.close_account(c));
  must(book_.session.open_ledger("GBP", 2));
  const auto next = [&] { return must(reader.next()).value(); };
  const LogRecord acquired = next();
  EXPECT_EQ(acquired.kind, RecordKind::lease_acquire);
  EXPECT_EQ(acquired.name, "lease");
  EXPECT_EQ(acquired.position, grant.lease.token);
  const LogRecord paid = next();
  EXPECT_EQ(paid.kind, RecordKind::payment);
  EXPECT_EQ(paid.payment.id, payment_id(1));
  EXPECT_EQ(paid.payment.code, 3u);
  EXPECT_EQ(paid.guards, (std::vector<Lease>{grant.lease}));
  EXPECT_EQ(next().kind, RecordKind::refusal);
  EXPECT_EQ(next().kind, RecordKind::lease_renew);
  EXPECT_EQ(next().kind, RecordKind::lease_release);
  const LogRecord limits = next();
  EXPECT_EQ(limits.kind, RecordKind::set_limits);
  EXPECT_EQ(limits.account, b_);
  const LogRecord opened = next();
  EXPECT_EQ(opened.kind, RecordKind::open_account);
  EXPECT_EQ(opened.account, c);
  const LogRecord closed = next();
  EXPECT_EQ(closed.kind, RecordKind::close_account);
  EXPECT_EQ(closed.account, c);
  EXPECT_EQ(next().kind, RecordKind::open_ledger);
  EXPECT_FALSE(must(reader.next()).has_value());
}

}  // namespace
}  // namespace casbook
