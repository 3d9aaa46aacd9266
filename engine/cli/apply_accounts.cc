#include "cli/apply_accounts.h"

#include <casbook/session.h>

namespace casbook::cli {

namespace {

// Read for every ledger before anything is opened: the text may be too fine for one of them.
Result<std::vector<AccountOptions>> options_by_ledger(const Plan& plan, const LimitsText& text) {
  std::vector<AccountOptions> options;
  for (const LedgerInfo& ledger : plan.ledgers) {
    auto limits = parse_limits(text, ledger.scale);
    if (!limits) return limits.error();
    options.push_back({.ledger = ledger.name, .limits = *limits});
  }
  return options;
}

}  // namespace

Result<uint64_t> open_missing_accounts(const std::string& name, const std::string& directory,
                                       const Plan& plan, const LimitsText& limits) {
  auto options = options_by_ledger(plan, limits);
  if (!options) return options.error();
  auto book = Book::attach(name, directory);
  if (!book) return book.error();
  auto session = book->open_session();
  if (!session) return session.error();
  uint64_t opened = 0;
  for (const PlannedAccount& account : plan.accounts) {
    if (book->find_account(account.id)) continue;
    auto done = session->open_account(account.id, (*options)[account.ledger]);
    // Opened by others meanwhile, with limits of their own.
    if (!done && done.error().code == Code::account_exists) continue;
    if (!done) return done.error();
    ++opened;
  }
  return opened;
}

}  // namespace casbook::cli
