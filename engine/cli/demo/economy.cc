#include "cli/demo/economy.h"

#include <string>

namespace casbook::cli::demo {

namespace {

constexpr const char* kLedger = "EUR";

Result<Account> open(Session& session, const std::string& name, bool may_be_negative) {
  auto id = ExternalId::parse(name);
  if (!id) return id.error();
  AccountOptions options;
  options.ledger = kLedger;
  if (!may_be_negative) options.limits.min_available = 0;
  return session.open_account({*id}, options);
}

// Opens `count` accounts called PREFIX1, PREFIX2, ...
Result<std::vector<Account>> open_many(Session& session, const std::string& prefix, uint32_t count,
                                       bool may_be_negative) {
  std::vector<Account> accounts;
  accounts.reserve(count);
  for (uint32_t i = 1; i <= count; ++i) {
    auto account = open(session, prefix + std::to_string(i), may_be_negative);
    if (!account) return account.error();
    accounts.push_back(*account);
  }
  return accounts;
}

Result<void> pay_opening_amounts(Session& session, const Economy& economy) {
  for (uint32_t i = 0; i < economy.customers.size(); ++i) {
    auto id = ExternalId::parse("opening-" + std::to_string(i + 1));
    if (!id) return id.error();
    auto paid = session.pay(Payment({*id})
                                .debit(economy.bank, kOpeningAmount)
                                .credit(economy.customers[i], kOpeningAmount));
    if (!paid) return paid.error();
  }
  return {};
}

}  // namespace

uint64_t account_count(const EconomySize& size) {
  return 2 + size.employers + size.customers + 2 * uint64_t{size.merchants};
}

Result<Economy> open_economy(Session& session, const EconomySize& size) {
  if (auto ledger = session.open_ledger(kLedger, kScale); !ledger) return ledger.error();
  auto bank = open(session, "bank", true);
  auto fees = open(session, "fees", false);
  auto employers = open_many(session, "employer-", size.employers, true);
  auto customers = open_many(session, "customer-", size.customers, false);
  auto pending = open_many(session, "pending-", size.merchants, false);
  auto payout = open_many(session, "merchant-", size.merchants, false);
  if (!bank) return bank.error();
  if (!fees) return fees.error();
  for (const auto* opened : {&employers, &customers, &pending, &payout})
    if (!*opened) return opened->error();
  Economy economy{*bank, *fees, *employers, *customers, {}};
  for (uint32_t i = 0; i < size.merchants; ++i)
    economy.merchants.push_back({(*pending)[i], (*payout)[i]});
  if (auto paid = pay_opening_amounts(session, economy); !paid) return paid.error();
  return economy;
}

}  // namespace casbook::cli::demo
