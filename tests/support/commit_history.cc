#include "support/commit_history.h"

#include <algorithm>

namespace casbook::test {

CommitHistory::CommitHistory(const MemoryArena& arena_, Schedule& schedule_, uint64_t available_)
    : arena(arena_), schedule(schedule_), available(available_) {
  schedule.watch([this] { watch_log(); });
}

void CommitHistory::watch_log() {
  const commit::Store& store = arena.store();
  const uint64_t lsn = end();
  commit::LogSlot& slot = store.slot(lsn);
  if (slot.lo.load_relaxed() != lsn) return;
  Claim& claim = claims.emplace_back();
  claim.content = slot.hi.load_relaxed();
  claim.step = schedule.now();
  if (schedule.memory()) claim.stamp = schedule.memory()->newest(reinterpret_cast<const uint64_t*>(&slot.lo));
  if (claim.is_mark()) {
    claim.record.position = Position::of(commit::mark_epoch(claim.content), lsn);
    claim.record.kind = commit::mark_kind(claim.content);
    return;
  }
  const commit::Descriptor& descriptor = *store.find_descriptor(claim.content);
  log::read_descriptor(descriptor, lsn, claim.record);
  for (uint32_t i = 0; i < claim.record.change_count; ++i) {
    const commit::Entry& entry = descriptor.entries[i];
    claim.entries.push_back({entry.where.load_relaxed(), entry.a.load_relaxed(),
                             entry.b.load_relaxed(), entry.c.load_relaxed()});
  }
}

uint64_t CommitHistory::known() {
  if (!schedule.memory() || !schedule.is_inside()) return schedule.now();
  schedule.outside([this] { watch_log(); });
  for (size_t i = claims.size(); i-- > 0;)
    if (schedule.memory()->happened_before(claims[i].stamp)) return claims[i].step;
  return 0;
}

uint64_t CommitHistory::end_at(uint64_t step) const {
  const auto after = std::ranges::upper_bound(claims, step, {}, &Claim::step);
  return commit::kFirstLsn + static_cast<uint64_t>(after - claims.begin());
}

bool same_record(const log::Record& a, const log::Record& b) {
  const auto same_change = [](const log::Change& x, const log::Change& y) {
    return x.where == y.where && x.prior == y.prior && x.new_value == y.new_value &&
           x.old_value == y.old_value;
  };
  return a.position == b.position && a.time_ms == b.time_ms && a.kind == b.kind &&
         a.change_count == b.change_count && a.note_count == b.note_count &&
         std::equal(a.changes, a.changes + a.change_count, b.changes, same_change) &&
         std::equal(a.notes, a.notes + a.note_count, b.notes);
}

}  // namespace casbook::test
