// Reading the book: balances, payments, history, audit. Writes nothing; an observer can do it all.
#pragma once

#include <vector>

#include <casbook/account.h>
#include <casbook/audit.h>
#include <casbook/payment.h>

#include "book/accounts.h"
#include "book/payment_ids.h"
#include "log/snapshot.h"

namespace casbook::book {

// One cell: nanoseconds. `position` is that of the account's last change.
Result<Balance> read_balance(const commit::Store& store, const Tables& tables, Account account);

// Several accounts at one position. `at` 0: now.
Result<std::vector<Balance>> read_balances(const commit::Store& store, const Tables& tables,
                                           std::span<const Account> accounts, Position at);

// Every opened account at one position.
Result<BookSnapshot> read_book(const commit::Store& store, const Tables& tables,
                               const Accounts& accounts, Position at);

// payment_missing: not in the window.
Result<PaymentInfo> look_up(const commit::Store& store, const Tables& tables,
                            const PaymentIds& ids, const PaymentId& id);

// The payments of an account that the ring holds, oldest first, at most `count_max`, from `from` on.
Result<std::vector<HistoryLine>> read_history(const commit::Store& store, const Tables& tables,
                                              Account account, Position from, uint32_t count_max);

// Proves, at one position: every ledger sums to zero, every account within what its record chain
// says; and that the records in the ring chain: the old value and version of each is what the one
// before left, the last is what the cells hold. Problems are listed (at most 100), not returned as
// errors. Errors: overrun (records left the ring during the audit).
Result<AuditReport> audit(const commit::Store& store, const Tables& tables,
                          const Accounts& accounts);

}  // namespace casbook::book
