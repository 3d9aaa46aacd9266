// create, destroy, status, audit, ledger, account, balance.
#include <sys/stat.h>

#include "support/command_book.h"

namespace casbook {
namespace {

using nlohmann::json;
using test_support::CommandBook;
using test_support::Ended;
using test_support::Words;

class CommandBooks : public CommandBook {
 protected:
  CommandBooks() : CommandBook(CASBOOK_COMMAND) {}

  void open_account(const std::string& id, const Words& more = {}) const {
    Words words{"account", "open", "b", id, "--ledger", "CZK"};
    words.insert(words.end(), more.begin(), more.end());
    expect_done(words);
  }
};

TEST_F(CommandBooks, CreateSaysWhatRateCanBeSustained) {
  const json made = run({"create", "c", "--accounts", "10", "--payments", "7200", "--leases", "2",
                         "--window", "90m", "--records", "64", "--sessions", "4", "--json"})
                        .object();
  EXPECT_NEAR(made.at("payments_per_second_sustained").get<double>(), 7200 / 5400.0, 1e-9);
  EXPECT_EQ(made.at("window"), "90m");
  EXPECT_EQ(made.at("accounts"), 10);
  const std::string path = bench_.directory() + "/casbook.c";
  EXPECT_EQ(made.at("path"), path);
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(made.at("bytes"), status.st_size);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(CommandBooks, CreateSetsTheModeAndDestroyRemovesTheName) {
  expect_done({"create", "c", "--records", "64", "--accounts", "4", "--mode", "0640", "--group",
               std::to_string(getgid()), "--owner", std::to_string(getuid())});
  struct stat status;
  const std::string path = bench_.directory() + "/casbook.c";
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  expect_done({"destroy", "c"});
  EXPECT_NE(stat(path.c_str(), &status), 0);
  EXPECT_EQ(run({"status", "c"}).exit_code, 3);
}

TEST_F(CommandBooks, WindowsAreReadInEveryUnit) {
  const std::pair<const char*, const char*> spellings[] = {
      {"24h", "24h"}, {"1d", "24h"}, {"90m", "90m"}, {"30s", "30s"}, {"1500ms", "1500ms"}};
  for (const auto& [given, shown] : spellings) {
    expect_done({"create", "w", "--records", "64", "--accounts", "4", "--window", given});
    EXPECT_EQ(run({"status", "w", "--json"}).object().at("window"), shown);
    expect_done({"destroy", "w"});
  }
}

TEST_F(CommandBooks, StatusCountsWhatIsInTheBook) {
  const json status = run({"status", "b", "--json"}).object();
  EXPECT_EQ(status.at("book"), "b");
  EXPECT_EQ(status.at("open"), true);
  EXPECT_EQ(status.at("accounts"), 3);
  EXPECT_EQ(status.at("accounts_max"), 64);
  EXPECT_EQ(status.at("ledgers"), 1);
  EXPECT_EQ(status.at("payments_max"), 2000);
  EXPECT_EQ(status.at("payment_entries"), 1);
  EXPECT_EQ(status.at("sessions"), 0);
  EXPECT_TRUE(status.at("position").is_string());
  EXPECT_NE(run({"status", "b"}).out.find("accounts          3 of 64"), std::string::npos);
}

TEST_F(CommandBooks, AuditProvesConservation) {
  const json audit = run({"audit", "b", "--json"}).object();
  EXPECT_EQ(audit.at("ok"), true);
  EXPECT_EQ(audit.at("accounts"), 3);
  EXPECT_EQ(audit.at("problems"), json::array());
  EXPECT_EQ(audit.at("position"), run({"status", "b", "--json"}).object().at("position"));
}

TEST_F(CommandBooks, OpeningAgainIsDoneAndOpeningOtherwiseIsRefused) {
  expect_done({"ledger", "open", "b", "CZK", "--scale", "2"});
  EXPECT_EQ(run({"ledger", "open", "b", "CZK", "--scale", "3"}).exit_code, 1);
  open_account("alice", {"--min-available", "0.00"});
  const Ended other = run({"account", "open", "b", "alice", "--ledger", "CZK", "--json"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(other.object().at("outcome"), "account_exists");
  EXPECT_EQ(run({"account", "open", "b", "carol", "--ledger", "EUR"}).exit_code, 1);
}

TEST_F(CommandBooks, LimitsAreSignedDecimalsAndNoneUnlessGiven) {
  open_account("carol", {"--min-available", "-500.00", "--max-available", "10000", "--code", "7"});
  const json carol = run({"account", "show", "b", "carol", "--json"}).object();
  EXPECT_EQ(carol.at("min_available"), "-500.00");
  EXPECT_EQ(carol.at("max_available"), "10000.00");
  EXPECT_EQ(carol.at("code"), 7);
  EXPECT_EQ(carol.at("closed"), false);
  const json bank = run({"account", "show", "b", "bank", "--json"}).object();
  EXPECT_EQ(bank.at("min_available"), nullptr);
  EXPECT_EQ(bank.at("max_available"), nullptr);
  EXPECT_EQ(bank.at("available"), "-100.00");
}

TEST_F(CommandBooks, ListAndBalanceGiveOneObjectOfStringsPerAccount) {
  const auto list = run({"account", "list", "b", "--json"}).objects();
  ASSERT_EQ(list.size(), 3u);
  for (const json& object : list) {
    EXPECT_EQ(object.size(), 5u);
    for (const char* key : {"account", "ledger", "available", "held", "position"})
      EXPECT_TRUE(object.at(key).is_string()) << object;
    EXPECT_EQ(object.at("position"), list[0].at("position"));
  }
  EXPECT_EQ(list[1].at("account"), "alice");
  EXPECT_EQ(list[1].at("available"), "100.00");
  EXPECT_EQ(list[1].at("held"), "0.00");
  const json balance = run({"balance", "b", "alice", "--json"}).object();
  EXPECT_EQ(balance, list[1]);  // the last commit was alice's
}

TEST_F(CommandBooks, BalancesOfAnEarlierPositionCanBeRead) {
  const std::string before = run({"balance", "b", "alice", "--json"}).object().at("position");
  ASSERT_EQ(pay("p", "alice", "bob", "30").exit_code, 0);
  EXPECT_EQ(available("alice"), "70.00");
  const json then = run({"balance", "b", "alice", "--at", before, "--json"}).object();
  EXPECT_EQ(then.at("available"), "100.00");
  EXPECT_EQ(then.at("position"), before);
  const auto list = run({"account", "list", "b", "--at", before, "--json"}).objects();
  EXPECT_EQ(list.at(2).at("available"), "0.00");
}

TEST_F(CommandBooks, TableColumnsAreAligned) {
  EXPECT_NE(run({"account", "list", "b"})
                .out.find("account  ledger  available  held         position\n"
                          "bank     CZK       -100.00  0.00  "),
            std::string::npos);
}

TEST_F(CommandBooks, IdsOfEveryKindComeBackWhole) {
  const Words ids = {"7",
                     "007",
                     "99999999999999999999999999999999999999",
                     "9b2e6a90-3f0e-7c3a-8d3f-0123456789ab",
                     "CZ6508000000192000145399",
                     "[a,b]",
                     "two words, \"quoted\"",
                     "open",
                     "\xc5\xbdofie",
                     "--",
                     "-5"};
  for (const std::string& id : ids) {
    expect_done({"account", "open", "b", "--ledger", "CZK", "--", id});
    const json balance = run({"balance", "b", "--json", "--", id}).object();
    EXPECT_EQ(balance.at("account"), id);
    EXPECT_EQ(balance.at("available"), "0.00") << id;
  }
  open_account("9B2E6A90-3F0E-7C3A-8D3F-0123456789AB");  // the same UUID
  EXPECT_EQ(run({"account", "list", "b", "--json"}).objects().size(), 3 + ids.size());
}

TEST_F(CommandBooks, BytesThatAreNoUtf8AreReplacedInJsonOnly) {
  const std::string id = "a\xff";
  open_account(id);
  EXPECT_EQ(run({"balance", "b", id, "--json"}).object().at("account"), "a\xef\xbf\xbd");
  EXPECT_NE(run({"balance", "b", id}).out.find(id), std::string::npos);
}

TEST_F(CommandBooks, OnlyAnEmptyAccountIsClosed) {
  EXPECT_EQ(run({"account", "close", "b", "alice"}).exit_code, 1);
  ASSERT_EQ(pay("p", "alice", "bank", "100").exit_code, 0);
  expect_done({"account", "close", "b", "alice"});
  expect_done({"account", "close", "b", "alice"});
  EXPECT_EQ(run({"account", "show", "b", "alice", "--json"}).object().at("closed"), true);
  EXPECT_EQ(run({"account", "close", "b", "nobody"}).exit_code, 1);
}

}  // namespace
}  // namespace casbook
