// Who has an account in the demo's book: customers of a bank, merchants, employers.
//
//   employer --salary--> customer --card--> merchant's pending --payout--> merchant, fees
//                            ^------------------refund------------------------'
#pragma once

#include <vector>

#include <casbook/casbook.h>

namespace casbook::cli::demo {

constexpr uint32_t kScale = 2;
constexpr Amount kOpeningAmount = 2'500'00;  // of each customer, in cents

struct EconomySize {
  uint32_t customers = 10'000, merchants = 96, employers = 50;
};

struct Merchant {
  Account pending;  // what cards have paid, not yet paid out
  Account payout;
};

struct Economy {
  Account bank;  // money enters from here: no lower limit
  Account fees;
  std::vector<Account> employers;   // on a credit line: no lower limit
  std::vector<Account> customers;   // never below zero
  std::vector<Merchant> merchants;  // never below zero
};

// How many accounts an economy of this size opens.
uint64_t account_count(const EconomySize& size);

// Opens the ledger and all accounts and pays each customer the opening amount. Account handles are
// the same in every process, so children that are forked later use them as they are.
Result<Economy> open_economy(Session& session, const EconomySize& size);

}  // namespace casbook::cli::demo
