// The tail: a shared lower bound of the end of the log.
//
// I4  Every LSN below the tail is claimed and noted as decided, and an epoch change below it shows
//     in the gate. It moves by one CAS per some 16 commits and only grows.
#include <casbook/types.h>

#include "commit/executor.h"

namespace casbook::commit {

using base::Mutant;

void Executor::refresh_hint() {
  // [tail] The tail first, then the epoch: an epoch that ended below the hint shows in it.
  hint_ = tail_seen_ = store_.control().tail.load_acquire();
  hint_epoch_ = store_.control().gate.load_acquire() >> 1;  // [gate]
}

// The claim at `lsn` is noted. Where it stands at the hint, everything below the next slot is
// decided, as a hint has to promise. The epoch stays as it was read: no mark was passed, only a
// reference, so an epoch that ended below the new hint ended below the old one.
void Executor::pass_own_claim(uint64_t lsn) {
  if (lsn == hint_ || base::mutated(Mutant::hint_passes_others)) hint_ = lsn + 1;
}

void Executor::help_tail(uint64_t lsn) {
  if (lsn < tail_seen_ + base::tuning.tail_lag_max) return;
  // [tail] Everything below is decided.
  const uint64_t tail = store_.control().tail.load_acquire();
  if (tail + base::tuning.tail_lag_max / 2 <= lsn) walk_tail(tail, lsn);
  tail_seen_ = lsn;  // when to look again
}

uint64_t Executor::first_empty() {
  // Bounded by the commits of others while we look; another round: by a lap of them.
  uint64_t last = 0;
  for (uint32_t idle_rounds = 0;; ++idle_rounds) {
    refresh_hint();
    uint64_t p = hint_;
    if (p != last) idle_rounds = 0;
    last = p;
    // [claim] Acquire: what is below p is visible.
    uint64_t found = store_.slot(p).lo.load_acquire();
    for (; found == p; found = store_.slot(p).lo.load_acquire()) ++p;  // [claim]
    if (found == p - store_.ring_slots() || idle_rounds > kIdleRoundsMax) return p;
  }
}

// Moves the tail from `from` towards `to`, as far as the slots are filled and decided.
void Executor::walk_tail(uint64_t from, uint64_t to) {
  uint64_t p = from;
  for (; p < to; ++p) {
    LogSlot& slot = store_.slot(p);
    // [claim] As in claim(): LSN, content, LSN.
    if (slot.lo.load_acquire() != p) break;
    const uint64_t content = slot.hi.load_relaxed();
    // [claim] Fence: content before the second look.
    base::acquire_fence();
    if (slot.lo.load_relaxed() != p) break;
    if (is_reference(content)) {
      note_committed(content, p);
    } else if (mark_kind(content) == Kind::open) {
      note_term(mark_epoch(content), p);
      raise_gate(mark_epoch(content) << 1 | 1);
    } else if (!base::mutated(Mutant::tail_passes_seal) &&
               // [gate] A SEAL holds the tail until an OPEN: an executor must not get a hint past
               // the end of its epoch without learning of it.
               store_.control().gate.load_acquire() >> 1 <= mark_epoch(content)) {
      break;
    }
  }
  base::fault_point(base::FaultPoint::tail_before_advance);
  // [tail] Release: everything noted above is visible to whoever takes the tail as a hint.
  if (p > from) store_.control().tail.cas_acq_rel(from, p);
}

// Notes the decision of an instance that is claimed at `lsn`.
void Executor::note_committed(uint64_t reference, uint64_t lsn) {
  if (base::mutated(Mutant::tail_passes_undecided)) return;
  Descriptor* descriptor = store_.find_descriptor(reference);
  if (!descriptor) return;
  // [decide] A recycled instance is decided; so is one whose state is no longer undecided.
  const uint64_t status = descriptor->status.lo.load_acquire();
  if (!is_instance(status, reference_sequence(reference)) ||
      status_state(status) != State::undecided)
    return;
  const uint64_t epoch = descriptor->epoch.load_relaxed();
  // [decide] Succeeds only if the instance is the same, and then so was the epoch read above.
  descriptor->status.cas16_acq_rel(
      {status, 0},
      {make_status(status_sequence(status), State::committed), Position::of(epoch, lsn).value});
}

}  // namespace casbook::commit
