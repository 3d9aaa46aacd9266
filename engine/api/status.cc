// Book::status(): everything an operator asks first, read without delaying anybody.
#include <casbook/book.h>

#include <algorithm>
#include <cstring>

#include "api/core.h"
#include "arena/duration_line.h"
#include "base/clock.h"
#include "log/follower.h"

namespace casbook::api {

namespace {

std::vector<SessionStatus> list_sessions(const Core& core) {
  std::vector<SessionStatus> list;
  const auto* attachments = core.mapping->region<arena::AttachmentSlot>(arena::Region::attachments);
  for (uint32_t i = 0; i < core.store.sessions(); ++i) {
    const arena::SessionSlot& slot = core.store.session(i);
    const uint64_t state = slot.owner.lo.load_relaxed();
    const arena::AttachmentRef owner{slot.owner.hi.load_relaxed()};
    if (static_cast<arena::SlotState>(state & 3) != arena::SlotState::live) continue;
    if (owner.index() >= core.mapping->geometry().attachments) continue;
    SessionStatus status;
    status.index = i;
    status.attachment = owner.index();
    status.pid = static_cast<int64_t>(attachments[owner.index()].pid.load_relaxed());
    status.alive = arena::is_attachment_alive(*core.mapping, owner);
    status.commits = slot.commits.load_relaxed();
    status.conflicts = slot.conflicts.load_relaxed();
    status.refusals = slot.refusals.load_relaxed();
    status.helps = slot.helps.load_relaxed();
    list.push_back(status);
  }
  return list;
}

void add_limits(const Core& core, BookStatus& status) {
  const arena::Geometry& geometry = core.mapping->geometry();
  status.accounts_max = geometry.accounts;
  status.ledgers_max = geometry.ledgers;
  status.payments_max = geometry.payments;
  status.leases_max = geometry.leases;
  status.sessions_max = static_cast<uint32_t>(geometry.sessions);
  status.records_max = geometry.records;
  status.window = std::chrono::milliseconds(geometry.window_ms);
  status.payments_per_second_sustained =
      static_cast<double>(geometry.payments) * 1000.0 / static_cast<double>(geometry.window_ms);
}

std::vector<FollowerStatus> list_followers(const Core& core) {
  std::vector<FollowerStatus> list;
  for (const log::FollowerInfo& follower : log::list_followers(core.store))
    list.push_back(
        {follower.name, follower.lag, static_cast<FullPolicy>(follower.policy), follower.is_alive});
  return list;
}

uint64_t records_held(const Core& core) {
  const uint64_t floor = log::log_floor(core.store);
  const uint64_t end = log::log_end(core.store);
  return end > floor ? end - floor : 0;
}

// Of the first record from `lsn` on that has one; marks have none. 0: not within a few records.
int64_t record_time_ms(const Core& core, uint64_t lsn) {
  constexpr uint32_t kLooksMax = 8;
  log::Record record;
  for (uint32_t i = 0; i < kLooksMax; ++i)
    if (log::fetch(core.store, lsn + i, record) == log::Fetch::got && record.time_ms != 0)
      return record.time_ms;
  return 0;
}

// Every record counts as a payment, and ids that have left the window but not yet the table as
// there: both make it sooner than it will be.
std::optional<std::chrono::milliseconds> payments_full_in(const Core& core,
                                                          const BookStatus& status) {
  const int64_t since_ms = record_time_ms(core, log::log_floor(core.store));
  const double span_ms = static_cast<double>(base::wall_clock_ms() - since_ms);
  if (since_ms == 0 || span_ms < 1000 || status.records_held == 0) return std::nullopt;
  const double per_ms = static_cast<double>(status.records_held) / span_ms;
  const auto max = static_cast<double>(status.payments_max);
  const auto used = static_cast<double>(status.payment_entries);
  if (per_ms * static_cast<double>(status.window.count()) <= max) return std::nullopt;
  return std::chrono::milliseconds(static_cast<int64_t>(std::max(max - used, 0.0) / per_ms));
}

}  // namespace

BookActivity read_activity(const Core& core) {
  BookActivity activity;
  for (uint32_t i = 0; i < core.store.sessions(); ++i) {
    const arena::SessionSlot& slot = core.store.session(i);
    activity.payments += slot.payments.load_relaxed();
    activity.denials += slot.denials.load_relaxed();
    activity.commits += slot.commits.load_relaxed();
    activity.conflicts += slot.conflicts.load_relaxed();
    activity.helps += slot.helps.load_relaxed();
    activity.slow_lane += slot.slow_lane.load_relaxed();
    activity.sessions += arena::slot_state(slot.owner.lo.load_relaxed()) == arena::SlotState::live;
  }
  activity.takeovers = core.store.control().takeovers.load_relaxed();
  activity.leases_held = lease::Leases(core.store, {}).list().size();
  activity.records_held = records_held(core);
  activity.records_max = core.mapping->geometry().records;
  activity.followers = list_followers(core);
  return activity;
}

BookStatus read_status(const Core& core) {
  BookStatus status;
  const arena::FixedHeader& header = core.mapping->header();
  const auto* name = reinterpret_cast<const char*>(header.book_name);
  status.name = std::string(name, strnlen(name, sizeof(header.book_name)));
  status.path = core.mapping->path();
  status.bytes = header.file_bytes;
  add_limits(core, status);
  status.accounts = core.accounts.accounts_opened();
  status.ledgers = core.accounts.ledgers_opened();
  const auto fill = core.ids.fill();
  status.payment_entries = fill.entries_used;
  status.payment_entries_max = fill.entries_total;
  status.leases_held = lease::Leases(core.store, {}).list().size();
  status.records_held = records_held(core);
  const arena::Durations payments =
      arena::read_durations(core.mapping->commit_times().pay, arena::kCommitTimeUnit);
  status.payment_p50 = payments.quantile(0.5);
  status.payment_p99 = payments.quantile(0.99);
  status.payment_max = payments.quantile(1);
  status.payments_sampled = payments.count;
  status.payments_full_in = payments_full_in(core, status);
  // [gate] Only looked at.
  const uint64_t gate = core.store.control().gate.load_acquire();
  status.open = gate & 1;
  status.quarantined = !status.open && core.store.closed_code() == Code::quarantined;
  status.term = gate >> 1;
  status.takeovers = core.store.control().takeovers.load_relaxed();
  status.sessions = list_sessions(core);
  status.followers = list_followers(core);
  return status;
}

}  // namespace casbook::api
