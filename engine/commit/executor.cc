#include "commit/executor.h"

#include <algorithm>

#include <casbook/types.h>

#include "base/assert.h"
#include "base/trace.h"

namespace casbook::commit {

using base::FaultPoint;
using base::Mutant;

struct Executor::BodyCopy {
  Body body;
  EntryValue entries[kEntriesMax];
};

Decision Executor::run(const Body& body) {
  // Progress: each round either decides and releases `body`, or decides and releases the last
  // instance of a chain of blockers. The chain climbs to ever higher cells, so it ends.
  for (;;) {
    Blocker blocker;
    Decision decision;
    if (advance(body, blocker, decision) == Step::decided) return decision;
    for (;;) {
      BodyCopy other;
      if (!copy_body(blocker.reference, other)) {
        remove_leftover(blocker.reference, blocker.unit);
        break;
      }
      CASBOOK_TRACE(help, reference_slot(other.body.reference) >> kDescriptorBits, blocker.unit,
                    other.body.count);
      base::fault_point(FaultPoint::help_after_copy);
      ++counts_.helped;
      Decision ignored;
      if (advance(other.body, blocker, ignored) == Step::decided) break;
    }
  }
}

void Executor::help(uint64_t reference, Unit unit) {
  BodyCopy other;
  if (!copy_body(reference, other)) return remove_leftover(reference, unit);
  CASBOOK_TRACE(help, reference_slot(reference) >> kDescriptorBits, unit, other.body.count);
  base::fault_point(FaultPoint::help_after_copy);
  ++counts_.helped;
  run(other.body);
}

void Executor::run_session(uint32_t session) {
  if (base::mutated(Mutant::adopt_skips_run)) return;
  for (uint32_t i = 0; i < kDescriptorsPerSession; ++i) {
    // [publish] Acquire: the body of the instance that the status names is visible.
    const uint64_t status = store_.descriptor(session, i).status.lo.load_acquire();
    if (status_state(status) == State::initial) continue;
    BodyCopy copy;
    if (copy_body(make_reference(session, i, status_sequence(status)), copy)) run(copy.body);
    // Still this one, still undecided: not what anybody wrote. Its descriptor has to be used again.
    base::AtomicPair& shared = store_.descriptor(session, i).status;
    if (status_state(status) == State::undecided &&
        shared.lo.load_acquire() == status)  // [decide]
      shared.cas16_acq_rel({status, shared.hi.load_relaxed()},
                           {make_status(status_sequence(status), State::aborted),
                            static_cast<uint64_t>(AbortReason::sealed)});
  }
}

Executor::Step Executor::advance(const Body& body, Blocker& blocker, Decision& decision) {
  bool undecided = true;
  Held held;
  std::fill_n(held, body.count, 0);
  if (lock_cells(body, blocker, undecided, held) == Step::blocked) return Step::blocked;
  uint64_t lsn = 0;
  if (undecided) {
    base::fault_point(FaultPoint::commit_after_locks);
    uint32_t failed = 0;
    if (!base::mutated(Mutant::judge_skipped) && !judge(body, failed)) {
      if (is_undecided(body)) abort(body, AbortReason::refused, failed);
    } else if (claim(body, lsn)) {
      base::fault_point(FaultPoint::commit_after_claim);
      // [decide] The decision, noted where a visitor of a cell finds it.
      if (is_undecided(body))
        body.descriptor->status.cas16_acq_rel(
            {body.undecided, 0}, {make_status(status_sequence(body.undecided), State::committed),
                                  Position::of(body.epoch, lsn).value});
      pass_own_claim(lsn);
    }
  }
  decision = read_decision(body);
  if (decision.state == State::initial) return Step::decided;
  base::fault_point(decision.state == State::committed ? FaultPoint::commit_after_decide
                                                       : FaultPoint::commit_after_abort);
  apply_and_release(body, decision, held);
  if (lsn != 0) help_tail(lsn);
  if (decision.state == State::committed && body.event_1 != 0)
    arena::notify(store_.event(body.event_1 - 1));
  return Step::decided;
}

// One past the last entry of the cell that entry `i` names.
uint32_t Executor::end_of_cell(const Body& body, uint32_t i) {
  const uint64_t where = body.entries[i].where;
  do ++i;
  while (i < body.count && (body.entries[i].where ^ where) >> 8 == 0);
  return i;
}

// Locks the cells in address order. I2: while the instance is undecided its locks cannot leave a
// cell, since only apply_and_release() removes them.
Executor::Step Executor::lock_cells(const Body& body, Blocker& blocker, bool& undecided,
                                    Held& held) {
  bool first = true;
  for (uint32_t i = 0; i < body.count; i = end_of_cell(body, i)) {
    const EntryValue& entry = body.entries[i];
    const Unit unit = entry.unit();
    Cell& cell = store_.cell(unit);
    for (uint32_t spins = 0;;) {
      // [lock] Acquire, and before the status: a state that a decided instance left behind implies
      // that the status read next shows the decision.
      const uint64_t state = cell.state.load_acquire();
      if (state == body.reference) break;
      if (!is_undecided(body)) {
        undecided = false;
        return Step::decided;
      }
      if (is_reference(state)) {
        if (++spins < base::tuning.spins_before_helping) {
          base::spin_pause();
          continue;
        }
        blocker = {state, unit};
        return Step::blocked;
      }
      if (is_strict(entry.mode()) && state != entry.a) {
        abort(body, AbortReason::conflict);
        undecided = false;
        return Step::decided;
      }
      // [lock] The instance's body was published before: whoever sees the lock can help.
      if (base::mutated(Mutant::held_read_early)) held[i] = state;
      if (cell.state.cas_acq_rel(state, body.reference)) {
        held[i] = state;
        if (first) base::fault_point(FaultPoint::commit_after_first_lock);
        first = false;
        break;
      }
      ++counts_.locks_lost;
    }
  }
  return Step::decided;
}

bool Executor::is_undecided(const Body& body) {
  // [decide] Acquire: who sees the decision sees what its maker saw.
  return body.descriptor->status.lo.load_acquire() == body.undecided;
}

void Executor::abort(const Body& body, AbortReason reason, uint64_t extra) {
  // [decide] Excludes the claim for ever: see I7 in PROTOCOL.md.
  body.descriptor->status.cas16_acq_rel(
      {body.undecided, 0}, {make_status(status_sequence(body.undecided), State::aborted),
                            static_cast<uint64_t>(reason) | extra << 8});
}

// Judges the any-version entries, all cells being locked: every executor reads the same words, so
// all come to the same answer, and a refusal excludes a claim.
bool Executor::judge(const Body& body, uint32_t& failed_entry) {
  bool accepted = true;
  bool agreed_any = false;
  uint32_t left = body.judged_count;
  for (uint32_t i = body.count; left > 0 && i-- > 0;) {
    const EntryValue& entry = body.entries[i];
    if (is_strict(entry.mode())) continue;
    --left;
    Word& word = store_.cell(entry.unit()).word(entry.word());
    if (entry.mode() == Mode::check) {
      const uint64_t version = word.hi.load_relaxed();
      // [judge] Fence: the word before the status. Only while undecided are the words intact.
      base::acquire_fence();
      if (!is_undecided(body)) return true;
      if (version != entry.a) accepted = false, failed_entry = i;
      continue;
    }
    const uint64_t value = word.lo.load_relaxed();
    // [judge] As above.
    base::acquire_fence();
    if (!is_undecided(body)) return true;
    base::AtomicPair& agreed = body.descriptor->agreed[i];
    const uint64_t tag = body.sequence << 1;
    if (base::mutated(Mutant::agreed_untagged)) {
      agreed.lo.store_relaxed(value);
      agreed.hi.store_relaxed(tag | 1);
    } else {
      // [agree] Tagged by the instance: a late executor of an older one cannot hit it.
      agreed.cas16_acq_rel({0, tag}, {value, tag | 1});
    }
    agreed_any = true;
    int64_t sum;
    const bool inside =
        !__builtin_add_overflow(static_cast<int64_t>(value), static_cast<int64_t>(entry.a), &sum) &&
        sum >= static_cast<int64_t>(entry.b) && sum <= static_cast<int64_t>(entry.c);
    if (inside != (entry.mode() == Mode::add)) accepted = false, failed_entry = i;
  }
  if (agreed_any) base::fault_point(FaultPoint::commit_after_agree);
  return accepted;
}

bool Executor::claim(const Body& body, uint64_t& lsn) {
  // Progress: a round ends by our claim, by a decision that another executor made, or because the
  // log moved on by a lap or more than kTailLagMax slots, that is by the commits of others. Rounds
  // in which it does not move are a log that nobody wrote.
  uint32_t idle_rounds = 0;
  for (uint64_t last = UINT64_MAX, from;; last = from) {
    from = hint_;
    idle_rounds = from == last ? idle_rounds + 1 : 0;
    if (idle_rounds > kIdleRoundsMax) {
      contain_damage();
      abort(body, AbortReason::sealed);
      return false;
    }
    // The hint was read from the tail before this status: below it everything is decided, so
    // "undecided" means "not claimed below the hint" (I5).
    if (!base::mutated(Mutant::no_status_before_claim) && !is_undecided(body)) return false;
    if (base::mutated(Mutant::abort_on_gate) &&
        !(store_.control().gate.load_acquire() & 1)) {  // [gate]
      abort(body, AbortReason::sealed);
      return false;
    }
    if (base::mutated(Mutant::epoch_before_scan) && body.epoch < hint_epoch_) {
      abort(body, AbortReason::sealed);
      return false;
    }
    for (uint64_t p = from;;) {
      LogSlot& slot = store_.slot(p);
      // [claim] Acquire: who sees a claim sees its instance's body.
      const uint64_t slot_lsn = slot.lo.load_acquire();
      const uint64_t content = slot.hi.load_relaxed();
      // [claim] Fence: content before the second look at the LSN.
      base::acquire_fence();
      if (slot.lo.load_relaxed() != slot_lsn) continue;
      if (slot_lsn == p) {
        if (content == body.reference) {
          lsn = p;
          return true;
        }
        if (!is_reference(content) && mark_ends(content, body.epoch) &&
            !base::mutated(Mutant::seal_ignored)) {
          abort(body, AbortReason::sealed);
          help_gate(content, p);
          return false;
        }
        if (++p - from <= base::tuning.tail_lag_max) continue;
        // [tail] Everything below is decided.
        const uint64_t tail = store_.control().tail.load_acquire();
        if (tail + base::tuning.tail_lag_max / 2 <= p) walk_tail(tail, p);
        refresh_hint();
        break;
      }
      if (slot_lsn == p - store_.ring_slots()) {
        if (body.epoch < hint_epoch_ && !base::mutated(Mutant::no_hint_epoch)) {
          // Its epoch is over and the mark was not met: it lies below the hint, and behind a mark
          // nobody of that epoch claims. Only here: the epoch may have ended above the hint, with
          // our claim between them.
          abort(body, AbortReason::sealed);
          return false;
        }
        if (p == from) {
          // A hint beyond the end would leave a hole: the slot before the first empty one is
          // filled, or lapped if this process slept since it looked.
          const uint64_t previous = store_.slot(p - 1).lo.load_relaxed();
          if (previous == p - 1 - store_.ring_slots()) contain_damage();
          if (previous != p - 1) {
            refresh_hint();
            break;
          }
        }
        // [claim] LINEARIZATION POINT of a commit: every cell of the write set changes value here,
        // at once. Release: the locks above are visible to whoever meets the claim.
        if (slot.cas16_acq_rel({slot_lsn, content}, {p, body.reference})) {
          lsn = p;
          return true;
        }
        continue;
      }
      refresh_hint();  // the slot is a lap ahead: the hint is old
      break;
    }
  }
}

Decision Executor::read_decision(const Body& body) {
  // [decide] Acquire, detail between two looks at the status.
  const uint64_t status = body.descriptor->status.lo.load_acquire();
  if (!is_instance(status, body.sequence)) return {};
  const uint64_t detail = body.descriptor->status.hi.load_relaxed();
  // [decide] Fence: detail before the second look.
  base::acquire_fence();
  if (body.descriptor->status.lo.load_relaxed() != status) return {};
  const State state = status_state(status);
  if (state == State::committed || state == State::aborted) return {state, detail};
  contain_damage();
  return {};
}

void Executor::apply_and_release(const Body& body, const Decision& decision, const Held& held) {
  bool first = true;
  for (uint32_t i = 0, end; i < body.count; i = end) {
    const EntryValue& entry = body.entries[i];
    end = end_of_cell(body, i);
    Cell& cell = store_.cell(entry.unit());
    // [release] Acquire: if the lock is still ours the words are ours to write.
    if (cell.state.load_acquire() == body.reference) {
      uint64_t version = decision.detail;
      const bool writes = decision.state == State::committed &&
                          write_words(cell, {body.entries + i, end - i}, decision.detail);
      if (!writes)
        version = is_strict(entry.mode())                      ? entry.a
                  : base::mutated(Mutant::any_release_to_read) ? 0
                  : held[i] != 0                               ? held[i]
                                                               : greatest_word_version(entry.unit());
      // [release] The words above are visible to whoever sees the cell free. The reference never
      // recurs, so this cannot free a later lock.
      if (!base::mutated(Mutant::owner_skips_release))
        cell.state.cas_acq_rel(body.reference, version);
    }
    if (first) base::fault_point(FaultPoint::commit_after_first_release);
    first = false;
  }
}

// What a committed instance writes into one cell; false: nothing.
bool Executor::write_words(Cell& cell, std::span<const EntryValue> entries, uint64_t position) {
  bool writes = false;
  for (const EntryValue& entry : entries) {
    const Mode mode = entry.mode();
    if (mode != Mode::set && mode != Mode::add) continue;
    writes = true;
    Word& word = cell.word(entry.word());
    // Bounded: a failed CAS means that another executor of this instance, or a later commit, has
    // written the word; versions only grow.
    for (;;) {
      // [word] Acquire: version before value.
      const uint64_t version = word.hi.load_acquire();
      if (version >= position) break;
      const uint64_t old = word.lo.load_relaxed();
      const uint64_t value = mode == Mode::add ? old + entry.a : entry.b;
      if (base::mutated(Mutant::plain_value_store)) {
        word.lo.store_relaxed(value);
        word.hi.store_release(position);  // [word]
        break;
      }
      // [word] Value and version at once: a late executor's expected pair never recurs.
      if (word.cas16_acq_rel({old, version}, {value, position})) break;
    }
    base::fault_point(FaultPoint::commit_after_first_word);
  }
  return writes;
}

uint64_t Executor::greatest_word_version(Unit unit) const {
  Cell& cell = store_.cell(unit);
  uint64_t greatest = 0;
  const uint32_t words = store_.word_count(unit);
  for (uint32_t i = 0; i < words; ++i)
    greatest = std::max(greatest, cell.word(i).hi.load_relaxed());
  return greatest & ~kReferenceBit;  // a version has none: the cell becomes free, whatever it holds
}

// False: the instance was recycled, so it is decided and all its locks were released; or it is none
// that anybody wrote, and then nobody can run it.
bool Executor::copy_body(uint64_t reference, BodyCopy& copy) {
  Descriptor* descriptor = store_.find_descriptor(reference);
  if (!descriptor) return false;
  Body& body = copy.body;
  body.reference = reference;
  body.sequence = reference_sequence(reference);
  body.descriptor = descriptor;
  body.entries = copy.entries;
  // [publish] Acquire: pairs with the owner's publication of the body.
  const uint64_t before = descriptor->status.lo.load_acquire();
  if (!is_instance(before, body.sequence)) return false;
  body.undecided = make_status(status_sequence(before), State::undecided);
  const uint64_t head = descriptor->head.load_relaxed();
  body.epoch = descriptor->epoch.load_relaxed();
  body.count = std::min<uint32_t>(head & 0xff, kEntriesMax);
  body.event_1 = static_cast<uint32_t>(head >> 32);
  body.judged_count = 0;
  bool in_bounds = status_state(before) != State::initial;  // those have locked nothing yet
  for (uint32_t i = 0; i < body.count; ++i) {
    const Entry& entry = descriptor->entries[i];
    copy.entries[i] = {entry.where.load_relaxed(), entry.a.load_relaxed(), entry.b.load_relaxed(),
                       entry.c.load_relaxed()};
    body.judged_count += !is_strict(copy.entries[i].mode());
    in_bounds &= store_.is_cell(copy.entries[i].unit(), copy.entries[i].word());
  }
  // [recycle] Fence: the body before the second look. An owner that stored a newer body had raised
  // the sequence before, so a torn copy is seen here.
  base::acquire_fence();
  if (is_instance(descriptor->status.lo.load_relaxed(), body.sequence)) {
    if (!in_bounds) contain_damage();
    return in_bounds;
  }
  // [recycle] "Recycled" is also a statement about its locks: all released, and that is visible.
  base::acquire_fence();
  return false;
}

// Bytes that no crash and no race leaves behind. Nothing more is committed, reading goes on; what
// stands in somebody's way is taken for a leftover, so that nobody waits for it.
void Executor::contain_damage() {
  const uint64_t epoch = store_.control().gate.load_acquire() >> 1;  // [gate]
  raise_quarantine(epoch);
  close_gate(epoch);
}

void Executor::raise_quarantine(uint64_t epoch) {
  base::AtomicU64& shared = store_.control().quarantine;
  // [quarantine] Bounded: it only grows. Before the gate is shut: who finds it shut by this sees why.
  for (uint64_t seen = shared.load_relaxed(); seen < epoch; seen = shared.load_relaxed())
    if (shared.cas_acq_rel(seen, epoch)) return;
}

// A lock put back by a late helper of an aborted instance, or on a guarded cell: the words are
// intact, since nothing is written before a decision, and after it only while the lock is held.
void Executor::remove_leftover(uint64_t reference, Unit unit) {
  if (base::mutated(Mutant::no_leftover_repair)) return;
  // [release] The reference never recurs: this removes that very leftover or nothing.
  if (store_.cell(unit).state.cas_acq_rel(reference, greatest_word_version(unit)))
    ++counts_.leftovers;
}

}  // namespace casbook::commit
