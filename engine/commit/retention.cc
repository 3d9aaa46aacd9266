#include "commit/retention.h"

#include <algorithm>

namespace casbook::commit {

base::Pair Retention::load(const Store& store) {
  const base::AtomicPair& shared = store.control().retention;
  // Bounded: the floor only grows, and keep changes a few times a second at most.
  for (;;) {
    // [keep] Acquire: what the last change was based on is visible.
    const uint64_t floor = shared.lo.load_acquire();
    const uint64_t keep = shared.hi.load_acquire();  // [keep]
    if (shared.lo.load_relaxed() == floor) return {floor, keep};
  }
}

uint64_t Retention::floor() const {
  // [floor] Acquire: see LogReader, which looks at the floor after copying bytes.
  return store_.control().retention.lo.load_acquire();
}

uint64_t Retention::keep() const {
  const uint64_t lsn = lsn_of(load(store_).hi);
  return lsn == kNothing ? UINT64_MAX : lsn;
}

bool Retention::raise_floor(const Store& store, uint64_t floor) {
  for (;;) {
    const base::Pair seen = load(store);
    if (seen.lo >= floor) return true;
    if (floor > lsn_of(seen.hi)) return false;
    base::fault_point(base::FaultPoint::floor_before_raise);
    // [floor] Whoever overwrites below the new floor does so after this.
    if (store.control().retention.cas16_acq_rel(seen, {floor, seen.hi})) return true;
  }
}

bool Retention::hold(const Store& store, uint64_t lsn) {
  for (;;) {
    const base::Pair seen = load(store);
    if (lsn < seen.lo) return false;
    const uint64_t counted = seen.hi + (kNothing + 1);
    // [keep] The follower's slot was written before: whoever recomputes after this sees it. Counted
    // even where the LSN stays: one that is about to raise keep has not seen the slot.
    if (store.control().retention.cas16_acq_rel(
            seen, {seen.lo, with_lsn(counted, std::min(lsn_of(seen.hi), lsn))}))
      return true;
  }
}

bool Retention::admits_slow(uint64_t end) {
  const uint64_t ring = store_.ring_slots();
  if (base::mutated(base::Mutant::floor_cached_infinite) && keep() == UINT64_MAX) {
    limit_ = UINT64_MAX;
    return true;
  }
  limit_ = floor() + ring;
  if (end + margin_ < limit_) return true;
  // A sixteenth of the ring at once, so that this is rare; less if a follower is in the way.
  const uint64_t needed = end + margin_ + 1 - ring;
  const uint64_t wanted = std::min(needed + ring / 16, end);
  if (!raise_floor(store_, wanted) &&
      !raise_floor(store_, std::min(std::max(keep(), needed), wanted)))
    return false;
  limit_ = floor() + ring;
  return end + margin_ < limit_;
}

}  // namespace casbook::commit
