// Marks: SEAL(E) ends epoch E, OPEN(E+1) begins the next one. Claimed like any LSN.
//
//   gate {E, open} --SEAL(E)--> {E, shut} --OPEN(E+1)--> {E+1, open}
//
//  * Epochs in the log never fall: a record of epoch e lies between OPEN(e) and SEAL(e).
//  * Who scans to a mark that ends its epoch without finding its own claim aborts; behind it nobody
//    of that epoch claims, so abort and claim exclude each other for ever.
//  * A mark is never taken back and nothing is ever undone in place: a process stopped between
//    reading a word and its CAS may wake a minute later. Undoing builds a new file.
//
// Idempotent: any number of operators, each killable anywhere.
#include "base/assert.h"
#include "commit/executor.h"

namespace casbook::commit {

using base::Mutant;

uint64_t Executor::mark(Kind kind, uint64_t epoch) {
  const uint64_t content = make_mark(kind, epoch);
  // Progress: as claim(). A slot that is neither claimed nor empty is damage: nothing is claimed there
  // by anybody, and the gate is shut without a mark.
  uint64_t last = 0;
  for (uint32_t idle_rounds = 0;; ++idle_rounds) {
    if (idle_rounds > kIdleRoundsMax) {
      contain_damage();
      return 0;
    }
    // [tail] The tail, then the gate: a mark of this epoch may lie below the tail, and then the
    // gate shows it.
    const uint64_t from = store_.control().tail.load_acquire();
    if (from != last) idle_rounds = 0;
    last = from;
    const uint64_t gate_epoch = store_.control().gate.load_acquire() >> 1;  // [gate]
    // An epoch that never was open cannot be sealed: payers would abort in it for ever.
    CASBOOK_ASSERT(kind != Kind::seal || epoch <= gate_epoch);
    const bool is_over = gate_epoch > epoch || (kind == Kind::open && gate_epoch == epoch);
    if (is_over && !base::mutated(Mutant::mark_twice)) return 0;
    for (uint64_t p = from;;) {
      LogSlot& slot = store_.slot(p);
      // [claim] LSN, content, LSN.
      const uint64_t slot_lsn = slot.lo.load_acquire();
      const uint64_t found = slot.hi.load_relaxed();
      // [claim] Fence: content before the second look.
      base::acquire_fence();
      if (slot.lo.load_relaxed() != slot_lsn) continue;
      if (slot_lsn == p) {
        if (found == content) {
          help_gate(content, p);
          return p;
        }
        const bool ended =
            !is_reference(found) &&
            (mark_epoch(found) > epoch || (kind == Kind::seal && mark_ends(found, epoch)));
        if (ended) return 0;
        // An operator may have died between its mark and the gate, and the tail waits for the gate.
        if (!is_reference(found)) help_gate(found, p);
        if (++p - from <= base::tuning.tail_lag_max) continue;
        walk_tail(from, p);
        break;
      }
      if (slot_lsn != p - store_.ring_slots()) break;
      // [claim] The mark takes effect here.
      if (!slot.cas16_acq_rel({slot_lsn, found}, {p, content})) continue;
      base::fault_point(base::FaultPoint::mark_after_claim);
      help_gate(content, p);
      return p;
    }
  }
}

void Executor::help_gate(uint64_t mark, uint64_t lsn) {
  if (mark_kind(mark) == Kind::seal) return close_gate(mark_epoch(mark));
  if (base::mutated(Mutant::no_gate_help)) return;
  note_term(mark_epoch(mark), lsn);
  const uint64_t epoch = mark_epoch(mark) - (base::mutated(Mutant::open_keeps_epoch) ? 1 : 0);
  raise_gate(epoch << 1 | 1);
}

// Before the gate shows the term.
void Executor::note_term(uint64_t epoch, uint64_t lsn) {
  base::AtomicU64& start = store_.control().term_starts[epoch % kTermStarts];
  const uint64_t position = Position::of(epoch, lsn).value;
  // Relaxed: the gate is released after it. Bounded: it only grows.
  for (uint64_t seen = start.load_relaxed(); seen < position; seen = start.load_relaxed())
    if (start.cas_acq_rel(seen, position)) return;  // [gate]
}

// On a follower a term begins without a mark: its OPEN is a record like others there, so that the
// gate never opens by replay. Nothing of the term is claimed before this returns, and the gate is
// shut: nobody but the applier can claim anything. Killed between the two steps: done again.
void Executor::follow_term(uint64_t epoch, uint64_t start_lsn) {
  note_term(epoch, start_lsn);
  base::fault_point(base::FaultPoint::apply_term_noted);
  raise_gate(epoch << 1);
}

void Executor::raise_gate(uint64_t gate) {
  base::AtomicU64& shared = store_.control().gate;
  // Bounded: the gate only grows.
  for (;;) {
    const uint64_t seen = shared.load_acquire();  // [gate]
    if (seen >> 1 >= gate >> 1) return;           // never opens again what a SEAL has shut
    // [gate] The mark that lets it grow is in the log, visible to whoever sees the gate.
    if (shared.cas_acq_rel(seen, gate)) return;
  }
}

void Executor::close_gate(uint64_t epoch) {
  // [gate] As above; fails when it is shut or a later epoch is open.
  store_.control().gate.cas_acq_rel(epoch << 1 | 1, epoch << 1);
}

}  // namespace casbook::commit
