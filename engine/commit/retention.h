// What the log has to keep: one 16-byte word {floor, keep} in the control lines.
//
//   floor  below it nothing is promised: slots may be lapped, blocks overwritten. Only grows.
//   keep   registrations:16 | the lowest LSN that a registered follower still needs:48, all ones
//          when there is none.
//
// I8  floor <= keep. Both change by one CAS of the pair, so a follower that registers and a payer
//     that raises the floor cannot miss one another, and nobody ever caches "nothing is retained":
//     what is cached is a limit, floor + R - margin, and that only grows.
//     Raising keep must not miss one that registers meanwhile, even where keep has the same LSN
//     before and after; so each registration is counted. To come round, the count needs exactly
//     65,536 registrations while one process stands between two loads and the floor does not move.
//
// I9  A claim at LSN p laps slot p - R, so p < floor + R has to hold. It is checked before anything
//     is visible, against an estimate e of the end: e + margin < floor + R. The estimate of a
//     session that was stopped between check and claim is stale; but of the last P + 1 claims below
//     p (P sessions) two come from one session, whose later check used an estimate of at least
//     p - P - 1; the margin covers P + 1 and the marks, which do not check.
#pragma once

#include <algorithm>

#include "commit/store.h"

namespace casbook::commit {

class Retention {
 public:
  explicit Retention(const Store& store) : store_(store), margin_(log_margin(store.sessions())) {}

  // Whether a commit may be published while the log ends near `end`. False: a follower holds the
  // ring. Cost: one compare, except once per R/16 commits.
  bool admits(uint64_t end) { return end + margin_ < limit_ || admits_slow(end); }

  uint64_t floor() const;
  uint64_t keep() const;  // an LSN; none: UINT64_MAX
  // Raises the floor to `floor`; false when a follower still needs what lies below.
  static bool raise_floor(const Store& store, uint64_t floor);
  // A follower that starts at `lsn`: keep is `lsn` or less from here on, until recompute_keep()
  // sees the follower's own position. False: `lsn` is below the floor already.
  static bool hold(const Store& store, uint64_t lsn);
  // Recomputes keep after a follower moved or left; `lowest` looks at all of them and is called
  // again when somebody registers meanwhile.
  template <class Lowest>
  static void recompute_keep(const Store& store, Lowest lowest);

 private:
  // Of the second word of the pair.
  static constexpr uint64_t kNothing = (uint64_t{1} << kLsnBits) - 1;
  static constexpr uint64_t lsn_of(uint64_t keep) { return keep & kNothing; }
  static constexpr uint64_t with_lsn(uint64_t keep, uint64_t lsn) {
    return (keep & ~kNothing) | std::min(lsn, kNothing);
  }

  bool admits_slow(uint64_t end);
  static base::Pair load(const Store& store);

  const Store& store_;
  uint64_t margin_;
  uint64_t limit_ = 0;  // floor + R as last seen: errs on the low side
};

template <class Lowest>
void Retention::recompute_keep(const Store& store, Lowest lowest) {
  // Bounded by the registrations and floor changes of others.
  for (;;) {
    const base::Pair seen = load(store);
    const uint64_t keep = lowest();
    if (keep <= lsn_of(seen.hi)) return;  // nothing to raise
    // [keep] The followers' positions were read after `seen`: who registered before it is in them,
    // who registers after it makes this CAS fail.
    if (store.control().retention.cas16_acq_rel(seen, {seen.lo, with_lsn(seen.hi, keep)})) return;
  }
}

}  // namespace casbook::commit
