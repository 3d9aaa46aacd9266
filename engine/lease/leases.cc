#include "lease/leases.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/hash.h"

namespace casbook::lease {

using base::FaultPoint;
using base::Mutant;
using commit::CellImage;
using commit::Kind;
using commit::Outcome;
using commit::WriteSet;

namespace {

constexpr std::chrono::milliseconds kTtlMax{kLeaseTtlMsMax};

Result<void> check_ttl(std::chrono::milliseconds ttl) {
  if (ttl.count() >= 1 && ttl <= kTtlMax) return {};
  return Error{Code::bad_argument, false, 0, 0, "ttl: expected 1 ms to 24 h"};
}

Error failure_of(const commit::Store& store, Outcome outcome) {
  return {outcome == Outcome::sealed ? store.closed_code() : Code::backpressure, false, 0, 0, {}};
}

int64_t deadline_after(int64_t now_ns, std::chrono::milliseconds ttl) {
  return now_ns + std::chrono::nanoseconds(ttl).count();
}

Grant grant_of(const Lease& lease, int64_t deadline_ns, uint64_t count, uint64_t position) {
  Grant grant;
  grant.lease = lease;
  grant.position = {position};
  grant.remaining = std::chrono::nanoseconds(deadline_ns - base::boot_clock_ns());
  grant.count = static_cast<uint32_t>(count);
  return grant;
}

// Collects the writes to one lease cell, leaving out those that change nothing.
class CellWrites {
 public:
  CellWrites(WriteSet& set, Unit unit, const CellImage& image)
      : set_(set), unit_(unit), image_(image) {}
  void put(uint32_t word, uint64_t value) {
    if (image_.value[word] != value) always(word, value);
  }
  // Also where the value stays: the word's version is what counts.
  void always(uint32_t word, uint64_t value) {
    set_.set(unit_, word, image_.version, value, image_.value[word]);
  }

 private:
  WriteSet& set_;
  Unit unit_;
  const CellImage& image_;
};

}  // namespace

Leases::Leases(const commit::Store& store, arena::AttachmentRef self)
    : store_(store),
      table_(store),
      self_(self),
      // Unique among attachments of all times, then counted: no two sessions meet by accident.
      operations_(base::hash_bytes(&self, sizeof(self),
                                   store.mapping().header().incarnation ^
                                       static_cast<uint64_t>(base::boot_clock_ns())) |
                  1) {}

Leases::Holding Leases::holding_of(const CellImage& image, const AcquireOptions& options,
                                   int64_t now_ns) const {
  const uint64_t holder = image.value[kHolder];
  if (holder == 0) return Holding::free;
  if (static_cast<int64_t>(image.value[kDeadline]) <= now_ns) return Holding::expired;
  const bool can_re_enter = !options.detached || options.owner_id != 0;
  if (is_owner(image, options) && can_re_enter) return Holding::ours;
  if (holder != kDetached && is_of_this_arena(image) &&
      !arena::is_attachment_alive(store_.mapping(), arena::AttachmentRef{holder}))
    return Holding::dead;
  return Holding::held;
}

bool Leases::is_of_this_arena(const CellImage& image) const {
  return image.value[kIncarnation] == store_.mapping().header().incarnation;
}

bool Leases::is_owner(const CellImage& image, const AcquireOptions& options) const {
  const uint64_t us = options.detached ? kDetached : self_.value;
  return image.value[kHolder] == us && is_of_this_arena(image) &&
         image.value[kOwnerId] == options.owner_id;
}

// Only when no slot is free: one of another name whose holder let it expire, or died.
void Leases::find_lost_slot(log::LogWriter& writer, const AcquireOptions& options, int64_t now_ns,
                            Found& found) const {
  for (uint32_t k = 0; k < table_.probe_count(); ++k) {
    found.unit = table_.probe(found.home, k);
    commit::read_cell(store_, writer.executor(), found.unit, kWordsUsed, found.image);
    const Holding holding = holding_of(found.image, options, now_ns);
    found.has_room =
        holding == Holding::free || holding == Holding::expired || holding == Holding::dead;
    if (found.has_room) return;
  }
}

Result<Grant> Leases::try_acquire(log::LogWriter& writer, std::string_view name,
                                  const AcquireOptions& asked, int64_t book_time_ms) {
  if (auto ok = Table::check_name(name); !ok) return ok.error();
  if (auto ok = check_ttl(asked.ttl); !ok) return ok.error();
  AcquireOptions options = asked;
  if (options.operation_id == 0) options.operation_id = next_operation();
  // Progress: a conflict means that another operation on this lease committed.
  for (;;) {
    Found found = table_.find(name, &writer.executor());
    const int64_t now = base::boot_clock_ns();
    if (!found.exists && !found.has_room) find_lost_slot(writer, options, now, found);
    if (!found.exists && !found.has_room)
      return Error{Code::book_full, false, 0, 0, "leases: create the book with more"};
    const Holding holding = found.exists ? holding_of(found.image, options, now) : Holding::free;
    // The id alone is none: another owner may have chosen the same number.
    const bool is_repeat = found.exists && (holding == Holding::ours || holding == Holding::held) &&
                           is_owner(found.image, options) &&
                           found.image.value[kAcquireOperation] == options.operation_id;
    if (is_repeat) {
      Grant grant = grant_of({found.unit, {found.image.word_version[kHolder]}},
                             static_cast<int64_t>(found.image.value[kDeadline]),
                             found.image.value[kCount], found.image.version);
      grant.replayed = true;
      if (grant.remaining.count() > 0) return grant;
      continue;  // it has expired meanwhile: a new grant
    }
    if (holding == Holding::held) return Code::lease_held;
    bool conflict = false;
    auto result = holding == Holding::ours
                      ? re_enter(writer, found, options, now, book_time_ms, conflict)
                      : grant(writer, name, found, options, now, book_time_ms, conflict);
    if (!conflict) return result;
  }
}

Result<Grant> Leases::grant(log::LogWriter& writer, std::string_view name, const Found& found,
                            const AcquireOptions& options, int64_t now_ns, int64_t book_time_ms,
                            bool& conflict) {
  WriteSet set;
  set.describe(Kind::lease_acquire, book_time_ms);
  CellWrites cell(set, found.unit, found.image);
  const int64_t deadline = deadline_after(now_ns, options.ttl);
  cell.always(kHolder, options.detached ? kDetached : self_.value);
  cell.put(kDeadline, static_cast<uint64_t>(deadline));
  cell.put(kOwnerId, options.owner_id);
  cell.put(kIncarnation, store_.mapping().header().incarnation);
  cell.put(kCount, 1);
  cell.put(kTtl, static_cast<uint64_t>(std::chrono::nanoseconds(options.ttl).count()));
  cell.put(kAcquireOperation, options.operation_id);
  uint64_t words[kLeaseNameBytesMax / 8] = {};
  std::memcpy(words, name.data(), name.size());
  if (!found.exists) {
    cell.put(kNameBytes, name.size());
    for (uint32_t i = 0; i < std::size(words); ++i) cell.put(kName + i, words[i]);
    // Two insertions of one name share their home: one of them conflicts and finds the other.
    CellWrites home(set, found.home, found.home_image);
    home.always(kInsertions, found.home_image.value[kInsertions] + 1);
  }
  set.note(name.size());
  for (uint32_t i = 0; i < (name.size() + 7) / 8; ++i) set.note(words[i]);
  base::fault_point(FaultPoint::lease_before_acquire);
  const auto result = writer.commit(set);
  conflict = result.outcome == Outcome::conflict;
  if (result.outcome != Outcome::committed) return failure_of(store_, result.outcome);
  base::fault_point(FaultPoint::lease_after_acquire);
  const Grant grant = grant_of({found.unit, {result.position}}, deadline, 1, result.position);
  if (grant.remaining.count() <= 0) return Code::lease_expired;  // we were stopped meanwhile
  return grant;
}

Result<Grant> Leases::re_enter(log::LogWriter& writer, const Found& found,
                               const AcquireOptions& options, int64_t now_ns, int64_t book_time_ms,
                               bool& conflict) {
  const int64_t deadline = std::max(static_cast<int64_t>(found.image.value[kDeadline]),
                                    deadline_after(now_ns, options.ttl));
  const uint64_t count = found.image.value[kCount] + 1;
  if (count > kLeaseCountMax)
    return Error{Code::book_full, false, 0, 0, "entries of one lease: release some"};
  WriteSet set;
  set.describe(Kind::lease_acquire, book_time_ms);
  CellWrites cell(set, found.unit, found.image);
  cell.put(kDeadline, static_cast<uint64_t>(deadline));
  cell.put(kTtl, static_cast<uint64_t>(deadline - now_ns));
  cell.put(kCount, count);
  cell.put(kAcquireOperation, options.operation_id);
  base::fault_point(FaultPoint::lease_before_acquire);
  const auto result = writer.commit(set);
  conflict = result.outcome == Outcome::conflict;
  if (result.outcome != Outcome::committed) return failure_of(store_, result.outcome);
  base::fault_point(FaultPoint::lease_after_acquire);
  const Lease lease{found.unit, {found.image.word_version[kHolder]}};
  const Grant grant = grant_of(lease, deadline, count, result.position);
  if (grant.remaining.count() <= 0) return Code::lease_expired;
  return grant;
}

Result<void> Leases::read_held(log::LogWriter& writer, const Lease& lease, CellImage& image) {
  if (!table_.is_lease(lease.place) || lease.token.value == 0) return Code::lease_missing;
  commit::read_cell(store_, writer.executor(), lease.place, kWordsUsed, image);
  if (base::mutated(Mutant::release_without_token)) return {};
  if (image.value[kHolder] == 0) return Code::lease_missing;
  if (image.word_version[kHolder] != lease.token.value) return Code::lease_superseded;
  return {};
}

Result<Grant> Leases::renew(log::LogWriter& writer, const Lease& lease,
                            std::chrono::milliseconds ttl, int64_t book_time_ms) {
  if (auto ok = check_ttl(ttl); !ok) return ok.error();
  // Progress: a conflict means that another operation on this lease committed.
  for (;;) {
    CellImage image;
    if (auto held = read_held(writer, lease, image); !held) return held.error();
    const int64_t now = base::boot_clock_ns();
    const auto old_deadline = static_cast<int64_t>(image.value[kDeadline]);
    if (old_deadline <= now && !base::mutated(Mutant::renew_expired)) return Code::lease_expired;
    const int64_t deadline = std::max(old_deadline, deadline_after(now, ttl));
    WriteSet set;
    set.describe(Kind::lease_renew, book_time_ms);
    CellWrites cell(set, lease.place, image);
    cell.always(kDeadline, static_cast<uint64_t>(deadline));
    cell.put(kTtl, static_cast<uint64_t>(deadline - now));
    base::fault_point(FaultPoint::lease_before_renew);
    const auto result = writer.commit(set);
    if (result.outcome == Outcome::conflict) continue;
    if (result.outcome != Outcome::committed) return failure_of(store_, result.outcome);
    base::fault_point(FaultPoint::lease_after_renew);
    const Grant grant = grant_of(lease, deadline, image.value[kCount], result.position);
    if (grant.remaining.count() <= 0) return Code::lease_expired;
    return grant;
  }
}

Result<Released> Leases::release(log::LogWriter& writer, const Lease& lease, uint64_t operation_id,
                                 int64_t book_time_ms) {
  if (operation_id == 0) operation_id = next_operation();
  // Progress: a conflict means that another operation on this lease committed.
  for (;;) {
    CellImage image;
    const auto held = read_held(writer, lease, image);
    const bool is_repeat = table_.is_lease(lease.place) && image.count != 0 &&
                           image.value[kReleaseOperation] == operation_id &&
                           image.value[kReleasedToken] == lease.token.value;
    if (is_repeat)
      return Released{
          static_cast<uint32_t>(image.value[kReleasedCount]), false, true, {image.version}};
    if (!held) return held.error();
    Released released;
    released.count = static_cast<uint32_t>(image.value[kCount]) - 1;
    released.was_expired = static_cast<int64_t>(image.value[kDeadline]) <= base::boot_clock_ns();
    WriteSet set;
    set.describe(Kind::lease_release, book_time_ms);
    CellWrites cell(set, lease.place, image);
    cell.put(kCount, released.count);
    cell.put(kReleaseOperation, operation_id);
    cell.put(kReleasedToken, lease.token.value);
    cell.put(kReleasedCount, released.count);
    if (released.count == 0) {
      cell.always(kHolder, 0);
      set.wake(Table::event_of(lease.place));
    }
    base::fault_point(FaultPoint::lease_before_release);
    const auto result = writer.commit(set);
    if (result.outcome == Outcome::conflict) continue;
    if (result.outcome != Outcome::committed) return failure_of(store_, result.outcome);
    base::fault_point(FaultPoint::lease_after_release);
    released.position = {result.position};
    return released;
  }
}

Result<uint64_t> Leases::restart_ttls(log::LogWriter& writer, uint64_t first,
                                      int64_t book_time_ms) {
  WriteSet set;
  set.describe(Kind::lease_renew, book_time_ms);
  uint64_t index = first, count = 0;
  for (; index < table_.count() && count < kEntriesMax; ++index) {
    CellImage image;
    commit::read_cell(store_, writer.executor(), table_.at(index), kWordsUsed, image);
    if (image.value[kHolder] == 0) continue;
    const int64_t ttl_ns = static_cast<int64_t>(image.value[kTtl]);
    CellWrites(set, table_.at(index), image)
        .always(kDeadline, static_cast<uint64_t>(base::boot_clock_ns() + ttl_ns));
    ++count;
  }
  if (count != 0) {
    const auto result = writer.commit(set);
    if (result.outcome != Outcome::committed) return failure_of(store_, result.outcome);
  }
  return index < table_.count() ? index : 0;
}

// The mark of a session that died while it waited stays until the slot has another owner, so the
// owner is looked at as well; seldom, since few wait.
uint32_t Leases::waiters_of(Unit unit) const {
  uint32_t waiters = 0;
  for (uint32_t s = 0; s < store_.sessions(); ++s) {
    const arena::SessionSlot& slot = store_.session(s);
    if (slot.waiting_on.load_relaxed() != unit + 1) continue;
    // Relaxed: the halves may be of two moments, and then another moment's answer is as good.
    const uint64_t state = slot.owner.lo.load_relaxed();
    const arena::AttachmentRef owner{slot.owner.hi.load_relaxed()};
    waiters += arena::slot_state(state) == arena::SlotState::live &&
               arena::is_attachment_alive(store_.mapping(), owner);
  }
  return waiters;
}

LeaseInfo Leases::info_of(Unit unit, const CellImage& image) const {
  LeaseInfo info;
  info.name = name_of(image);
  info.lease = {unit, {image.word_version[kHolder]}};
  info.position = {image.version};
  info.owner_id = image.value[kOwnerId];
  info.detached = image.value[kHolder] == kDetached;
  info.count = static_cast<uint32_t>(image.value[kCount]);
  info.remaining = std::chrono::nanoseconds(static_cast<int64_t>(image.value[kDeadline]) -
                                            base::boot_clock_ns());
  const arena::AttachmentRef owner{image.value[kHolder]};
  if (!info.detached && owner.index() < store_.mapping().geometry().attachments) {
    info.attachment = owner.index();
    info.owner_alive = arena::is_attachment_alive(store_.mapping(), owner);
    // Relaxed: for people. Another's generation: the slot has been given on, and so has the pid.
    const auto& slot =
        store_.mapping().region<arena::AttachmentSlot>(arena::Region::attachments)[owner.index()];
    if (arena::slot_generation(slot.state.load_relaxed()) == owner.generation())
      info.pid = static_cast<int64_t>(slot.pid.load_relaxed());
  }
  info.waiters = waiters_of(unit);
  return info;
}

Result<LeaseInfo> Leases::info(std::string_view name) const {
  const Found found = table_.find(name, nullptr);
  if (!found.exists || found.image.value[kHolder] == 0) return Code::lease_missing;
  return info_of(found.unit, found.image);
}

std::vector<LeaseInfo> Leases::list() const {
  std::vector<LeaseInfo> list;
  CellImage image;
  for (uint64_t i = 0; i < table_.count(); ++i) {
    commit::peek_cell(store_, table_.at(i), kWordsUsed, image);
    if (image.value[kHolder] != 0) list.push_back(info_of(table_.at(i), image));
  }
  return list;
}

}  // namespace casbook::lease
