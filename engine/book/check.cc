#include "book/check.h"

namespace casbook::book {

namespace {

std::string look_at_account(const commit::Store& store, const Tables& tables,
                            const Accounts& accounts, uint64_t index) {
  const bool is_opened = index < accounts.accounts_opened();
  const uint64_t traits = commit::peek_word(store, tables.account(index), kTraits).value;
  const bool is_open = traits & kOpened;
  if (is_opened != (index < accounts.accounts_opened())) return "";  // opened just now
  if (!is_opened) return is_open ? "is open beyond the number of accounts opened" : "";
  if (!is_open) return "was opened and has no flags";
  const uint64_t ledger = traits & kLedgerMask;
  if (ledger >= accounts.ledgers_opened()) return "is of ledger " + std::to_string(ledger);
  const auto info = accounts.info({static_cast<uint32_t>(index), static_cast<uint32_t>(ledger)});
  if (!info) return info.error().message();
  if (info->id.value.kind() == ExternalId::Kind::none) return "has an id that nobody can write";
  const auto found = accounts.find(info->id);
  return found && found->index == index ? "" : "is not found by its id " + info->id.value.text();
}

}  // namespace

void check_accounts(const commit::Store& store, const Tables& tables, const Accounts& accounts,
                    base::Findings& findings) {
  for (uint64_t i = 0; i < tables.account_count() && !findings.is_full(); ++i)
    findings.check([&] {
      const std::string wrong = look_at_account(store, tables, accounts, i);
      return wrong.empty() ? wrong : "account " + std::to_string(i) + " " + wrong;
    });
}

void check_payment_ids(const commit::Store& store, const Tables& tables, const PaymentIds& ids,
                       base::Findings& findings) {
  commit::CellImage bucket;
  for (uint64_t i = 0; i < tables.payment_buckets() && !findings.is_full(); ++i)
    findings.check([&] {
      commit::peek_cell(store, tables.payments(i), kBucketWordsUsed, bucket);
      const std::string wrong = ids.first_damage(bucket, tables.payments(i));
      return wrong.empty() ? wrong : "payments bucket " + std::to_string(i) + ": " + wrong;
    });
}

}  // namespace casbook::book
