// What `apply` is to do: the rows of the file as orders, and who sends which.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <casbook/book.h>

#include "cli/order.h"

namespace casbook::cli {

// An account that a row names; `ledger`: of the first row that does.
struct PlannedAccount {
  AccountId id;
  uint32_t ledger = 0;  // place in Plan::ledgers
};

struct PlannedOrder {
  uint64_t line = 0;
  Order order;
  uint32_t ledger = 0;             // place in Plan::ledgers
  uint32_t debit = 0, credit = 0;  // places in Plan::accounts
};

// A row that is not sent: what is wrong with it.
struct Reject {
  uint64_t line = 0;
  std::string payment_id;
  Error error;
};

// Made before the workers are forked, and only read from then on.
struct Plan {
  std::vector<LedgerInfo> ledgers;
  std::vector<PlannedAccount> accounts;
  std::vector<PlannedOrder> orders;
  std::vector<Reject> rejects;
  std::vector<std::vector<uint32_t>> shares;  // of each worker: places in `orders`, in file order

  uint64_t rows() const { return orders.size() + rejects.size(); }
};

// Rows are dealt by debit account, so that each payer's rows are sent in their order; rows of
// different payers overtake one another. Errors: bad_argument for a header that lacks a column or
// has one that is unknown, and for a quote that is never closed: the rows cannot be told apart.
// Anything wrong with a single row is a reject.
Result<Plan> make_plan(std::string_view text, std::vector<LedgerInfo> ledgers, uint32_t workers);

}  // namespace casbook::cli
