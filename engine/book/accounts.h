// Ledgers and accounts: opening, finding, limits, closing. All of it is commits.
#pragma once

#include <string>
#include <string_view>

#include <casbook/account.h>

#include "book/layout.h"
#include "commit/read.h"
#include "log/log_writer.h"

namespace casbook::book {

class Accounts {
 public:
  Accounts(const commit::Store& store, const Tables& tables);

  // Reading; writes nothing.
  Result<LedgerInfo> find_ledger(std::string_view name) const;
  Result<LedgerInfo> ledger_at(uint32_t index) const;
  uint64_t ledgers_opened() const;
  uint64_t accounts_opened() const;
  Result<Account> find(const AccountId& id) const;
  Result<AccountInfo> info(Account account) const;

  // Opening twice with the same properties answers the same; with others ledger_exists,
  // account_exists. Also: bad_argument, book_full, ledger_missing, book_closed, backpressure.
  Result<LedgerInfo> open_ledger(log::LogWriter& writer, std::string_view name, uint32_t scale,
                                 int64_t now_ms) const;
  Result<Account> open(log::LogWriter& writer, const AccountId& id, const AccountOptions& options,
                       int64_t now_ms) const;
  // Judged by payments that commit later. What is available may lie outside the new limits.
  Result<void> set_limits(log::LogWriter& writer, Account account, const AccountLimits& limits,
                          int64_t now_ms) const;
  // account_not_empty unless available and held are zero. Closing twice is no error.
  Result<void> close(log::LogWriter& writer, Account account, int64_t now_ms) const;

 private:
  struct Place;
  // Where the id is, or where it goes.
  Place locate(const AccountId& id, commit::Executor* executor) const;
  bool is_of(uint64_t index, const AccountId& id) const;
  void read(Unit unit, uint32_t words, commit::Executor* executor, commit::CellImage& image) const;
  Result<Account> confirm_same(uint64_t index, const AccountOptions& options,
                               uint32_t ledger) const;

  const commit::Store& store_;
  const Tables& tables_;
};

// How an uncommitted attempt ended, as the caller is told; conflict never gets here.
Error failure_of(const commit::Store& store, commit::Outcome outcome);

}  // namespace casbook::book
