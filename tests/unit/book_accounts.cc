// Opening, finding, limiting and closing accounts.
#include <gtest/gtest.h>

#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class Accounts : public testing::Test {
 protected:
  Code open(std::string_view id, const AccountOptions& options) {
    return code_of(book_.session.open_account(account_id(id), options));
  }
  Code pay(Account from, Account to, Amount amount) {
    return code_of(
        book_.session.pay(Payment(book_.fresh_id()).debit(from, amount).credit(to, amount)));
  }
  SmallBook book_;
};

TEST_F(Accounts, AreFoundWithAllTheyWereOpenedWith) {
  const AccountOptions options{.ledger = "USD",
                               .limits = {.min_available = -500, .max_available = 1'000'000},
                               .code = 77,
                               .user_data = {11, 12}};
  const Account opened =
      must(book_.session.open_account(account_id("DE89370400440532013000"), options));
  EXPECT_EQ(must(book_.book.find_account(account_id("DE89370400440532013000"))), opened);
  const AccountInfo info = must(book_.book.account_info(opened));
  EXPECT_EQ(info.id, account_id("DE89370400440532013000"));
  EXPECT_EQ(info.account, opened);
  EXPECT_EQ(info.ledger, "USD");
  EXPECT_EQ(info.scale, 2u);
  EXPECT_EQ(info.limits, options.limits);
  EXPECT_EQ(info.code, 77u);
  EXPECT_EQ(info.user_data, options.user_data);
  EXPECT_GT(info.opened_ms, 1'600'000'000'000);
  EXPECT_FALSE(info.closed);
}

TEST_F(Accounts, IdsOfEveryKindAndLengthAreKeptWholeAndNeverMeet) {
  const std::string sixteen = "abcdefghijklmnop", forty(40, 'x');
  const ExternalId as_text = text_id(sixteen);
  const ExternalId ids[] = {ExternalId::of_number(0),
                            ExternalId::of_number(7),
                            text_id("007"),
                            ExternalId::of_uuid(0, 7),
                            text_id("7 "),
                            as_text,
                            ExternalId::of_uuid(as_text.words()[1], as_text.words()[0]),
                            text_id(sixteen + "q"),
                            text_id(sixteen + "r"),
                            text_id(forty),
                            text_id(forty.substr(1)),
                            text_id(forty.substr(1) + "y")};
  std::vector<Account> opened;
  for (const ExternalId& id : ids)
    opened.push_back(must(book_.session.open_account({id}, {.ledger = "EUR"})));
  for (size_t i = 0; i < std::size(ids); ++i) {
    EXPECT_EQ(must(book_.book.find_account({ids[i]})), opened[i]);
    EXPECT_EQ(must(book_.book.account_info(opened[i])).id.value, ids[i]);
    for (size_t j = 0; j < i; ++j) EXPECT_NE(opened[i].index, opened[j].index);
  }
}

TEST_F(Accounts, OpeningAgainTheSameCommitsNothing) {
  const Account account = book_.open("a");
  const Position before = book_.book.position();
  EXPECT_EQ(book_.open("a"), account);
  EXPECT_EQ(book_.book.position(), before);
}

TEST_F(Accounts, OpeningAgainDifferentlyNamesTheFirstDifference) {
  const AccountOptions options{.ledger = "EUR", .limits = {.min_available = 0}, .code = 1};
  ASSERT_EQ(open("a", options), kDone);
  const auto difference = [&](const AccountOptions& other) {
    const auto answer = book_.session.open_account(account_id("a"), other);
    return code_of(answer) == Code::account_exists ? answer.error().detail : "no";
  };
  AccountOptions other = options;
  other.user_data = {0, 1};
  EXPECT_EQ(difference(other), "account a differs in: user data");
  other.code = 2;
  EXPECT_EQ(difference(other), "account a differs in: code");
  other.limits = {};
  EXPECT_EQ(difference(other), "account a differs in: limits");
  other.ledger = "USD";
  EXPECT_EQ(difference(other), "account a differs in: ledger");
}

TEST_F(Accounts, BadRequestsAreRefused) {
  EXPECT_EQ(code_of(book_.session.open_account({}, {.ledger = "EUR"})), Code::bad_argument);
  EXPECT_EQ(open("a", {.ledger = "EUR", .limits = {.min_available = 1, .max_available = 0}}),
            Code::bad_argument);
  EXPECT_EQ(open("a", {.ledger = "GBP"}), Code::ledger_missing);
  EXPECT_EQ(code_of(book_.book.find_account(account_id("a"))), Code::account_missing);
}

TEST_F(Accounts, AFullTableSaysWhich) {
  for (int i = 2; i < 64; ++i) book_.open("account " + std::to_string(i));
  const auto full = book_.session.open_account(account_id("one more"), {.ledger = "EUR"});
  ASSERT_EQ(code_of(full), Code::book_full);
  EXPECT_NE(full.error().detail.find("accounts"), std::string::npos);
  EXPECT_EQ(must(book_.book.find_account(account_id("account 63"))).index, 63u);
}

TEST_F(Accounts, OnesThatNeverWereAreMissingEverywhere) {
  for (const uint32_t index : {uint32_t{5}, uint32_t{64}, UINT32_MAX}) {
    const Account nobody{index, 0};
    EXPECT_EQ(code_of(book_.book.account_info(nobody)), Code::account_missing) << index;
    EXPECT_EQ(code_of(book_.book.balance(nobody)), Code::account_missing) << index;
    EXPECT_EQ(code_of(book_.book.balances({{nobody}})), Code::account_missing) << index;
    EXPECT_EQ(code_of(book_.session.set_limits(nobody, {})), Code::account_missing) << index;
    EXPECT_EQ(code_of(book_.session.close_account(nobody)), Code::account_missing) << index;
  }
}

TEST_F(Accounts, LimitsChangeAndAreJudgedByLaterPayments) {
  const Account a = book_.open_with("a", 100);
  must(book_.session.set_limits(a, {.min_available = -50, .max_available = 120}));
  EXPECT_EQ(must(book_.book.account_info(a)).limits,
            (AccountLimits{.min_available = -50, .max_available = 120}));
  EXPECT_EQ(pay(a, book_.world, 151), Code::insufficient_available);
  EXPECT_EQ(pay(a, book_.world, 150), kDone);
  EXPECT_EQ(pay(book_.world, a, 171), Code::ceiling_exceeded);
  EXPECT_EQ(pay(book_.world, a, 170), kDone);
  must(book_.session.set_limits(a, {}));
  EXPECT_EQ(must(book_.book.account_info(a)).limits, AccountLimits{});
}

TEST_F(Accounts, LimitsMayLeaveWhatIsThereOutside) {
  const Account a = book_.open_with("a", 100);
  must(book_.session.set_limits(a, {.min_available = 200, .max_available = 300}));
  EXPECT_EQ(book_.available(a), 100);
  // What brings it nearer is judged like anything else: a debit still ends below the limit.
  EXPECT_EQ(pay(a, book_.world, 1), Code::insufficient_available);
  EXPECT_EQ(pay(book_.world, a, 1), kDone);
}

TEST_F(Accounts, LimitsThatContradictThemselvesAreRefused) {
  const Account a = book_.open("a");
  EXPECT_EQ(code_of(book_.session.set_limits(a, {.min_available = 2, .max_available = 1})),
            Code::bad_argument);
  EXPECT_EQ(code_of(book_.session.set_limits(
                a, {.min_available = INT64_MIN, .max_available = INT64_MIN})),
            kDone);
}

TEST_F(Accounts, CloseOnlyWhenEmptyAndForGood) {
  const Account a = book_.open_with("a", 5);
  EXPECT_EQ(code_of(book_.session.close_account(a)), Code::account_not_empty);
  must(book_.session.pay(Payment(book_.fresh_id()).debit(a, 5).credit(book_.world, 5)));
  EXPECT_EQ(code_of(book_.session.close_account(a)), kDone);
  const Position closed = book_.book.position();
  EXPECT_EQ(code_of(book_.session.close_account(a)), kDone);  // twice is no error
  EXPECT_EQ(book_.book.position(), closed);
  EXPECT_TRUE(must(book_.book.account_info(a)).closed);
  EXPECT_EQ(book_.available(a), 0);  // still shown
  EXPECT_EQ(code_of(book_.session.set_limits(a, {})), Code::account_closed);
  EXPECT_EQ(pay(book_.world, a, 5), Code::account_closed);
  const auto again = book_.session.open_account(account_id("a"),
                                                {.ledger = "EUR", .limits = {.min_available = 0}});
  ASSERT_EQ(code_of(again), Code::account_exists);
  EXPECT_EQ(again.error().detail, "account a differs in: closed");
}

TEST_F(Accounts, NegativeBalancesAreNotEmptyEither) {
  EXPECT_EQ(code_of(book_.session.close_account(book_.world)), kDone);
  book_.fund(book_.open("b", {}, "USD"), 1);
  EXPECT_EQ(code_of(book_.session.close_account(book_.world_usd)), Code::account_not_empty);
}

// A payment that is planned while the account is empty must not land in a closed account.
TEST_F(Accounts, APaymentPlannedBeforeTheCloseIsRefusedAfterIt) {
  Session other = must(book_.book.open_session());
  const Account account = book_.open("a");
  Interruption close(base::FaultPoint::payment_planned,
                     [&] { must(other.close_account(account)); });
  EXPECT_EQ(pay(book_.world, account, 5), Code::account_closed);
  EXPECT_TRUE(close.has_happened());
  EXPECT_EQ(book_.available(account), 0);
}

TEST_F(Accounts, APaymentPlannedBeforeAChangeOfLimitsIsJudgedByTheNewOnes) {
  Session other = must(book_.book.open_session());
  const Account account = book_.open_with("a", 100);
  Interruption change(base::FaultPoint::payment_planned,
                      [&] { must(other.set_limits(account, {.min_available = 60})); });
  EXPECT_EQ(pay(account, book_.world, 50), Code::insufficient_available);
  EXPECT_TRUE(change.has_happened());
  EXPECT_EQ(book_.available(account), 100);
}

// Flags and limits stand in two cells: what is read of them is of one moment.
TEST_F(Accounts, InfoIsNeverHalfOldAndHalfNew) {
  Session other = must(book_.book.open_session());
  const Account account = book_.open("a", {.min_available = -7});
  for (uint64_t nth = 1; nth < 60; ++nth) {
    must(other.set_limits(account, {.min_available = -7}));
    AccountLimits seen;
    {
      Interruption change(nth, [&] { must(other.set_limits(account, {.max_available = 9})); });
      seen = must(book_.book.account_info(account)).limits;
    }
    EXPECT_TRUE(seen == (AccountLimits{.min_available = -7}) ||
                seen == (AccountLimits{.max_available = 9}))
        << "changed before access " << nth;
  }
}

}  // namespace
}  // namespace casbook
