#include <casbook/log.h>

#include <algorithm>
#include <cstring>

#include "api/log_impl.h"
#include "book/payment_record.h"
#include "log/durable.h"
#include "log/terms.h"

namespace casbook {

using log::Fetch;

// The public numbers are those of the format; translate() casts.
constexpr bool is_same(RecordKind shown, commit::Kind kept) {
  return static_cast<uint8_t>(shown) == static_cast<uint8_t>(kept);
}
static_assert(is_same(RecordKind::other, commit::Kind::none) &&
              is_same(RecordKind::open_ledger, commit::Kind::open_ledger) &&
              is_same(RecordKind::open_account, commit::Kind::open_account) &&
              is_same(RecordKind::set_limits, commit::Kind::set_limits) &&
              is_same(RecordKind::close_account, commit::Kind::close_account) &&
              is_same(RecordKind::payment, commit::Kind::payment) &&
              is_same(RecordKind::refusal, commit::Kind::refusal) &&
              is_same(RecordKind::move_horizon, commit::Kind::move_horizon) &&
              is_same(RecordKind::lease_acquire, commit::Kind::lease_acquire) &&
              is_same(RecordKind::lease_renew, commit::Kind::lease_renew) &&
              is_same(RecordKind::lease_release, commit::Kind::lease_release) &&
              is_same(RecordKind::seal, commit::Kind::seal) &&
              is_same(RecordKind::open, commit::Kind::open));

namespace api {

namespace {

// The account that a record of the book's administration is about.
Account account_of(const Core& core, const log::Record& record) {
  for (uint32_t i = 0; i < record.change_count; ++i) {
    const log::Change& change = record.changes[i];
    const uint64_t index = core.tables.account_of(change.unit());
    if (index == UINT64_MAX || change.word() != book::kTraits) continue;
    return {static_cast<uint32_t>(index),
            static_cast<uint32_t>(change.new_value & book::kLedgerMask)};
  }
  return {};
}

std::string lease_name(const log::Record& record) {
  if (record.kind != commit::Kind::lease_acquire || record.note_count == 0) return {};
  char bytes[kLeaseNameBytesMax];
  const size_t held = std::min<size_t>((record.note_count - 1) * 8, sizeof(bytes));
  std::memcpy(bytes, &record.notes[1], held);
  return {bytes, std::min<size_t>(record.notes[0], held)};
}

}  // namespace

LogRecord translate(const Core& core, const log::Record& record) {
  LogRecord out;
  out.position = record.position;
  out.kind = static_cast<RecordKind>(record.kind);
  out.time_ms = record.time_ms;
  book::read_payment_record(core.tables, record, out.payment);
  out.account = account_of(core, record);
  out.name = lease_name(record);
  const auto& leases = core.mapping->cells(arena::CellTable::leases);
  for (uint32_t i = 0; i < record.change_count; ++i) {
    const log::Change& change = record.changes[i];
    if (change.writes())
      out.changes.push_back({change.unit(), change.word(), change.old_value, change.new_value});
    else if (change.mode() == log::Mode::check && change.unit() >= leases.first_unit)
      out.guards.push_back({change.unit(), {change.prior}});
  }
  return out;
}

namespace {

Result<std::optional<LogRecord>> answer(const Core& core, Fetch result, const log::Record& record) {
  switch (result) {
    case Fetch::got:
      return std::optional<LogRecord>(translate(core, record));
    case Fetch::end:
      return std::optional<LogRecord>();
    case Fetch::overrun:
      return Code::overrun;
    case Fetch::damaged:
      break;
  }
  return Code::damaged;
}

}  // namespace
}  // namespace api

const char* record_kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::other: break;
    case RecordKind::open_ledger: return "open_ledger";
    case RecordKind::open_account: return "open_account";
    case RecordKind::set_limits: return "set_limits";
    case RecordKind::close_account: return "close_account";
    case RecordKind::payment: return "payment";
    case RecordKind::refusal: return "refusal";
    case RecordKind::move_horizon: return "move_horizon";
    case RecordKind::lease_acquire: return "lease_acquire";
    case RecordKind::lease_renew: return "lease_renew";
    case RecordKind::lease_release: return "lease_release";
    case RecordKind::seal: return "seal";
    case RecordKind::open: return "open";
  }
  return "other";
}

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader& LogReader::operator=(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

Result<LogReader> LogReader::Impl::open(const std::shared_ptr<api::Core>& core, Position from,
                                        Level level) {
  uint64_t lsn = log::log_floor(core->store);
  if (from.value != 0) {
    lsn = from.lsn();
    log::Record record;
    const Fetch result = log::fetch(core->store, lsn, record);
    if (result == Fetch::overrun) return Code::overrun;
    if (result == Fetch::got && record.position != from) return Code::undone;
    if (log::standing_of(core->store, from) == log::Standing::undone) return Code::undone;
    if (result == Fetch::end && lsn > log::log_end(core->store))
      return Error{Code::bad_argument, false, 0, 0, "position: it lies after the end of the log"};
  }
  return LogReader(std::make_unique<Impl>(core, lsn, level));
}

Result<std::optional<LogRecord>> LogReader::next() {
  if (impl_->core->is_forked()) return Code::forked;
  const commit::Store& store = impl_->core->store;
  // Before the end is looked at: behind it nothing is published in a file that has retired.
  const bool has_retired = impl_->core->has_retired();
  const uint64_t durable = log::durable_position(store).lsn();
  const bool is_at_end =
      (impl_->level == Level::durable && impl_->next > durable) ||
      (impl_->level == Level::quorum &&
       impl_->next > std::max(log::quorum_position(store).lsn(), durable));
  log::Record record;
  const Fetch result = is_at_end ? Fetch::end : log::fetch(store, impl_->next, record);
  if (result == Fetch::got) ++impl_->next;
  if (result == Fetch::end && has_retired) return Code::book_moved;
  return api::answer(*impl_->core, result, record);
}

uint64_t LogReader::skip_to_oldest() {
  if (impl_->core->is_forked()) return 0;
  const uint64_t floor = log::log_floor(impl_->core->store);
  if (floor <= impl_->next) return 0;
  const uint64_t skipped = floor - impl_->next;
  impl_->next = floor;
  return skipped;
}

LogFollower::LogFollower(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogFollower::LogFollower(LogFollower&&) noexcept = default;
LogFollower& LogFollower::operator=(LogFollower&&) noexcept = default;
LogFollower::~LogFollower() = default;

Result<std::optional<LogRecord>> LogFollower::next() {
  if (impl_->core->is_forked()) return Code::forked;
  const bool has_retired = impl_->core->has_retired();
  log::Record record;
  const Fetch result = impl_->follower.next(record);
  if (result == Fetch::end && has_retired) return Code::book_moved;
  return api::answer(*impl_->core, result, record);
}

void LogFollower::release() {
  if (!impl_->core->is_forked()) impl_->follower.release();
}

void LogFollower::remove() {
  if (!impl_->core->is_forked()) impl_->follower.remove();
}

}  // namespace casbook
