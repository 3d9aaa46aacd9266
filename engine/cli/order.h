// An order: one payment from one account to another, as `pay` and `apply` take it.
#pragma once

#include <string_view>

#include <casbook/book.h>
#include <casbook/payment.h>

namespace casbook::cli {

struct OrderText {
  std::string_view payment_id, debit_account, credit_account, amount, ledger;
  std::string_view code, time;  // empty: none
};

struct Order {
  PaymentId id;
  AccountId debit, credit;
  Amount amount = 0;
  uint32_t code = 0;
  int64_t time_ms = 0;  // 0: none given
};

// bad_argument, naming the part: an id that is none, the same account twice, an amount that is not
// above zero or has more decimals than the ledger, a code above 32 bits, a time that is none.
Result<Order> parse_order(const OrderText& text, const LedgerInfo& ledger);

// How the book is to judge an account that was asked for in `ledger`: one that was not found
// becomes a handle that is none, one of another ledger keeps the ledger asked for. So the book
// itself answers, and in its order of precedence: first whether the id was paid before.
Account handle_of(const Result<Account>& found, const LedgerInfo& ledger);

// The time goes into the first word of user data, in milliseconds since 1970.
Payment payment_of(const Order& order, Account debit, Account credit);

}  // namespace casbook::cli
