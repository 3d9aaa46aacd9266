#include "book/accounts.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/quote.h"

namespace casbook::book {

using commit::CellImage;
using commit::Kind;
using commit::Outcome;
using commit::WriteSet;

namespace {

Error bad_argument(std::string detail) {
  return {Code::bad_argument, false, 0, 0, std::move(detail)};
}

uint64_t pack_ledger(uint32_t scale, size_t name_bytes) {
  return 1 | uint64_t{scale} << 8 | uint64_t{name_bytes} << 16;
}

uint64_t traits_of(uint32_t ledger, const AccountLimits& limits, bool closed) {
  uint64_t traits = (ledger & kLedgerMask) | kOpened;
  if (closed) traits |= kClosed;
  if (limits.min_available) traits |= kHasMin | (*limits.min_available == 0 ? uint64_t{kMinIsZero} : 0);
  if (limits.max_available) traits |= kHasMax;
  return traits;
}

AccountLimits limits_of(uint64_t traits, const CellImage& profile) {
  AccountLimits limits;
  if (traits & kHasMin) limits.min_available = static_cast<Amount>(profile.value[kMinAvailable]);
  if (traits & kHasMax) limits.max_available = static_cast<Amount>(profile.value[kMaxAvailable]);
  return limits;
}

uint64_t pack_id_info(const ExternalId& id, uint32_t code) {
  return 1 | static_cast<uint64_t>(id.kind()) << 8 | uint64_t{id.size()} << 16 |
         uint64_t{code} << 32;
}

ExternalId id_of(const CellImage& profile) {
  std::array<uint64_t, 5> words;
  for (uint32_t i = 0; i < 5; ++i) words[i] = profile.value[kIdWords + i];
  const uint64_t info = profile.value[kIdInfo];
  return ExternalId::of_words(static_cast<ExternalId::Kind>((info >> 8) & 0xff),
                              static_cast<uint8_t>(info >> 16), words);
}

Result<void> check_limits(const AccountLimits& limits) {
  if (limits.min_available && limits.max_available && *limits.min_available > *limits.max_available)
    return bad_argument("max_available: expected at least min_available");
  return {};
}

}  // namespace

Error failure_of(const commit::Store& store, Outcome outcome) {
  const Code code = outcome == Outcome::sealed ? store.closed_code() : Code::backpressure;
  return {code, false, 0, 0, {}};
}

Accounts::Accounts(const commit::Store& store, const Tables& tables)
    : store_(store), tables_(tables) {}

void Accounts::read(Unit unit, uint32_t words, commit::Executor* executor,
                    CellImage& image) const {
  if (executor)
    commit::read_cell(store_, *executor, unit, words, image);
  else
    commit::peek_cell(store_, unit, words, image);
}

uint64_t Accounts::ledgers_opened() const {
  return std::min(commit::peek_word(store_, tables_.book(), kLedgersOpened).value,
                  tables_.ledger_count());
}

uint64_t Accounts::accounts_opened() const {
  return std::min(commit::peek_word(store_, tables_.book(), kAccountsOpened).value,
                  tables_.account_count());
}

Result<LedgerInfo> Accounts::ledger_at(uint32_t index) const {
  if (index >= tables_.ledger_count()) return Code::ledger_missing;
  CellImage image;
  commit::peek_cell(store_, tables_.ledger(index), 3, image);
  const uint64_t info = image.value[kLedgerInfo];
  if (info == 0) return Code::ledger_missing;
  char name[kLedgerNameBytesMax + 1] = {};
  std::memcpy(name, &image.value[kLedgerName], kLedgerNameBytesMax);
  return LedgerInfo{index, name, static_cast<uint32_t>((info >> 8) & 0xff), {image.version}};
}

Result<LedgerInfo> Accounts::find_ledger(std::string_view name) const {
  const uint64_t opened = ledgers_opened();
  for (uint32_t i = 0; i < opened; ++i) {
    auto ledger = ledger_at(i);
    if (ledger && ledger->name == name) return ledger;
  }
  return Error{Code::ledger_missing, false, 0, 0, "ledger " + base::quoted(name)};
}

Result<LedgerInfo> Accounts::open_ledger(log::LogWriter& writer, std::string_view name,
                                         uint32_t scale, int64_t now_ms) const {
  if (name.empty() || name.size() > kLedgerNameBytesMax)
    return bad_argument("ledger name " + base::quoted(name) + ": expected 1 to 16 bytes");
  for (const char c : name)
    if (c <= ' ' || c > '~')
      return bad_argument("ledger name " + base::quoted(name) + ": expected printable ASCII");
  if (scale > kScaleMax) return bad_argument("scale: expected 0 to 18");
  // Progress: a conflict means that another ledger or account was opened.
  for (;;) {
    CellImage book;
    commit::read_cell(store_, writer.executor(), tables_.book(), 3, book);
    if (auto found = find_ledger(name)) {
      if (found->scale == scale) return found;
      return Error{Code::ledger_exists, false, 0, 0,
                   "ledger " + std::string(name) + " has scale " + std::to_string(found->scale)};
    }
    const uint64_t index = book.value[kLedgersOpened];
    if (index >= tables_.ledger_count())
      return Error{Code::book_full, false, 0, 0, "ledgers: create the book with more"};
    CellImage cell;
    commit::read_cell(store_, writer.executor(), tables_.ledger(index), 3, cell);
    uint64_t words[2] = {};
    std::memcpy(words, name.data(), name.size());
    WriteSet set;
    set.describe(Kind::open_ledger, now_ms);
    set.set(tables_.book(), kLedgersOpened, book.version, index + 1, index);
    set.set(tables_.ledger(index), kLedgerInfo, cell.version, pack_ledger(scale, name.size()), 0);
    set.set(tables_.ledger(index), kLedgerName, cell.version, words[0], 0);
    set.set(tables_.ledger(index), kLedgerName + 1, cell.version, words[1], 0);
    const auto result = writer.commit(set);
    if (result.outcome == Outcome::committed)
      return LedgerInfo{static_cast<uint32_t>(index), std::string(name), scale,
                        {result.position}};
    if (result.outcome != Outcome::conflict) return failure_of(store_, result.outcome);
  }
}

struct Accounts::Place {
  uint64_t index = UINT64_MAX;  // of the account that has the id
  bool has_room = false;
  Unit bucket = 0;              // where it goes else
  uint32_t entry = 0;
  CellImage image;
};

bool Accounts::is_of(uint64_t index, const AccountId& id) const {
  if (index >= tables_.account_count()) return false;
  CellImage profile;
  commit::peek_cell(store_, tables_.profile(index), kMinAvailable, profile);
  return id_of(profile) == id.value;
}

Accounts::Place Accounts::locate(const AccountId& id, commit::Executor* executor) const {
  Place place;
  const uint64_t seed = store_.mapping().geometry().hash_seed;
  const uint64_t hash = base::hash_bytes(id.value.words().data(), sizeof(id.value.words()),
                                         seed + static_cast<uint64_t>(id.value.kind()));
  const uint64_t home = base::reduce(hash, tables_.directory_buckets());
  const uint64_t chain = std::min<uint64_t>(kDirectoryChainMax, tables_.directory_buckets());
  for (uint64_t k = 0; k < chain; ++k) {
    place.bucket = tables_.directory((home + k) % tables_.directory_buckets());
    read(place.bucket, 2 * kDirectoryEntries, executor, place.image);
    for (uint32_t i = 0; i < kDirectoryEntries; ++i) {
      const uint64_t account_1 = place.image.value[2 * i + 1];
      if (account_1 == 0) {
        place.has_room = true;
        place.entry = i;
        return place;
      }
      if (place.image.value[2 * i] == hash && is_of(account_1 - 1, id)) {
        place.index = account_1 - 1;
        return place;
      }
    }
  }
  return place;
}

Result<Account> Accounts::find(const AccountId& id) const {
  const Place place = locate(id, nullptr);
  if (place.index == UINT64_MAX)
    return Error{Code::account_missing, false, 0, 0, "account " + base::quoted(id.value.text())};
  const uint64_t traits =
      commit::peek_word(store_, tables_.account(place.index), kTraits).value;
  return Account{static_cast<uint32_t>(place.index),
                 static_cast<uint32_t>(traits & kLedgerMask)};
}

Result<AccountInfo> Accounts::info(Account account) const {
  if (account.index >= tables_.account_count()) return Code::account_missing;
  const Unit hot = tables_.account(account.index);
  commit::WordImage flags = commit::peek_word(store_, hot, kTraits);
  CellImage profile;
  // Both of one moment: every change of the limits writes the flags. Progress: another round means
  // that they changed meanwhile.
  for (;;) {
    commit::peek_cell(store_, tables_.profile(account.index), kOpenedMs + 1, profile);
    const commit::WordImage again = commit::peek_word(store_, hot, kTraits);
    if (again.version == flags.version) break;
    flags = again;
  }
  const uint64_t traits = flags.value;
  if (!(traits & kOpened)) return Code::account_missing;
  auto ledger = ledger_at(static_cast<uint32_t>(traits & kLedgerMask));
  if (!ledger) return Code::damaged;
  AccountInfo info;
  info.id = {id_of(profile)};
  info.account = {account.index, ledger->index};
  info.ledger = ledger->name;
  info.scale = ledger->scale;
  info.limits = limits_of(traits, profile);
  info.code = static_cast<uint32_t>(profile.value[kIdInfo] >> 32);
  info.user_data = {profile.value[kUserData], profile.value[kUserData + 1]};
  info.opened_ms = static_cast<int64_t>(profile.value[kOpenedMs]);
  info.closed = traits & kClosed;
  info.position = {std::max(profile.version, flags.version)};
  return info;
}

Result<Account> Accounts::confirm_same(uint64_t index, const AccountOptions& options,
                                       uint32_t ledger) const {
  const Account account{static_cast<uint32_t>(index), ledger};
  auto existing = info(account);
  if (!existing) return existing.error();
  const char* field = existing->account.ledger != ledger     ? "ledger"
                      : existing->limits != options.limits   ? "limits"
                      : existing->code != options.code       ? "code"
                      : existing->user_data != options.user_data ? "user data"
                      : existing->closed                     ? "closed"
                                                             : nullptr;
  if (!field) return account;
  return Error{Code::account_exists, false, 0, 0,
               "account " + existing->id.value.text() + " differs in: " + field};
}

Result<Account> Accounts::open(log::LogWriter& writer, const AccountId& id,
                               const AccountOptions& options, int64_t now_ms) const {
  if (id.value.kind() == ExternalId::Kind::none) return bad_argument("account id: expected one");
  if (auto ok = check_limits(options.limits); !ok) return ok.error();
  auto ledger = find_ledger(options.ledger);
  if (!ledger) return ledger.error();
  // Progress: a conflict means that another account was opened.
  for (;;) {
    const Place place = locate(id, &writer.executor());
    if (place.index != UINT64_MAX) return confirm_same(place.index, options, ledger->index);
    CellImage book;
    commit::read_cell(store_, writer.executor(), tables_.book(), 3, book);
    const uint64_t index = book.value[kAccountsOpened];
    if (index >= tables_.account_count() || !place.has_room)
      return Error{Code::book_full, false, 0, 0, "accounts: create the book with more"};
    CellImage hot, profile;
    commit::read_cell(store_, writer.executor(), tables_.account(index), 3, hot);
    commit::read_cell(store_, writer.executor(), tables_.profile(index), kOpenedMs + 1, profile);
    const auto& words = id.value.words();
    const uint64_t seed = store_.mapping().geometry().hash_seed;
    const uint64_t hash = base::hash_bytes(words.data(), sizeof(words),
                                           seed + static_cast<uint64_t>(id.value.kind()));
    WriteSet set;
    set.describe(Kind::open_account, now_ms);
    set.set(tables_.book(), kAccountsOpened, book.version, index + 1, index);
    set.set(place.bucket, 2 * place.entry, place.image.version, hash, 0);
    set.set(place.bucket, 2 * place.entry + 1, place.image.version, index + 1, 0);
    set.set(tables_.account(index), kTraits, hot.version,
            traits_of(ledger->index, options.limits, false), 0);
    const auto put = [&](uint32_t word, uint64_t value) {
      if (value != 0) set.set(tables_.profile(index), word, profile.version, value, 0);
    };
    put(kIdInfo, pack_id_info(id.value, options.code));
    for (uint32_t i = 0; i < 5; ++i) put(kIdWords + i, words[i]);
    put(kMinAvailable, static_cast<uint64_t>(options.limits.min_available.value_or(0)));
    put(kMaxAvailable, static_cast<uint64_t>(options.limits.max_available.value_or(0)));
    put(kUserData, options.user_data[0]);
    put(kUserData + 1, options.user_data[1]);
    put(kOpenedMs, static_cast<uint64_t>(now_ms));
    const auto result = writer.commit(set);
    if (result.outcome == Outcome::committed)
      return Account{static_cast<uint32_t>(index), ledger->index};
    if (result.outcome != Outcome::conflict) return failure_of(store_, result.outcome);
  }
}

Result<void> Accounts::set_limits(log::LogWriter& writer, Account account,
                                  const AccountLimits& limits, int64_t now_ms) const {
  if (auto ok = check_limits(limits); !ok) return ok.error();
  if (account.index >= tables_.account_count()) return Code::account_missing;
  // Progress: a conflict means that a payment on this account committed.
  for (;;) {
    CellImage hot, profile;
    commit::read_cell(store_, writer.executor(), tables_.account(account.index), 3, hot);
    commit::read_cell(store_, writer.executor(), tables_.profile(account.index), kOpenedMs + 1,
                      profile);
    const uint64_t traits = hot.value[kTraits];
    if (!(traits & kOpened)) return Code::account_missing;
    if (traits & kClosed) return Code::account_closed;
    WriteSet set;
    set.describe(Kind::set_limits, now_ms);
    // The hot cell is written even where the flags stay: payments planned with the old limits
    // must conflict.
    set.set(tables_.account(account.index), kTraits, hot.version,
            traits_of(static_cast<uint32_t>(traits & kLedgerMask), limits, false), traits);
    set.set(tables_.profile(account.index), kMinAvailable, profile.version,
            static_cast<uint64_t>(limits.min_available.value_or(0)),
            profile.value[kMinAvailable]);
    set.set(tables_.profile(account.index), kMaxAvailable, profile.version,
            static_cast<uint64_t>(limits.max_available.value_or(0)),
            profile.value[kMaxAvailable]);
    const auto result = writer.commit(set);
    if (result.outcome == Outcome::committed) return {};
    if (result.outcome != Outcome::conflict) return failure_of(store_, result.outcome);
  }
}

Result<void> Accounts::close(log::LogWriter& writer, Account account, int64_t now_ms) const {
  if (account.index >= tables_.account_count()) return Code::account_missing;
  // Progress: a conflict means that a payment on this account committed.
  for (;;) {
    CellImage hot;
    commit::read_cell(store_, writer.executor(), tables_.account(account.index), 3, hot);
    const uint64_t traits = hot.value[kTraits];
    if (!(traits & kOpened)) return Code::account_missing;
    if (traits & kClosed) return {};
    if (hot.value[kAvailable] != 0 || hot.value[kHeld] != 0) return Code::account_not_empty;
    WriteSet set;
    set.describe(Kind::close_account, now_ms);
    set.set(tables_.account(account.index), kTraits, hot.version, traits | kClosed, traits);
    const auto result = writer.commit(set);
    if (result.outcome == Outcome::committed) return {};
    if (result.outcome != Outcome::conflict) return failure_of(store_, result.outcome);
  }
}

}  // namespace casbook::book
