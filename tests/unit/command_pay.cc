// pay, payment show: the answers, and which of several applies.
#include "support/command_book.h"

namespace casbook {
namespace {

using nlohmann::json;
using test_support::CommandBook;
using test_support::Ended;
using test_support::Words;

class CommandPay : public CommandBook {
 protected:
  CommandPay() : CommandBook(CASBOOK_COMMAND) {}

  void expect_refused(const Ended& ended, const std::string& outcome) const {
    EXPECT_EQ(ended.exit_code, 1) << ended.err;
    EXPECT_EQ(ended.object().at("outcome"), outcome);
  }
};

TEST_F(CommandPay, AReceiptHasThePositionAndWhatIsAvailableNow) {
  const Ended paid = pay("p", "alice", "bob", "30.5");
  EXPECT_EQ(paid.exit_code, 0);
  const json receipt = paid.object();
  EXPECT_EQ(receipt.at("id"), "p");
  EXPECT_EQ(receipt.at("outcome"), "executed");
  EXPECT_EQ(receipt.at("replayed"), false);
  EXPECT_EQ(receipt.at("level"), "memory");
  EXPECT_EQ(receipt.at("position"), run({"status", "b", "--json"}).object().at("position"));
  const json& postings = receipt.at("postings");
  ASSERT_EQ(postings.size(), 2u);
  EXPECT_EQ(postings[0], json({{"account", "alice"},
                               {"side", "debit"},
                               {"amount", "30.50"},
                               {"ledger", "CZK"},
                               {"available", "69.50"}}));
  EXPECT_EQ(postings[1].at("available"), "30.50");
}

TEST_F(CommandPay, TheSameIdGetsTheFirstAnswer) {
  const json first = pay("p", "alice", "bob", "1").object();
  ASSERT_EQ(pay("q", "alice", "bob", "1").exit_code, 0);
  const Ended again = pay("p", "alice", "bob", "1.00");
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.object().at("replayed"), true);
  EXPECT_EQ(again.object().at("position"), first.at("position"));
  EXPECT_EQ(available("bob"), "2.00");
}

TEST_F(CommandPay, TheSameIdWithOtherContentIsAConflictThatNamesTheField) {
  ASSERT_EQ(pay("p", "alice", "bob", "1", {"--code", "5"}).exit_code, 0);
  const Ended other = pay("p", "alice", "bob", "2", {"--code", "5"});
  expect_refused(other, "payment_conflict");
  EXPECT_NE(other.object().at("detail").get<std::string>().find("amount"), std::string::npos);
  expect_refused(pay("p", "alice", "bob", "1", {"--code", "6"}), "payment_conflict");
  expect_refused(pay("p", "alice", "bob", "1", {"--code", "5", "--time", "2026-03-01"}),
                 "payment_conflict");
  EXPECT_EQ(available("bob"), "1.00");
}

TEST_F(CommandPay, ARefusalForWantOfMoneyIsFinal) {
  const Ended refused = pay("p", "alice", "bob", "100.01");
  expect_refused(refused, "insufficient_available");
  EXPECT_EQ(refused.object().at("final"), true);
  EXPECT_EQ(refused.object().at("id"), "p");
  ASSERT_EQ(pay("more", "bank", "alice", "1").exit_code, 0);
  const Ended again = pay("p", "alice", "bob", "100.01");
  expect_refused(again, "insufficient_available");
  EXPECT_EQ(again.object().at("replayed"), true);
  EXPECT_EQ(again.object().at("position"), refused.object().at("position"));
}

TEST_F(CommandPay, AMissingAccountIsNotRecorded) {
  const Ended refused = pay("p", "alice", "carol", "1");
  expect_refused(refused, "account_missing");
  EXPECT_EQ(refused.object().at("final"), false);
  expect_refused(pay("p", "carol", "dora", "1"), "account_missing");
  expect_done({"account", "open", "b", "carol", "--ledger", "CZK"});
  EXPECT_EQ(pay("p", "alice", "carol", "1").exit_code, 0);
}

TEST_F(CommandPay, TheLedgerHasToBeThatOfTheAccounts) {
  expect_done({"ledger", "open", "b", "EUR", "--scale", "2"});
  expect_done({"account", "open", "b", "till", "--ledger", "EUR"});
  expect_refused(pay("p", "alice", "till", "1"), "ledger_mismatch");
  expect_refused(run({"pay", "b", "--id", "p", "--debit", "alice", "--credit", "bob", "--amount",
                      "1", "--ledger", "EUR", "--json"}),
                 "ledger_mismatch");
  expect_refused(run({"pay", "b", "--id", "p", "--debit", "alice", "--credit", "bob", "--amount",
                      "1", "--ledger", "USD", "--json"}),
                 "ledger_missing");
}

// The id is looked up before the accounts and the lease are.
TEST_F(CommandPay, WhatWasPaidIsAnsweredBeforeAnythingElseIsAsked) {
  const std::string token = lease_token("work", "1h");
  const Words guard{"--lease", "work", "--token", token};
  ASSERT_EQ(pay("p", "alice", "bob", "1", guard).exit_code, 0);
  expect_done({"lease", "release", "b", "work", "--token", token});
  EXPECT_EQ(pay("p", "alice", "bob", "1", guard).object().at("replayed"), true);
  EXPECT_EQ(pay("p", "alice", "bob", "1", {"--lease", "none", "--token", "1"}).exit_code, 0);
  expect_refused(pay("p", "alice", "nobody", "1"), "payment_conflict");
  expect_refused(pay("q", "alice", "nobody", "1", guard), "lease_missing");
}

TEST_F(CommandPay, ALeaseGuardsAPaymentByItsToken) {
  const std::string token = lease_token("work", "1h");
  const std::string stale = std::to_string(std::stoull(token) - 1);
  expect_refused(pay("p", "alice", "bob", "1", {"--lease", "work", "--token", stale}),
                 "lease_superseded");
  EXPECT_EQ(pay("p", "alice", "bob", "1", {"--lease", "work", "--token", token}).exit_code, 0);
  const auto log = run({"log", "b", "--json"}).objects();
  EXPECT_EQ(log.back().at("guard_tokens"), json::array({token}));
}

TEST_F(CommandPay, ShowTellsWhatBecameOfAnId) {
  ASSERT_EQ(pay("p", "alice", "bob", "1", {"--code", "5", "--time", "1970-01-02"}).exit_code, 0);
  const json shown = run({"payment", "show", "b", "p", "--json"}).object();
  EXPECT_EQ(shown.at("outcome"), "executed");
  EXPECT_EQ(shown.at("code"), 5);
  EXPECT_EQ(shown.at("user_data"), json::array({"86400000", "0"}));
  EXPECT_EQ(shown.at("postings")[1].at("account"), "bob");
  EXPECT_EQ(pay("q", "bob", "alice", "5").exit_code, 1);
  EXPECT_EQ(run({"payment", "show", "b", "q", "--json"}).object().at("outcome"),
            "insufficient_available");
  expect_refused(run({"payment", "show", "b", "r", "--json"}), "payment_missing");
}

TEST_F(CommandPay, TimesAreReadAsUtcOrWithTheirOffset) {
  const std::pair<const char*, const char*> times[] = {{"1970-01-02", "86400000"},
                                                       {"1970-01-02T00:00", "86400000"},
                                                       {"1970-01-02 00:00:01.5Z", "86401500"},
                                                       {"1970-01-02T02:00:00+02:00", "86400000"},
                                                       {"1970-01-01T22:00-02:00", "86400000"},
                                                       {"2000-02-29", "951782400000"}};
  for (const auto& [given, ms] : times) {
    ASSERT_EQ(pay(given, "alice", "bob", "0.01", {"--time", given}).exit_code, 0) << given;
    EXPECT_EQ(run({"payment", "show", "b", given, "--json"}).object().at("user_data")[0], ms);
  }
  for (const char* wrong : {"2001-02-29", "1969-12-31", "2026-13-01", "2026-01-01T24:00", "12:00",
                            "2026-01-01T", "2026-01-01T12:00:00.", "2026-01-01x"})
    EXPECT_EQ(pay("w", "alice", "bob", "0.01", {"--time", wrong}).exit_code, 2) << wrong;
}

}  // namespace
}  // namespace casbook
