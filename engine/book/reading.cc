#include "book/reading.h"

#include <algorithm>

#include "book/payment_record.h"

namespace casbook::book {

namespace {

constexpr uint32_t kBalanceWords = 2;
constexpr size_t kAhead = 16;  // accounts on their way from memory at the same time

Result<log::Snapshot> snapshot(const commit::Store& store, const log::UnitList& units,
                               Position at) {
  return at.value == 0 ? log::take_snapshot(store, units, kBalanceWords)
                       : log::take_snapshot_at(store, units, kBalanceWords, at);
}

}  // namespace

Result<Balance> read_balance(const commit::Store& store, const Tables& tables, Account account) {
  if (account.index >= tables.account_count()) return Code::account_missing;
  uint64_t values[3], version;
  if (commit::try_peek(store, tables.account(account.index), values, version)) {
    if (!(values[kTraits] & kOpened)) return Code::account_missing;
    return Balance{
        static_cast<Amount>(values[kAvailable]), static_cast<Amount>(values[kHeld]), {version}};
  }
  commit::CellImage image;
  commit::peek_cell(store, tables.account(account.index), 3, image);
  if (!(image.value[kTraits] & kOpened)) return Code::account_missing;
  return Balance{static_cast<Amount>(image.value[kAvailable]),
                 static_cast<Amount>(image.value[kHeld]),
                 {image.version}};
}

Result<std::vector<Balance>> read_balances(const commit::Store& store, const Tables& tables,
                                           std::span<const Account> accounts, Position at) {
  log::UnitList units(accounts.size());
  std::vector<uint64_t> places;  // of each account in what is read
  places.reserve(accounts.size());
  const auto prefetch = [&](const Account& account) {
    if (account.index >= tables.account_count()) return;
    const Unit unit = tables.account(account.index);
    base::prefetch(&store.cell(unit));
    units.prefetch(unit);
  };
  for (size_t i = 0; i < accounts.size(); ++i) {
    if (i + kAhead < accounts.size()) prefetch(accounts[i + kAhead]);
    const Account& account = accounts[i];
    if (account.index >= tables.account_count()) return Code::account_missing;
    const Unit unit = tables.account(account.index);
    if (!(commit::peek_word(store, unit, kTraits).value & kOpened)) return Code::account_missing;
    places.push_back(units.add(unit));
  }
  auto taken = snapshot(store, units, at);
  if (!taken) return taken.error();
  std::vector<Balance> balances;
  balances.reserve(accounts.size());
  for (const uint64_t place : places) {
    const size_t first = place * kBalanceWords;
    balances.push_back({static_cast<Amount>(taken->values[first]),
                        static_cast<Amount>(taken->values[first + 1]), taken->position});
  }
  return balances;
}

Result<BookSnapshot> read_book(const commit::Store& store, const Tables& tables,
                               const Accounts& accounts, Position at) {
  constexpr uint32_t kWords = 3;
  log::UnitRange range;
  const auto scan = [&] {
    // Accounts that are opened and paid during the scan belong to it: some of them are foreseen.
    const uint64_t opened = accounts.accounts_opened();
    range = {tables.account(0), std::min(opened + 64 + opened / 16, tables.account_count()), 1};
    return at.value == 0 ? log::take_snapshot(store, range, kWords)
                         : log::take_snapshot_at(store, range, kWords, at);
  };
  auto taken = scan();
  // Progress: more were opened than foreseen.
  while (taken && accounts.accounts_opened() > range.count) taken = scan();
  if (!taken) return taken.error();
  BookSnapshot book;
  book.position = taken->position;
  book.accounts.reserve(std::min(range.count, accounts.accounts_opened()));
  for (uint64_t i = 0; i < range.count; ++i) {
    const uint64_t* words = &taken->values[i * kWords];
    if (!(words[kTraits] & kOpened)) continue;  // opened later
    book.accounts.push_back(
        {{static_cast<uint32_t>(i), static_cast<uint32_t>(words[kTraits] & kLedgerMask)},
         static_cast<Amount>(words[kAvailable]),
         static_cast<Amount>(words[kHeld])});
  }
  return book;
}

Result<PaymentInfo> look_up(const commit::Store& store, const Tables& tables, const PaymentIds& ids,
                            const PaymentId& id) {
  const auto answer = ids.find(id);
  if (!answer) return Code::payment_missing;
  PaymentInfo info;
  log::Record record;
  const bool held =
      log::fetch(store, Position{answer->position}.lsn(), record) == log::Fetch::got &&
      record.position.value == answer->position && read_payment_record(tables, record, info);
  if (held) {
    for (uint32_t i = 0; i < info.posting_count; ++i)
      info.postings[i].account.ledger = static_cast<uint32_t>(
          commit::peek_word(store, tables.account(info.postings[i].account.index), kTraits).value &
          kLedgerMask);
    return info;
  }
  info = {};
  info.id = id;
  info.executed = answer->code == 0;
  info.refusal = static_cast<Code>(answer->code);
  info.position = {answer->position};
  info.time_ms = answer->time_ms;
  return info;
}

Result<std::vector<HistoryLine>> read_history(const commit::Store& store, const Tables& tables,
                                              Account account, Position from, uint32_t count_max) {
  if (account.index >= tables.account_count()) return Code::account_missing;
  std::vector<HistoryLine> lines;
  log::Record record;
  uint64_t lsn = std::max(from.lsn(), log::log_floor(store));
  while (lines.size() < count_max) {
    const log::Fetch result = log::fetch(store, lsn, record);
    if (result == log::Fetch::end) break;
    if (result == log::Fetch::damaged) return Code::damaged;
    if (result == log::Fetch::overrun) {
      if (!lines.empty()) return Code::overrun;
      lsn = std::max(lsn + 1, log::log_floor(store));
      continue;
    }
    ++lsn;
    HistoryLine line;
    if (!read_payment_record(tables, record, line.payment) || !line.payment.executed) continue;
    bool touches = false;
    uint64_t change = 0;
    for (uint32_t i = 0; i < line.payment.posting_count; ++i) {
      const Posting& posting = line.payment.postings[i];
      if (posting.account.index != account.index) continue;
      touches = true;
      const auto amount =
          static_cast<uint64_t>(posting.amount);  // gross sums may wrap, net ones not
      change += posting.side == Side::credit ? amount : -amount;
      line.available_after = line.payment.available[i];
    }
    line.change = static_cast<Amount>(change);
    if (touches) lines.push_back(line);
  }
  return lines;
}

}  // namespace casbook::book
