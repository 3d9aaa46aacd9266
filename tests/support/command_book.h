// A small book, made by the command.
#pragma once

#include <gtest/gtest.h>

#include "support/command.h"

namespace casbook::test_support {

// A fixture whose book "b" has the ledger CZK (two decimals), the accounts bank (no limits), alice
// and bob (never below zero), and alice has 100.00.
class CommandBook : public ::testing::Test {
 protected:
  explicit CommandBook(std::string program) : bench_(std::move(program)) {}

  void SetUp() override {
    expect_done({"create", "b", "--accounts", "64", "--payments", "2000", "--leases", "8",
                 "--sessions", "16", "--records", "1024", "--ledgers", "4"});
    expect_done({"ledger", "open", "b", "CZK", "--scale", "2"});
    expect_done({"account", "open", "b", "bank", "--ledger", "CZK"});
    for (const char* account : {"alice", "bob"})
      expect_done({"account", "open", "b", account, "--ledger", "CZK", "--min-available", "0"});
    ASSERT_EQ(pay("fund", "bank", "alice", "100.00").exit_code, 0);
  }

  Ended run(const Words& words) const { return bench_.run(words); }
  void expect_done(const Words& words) const {
    const Ended ended = run(words);
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
  }
  Ended pay(const std::string& id, const std::string& debit, const std::string& credit,
            const std::string& amount, const Words& more = {}) const {
    Words words{"pay",  "b",        "--id", id,         "--debit", debit,   "--credit",
                credit, "--amount", amount, "--ledger", "CZK",     "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  std::string available(const std::string& account) const {
    return run({"balance", "b", account, "--json"}).object().at("available");
  }
  std::string lease_token(const std::string& name, const std::string& ttl) const {
    return run({"lease", "acquire", "b", name, "--ttl", ttl, "--json"}).object().at("token");
  }

  CommandBench bench_;
};

}  // namespace casbook::test_support
