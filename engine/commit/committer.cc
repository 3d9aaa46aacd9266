#include "commit/committer.h"

#include <algorithm>

#include <casbook/types.h>

#include "base/assert.h"
#include "base/trace.h"

namespace casbook::commit {

using base::FaultPoint;
using base::Mutant;

Committer::Committer(const Store& store, uint32_t session)
    : store_(store), executor_(store), retention_(store), session_(session) {
  next_lsn_ = executor_.hint();
}

Committer::Pending Committer::pending_record() {
  const uint64_t next = store_.session(session_).next.load_relaxed();  // ours alone
  const auto index = static_cast<uint32_t>(next % kDescriptorsPerSession);
  if (free_ >> index & 1) return {false, index, 0};
  const Descriptor& descriptor = store_.descriptor(session_, index);
  // Our own, undecided: a signal handler or longjmp left commit() half way. Finish it first.
  if (status_state(descriptor.status.lo.load_relaxed()) == State::undecided)
    executor_.run_session(session_);
  // Relaxed: the owner released the cells of this instance itself, or proved its death.
  const uint64_t status = descriptor.status.lo.load_relaxed();
  if (status_state(status) != State::committed || base::mutated(Mutant::reuse_unrecorded))
    return {false, index, 0};
  const uint64_t lsn = Position{descriptor.status.hi.load_relaxed()}.lsn();
  const uint64_t recorded = store_.index(lsn).lo.load_relaxed();
  if (recorded >= lsn || lsn < retention_.floor()) return {false, index, lsn};
  return {true, index, lsn};
}

void Committer::commit(const WriteSet& set, CommitResult& result) {
  result = {};
  // [gate] The one extra load of the fast path: the epoch under which this is published.
  const uint64_t gate = store_.control().gate.load_acquire();
  if (set.is_doomed()) {
    result.outcome = Outcome::conflict;
  } else if (!(gate & 1 && store_.is_leading()) && !is_applier_) {
    result.outcome = Outcome::sealed;
  } else {
    const Pending pending = pending_record();
    if (pending.is_pending || !retention_.admits(std::max(next_lsn_, executor_.hint()))) {
      result.outcome = Outcome::backpressure;
    } else {
      base::prefetch_for_write(&store_.slot(next_lsn_));
      const Body body = publish(pending.descriptor, set, gate >> 1);
      const Decision decision = executor_.run(body);
      result.descriptor = pending.descriptor;
      if (decision.state == State::committed) {
        base::fault_point(FaultPoint::commit_after_release);
        result.outcome = Outcome::committed;
        result.position = decision.detail;
        next_lsn_ = Position{decision.detail}.lsn() + 1;
        CASBOOK_TRACE(commit, session_, decision.detail, body.count);
      } else if (static_cast<AbortReason>(decision.detail & 0xff) == AbortReason::refused) {
        result.outcome = Outcome::refused;
        result.refused_entry = static_cast<uint32_t>(decision.detail >> 8);
      } else if (static_cast<AbortReason>(decision.detail & 0xff) == AbortReason::sealed) {
        // The epoch ended under us. If another is open already, that is a conflict like any other.
        executor_.refresh_hint();
        const bool is_open =
            store_.control().gate.load_acquire() & 1 && store_.is_leading();  // [gate]
        result.outcome = is_open ? Outcome::conflict : Outcome::sealed;
      }
      if (decision.state != State::committed)
        CASBOOK_TRACE(abort, session_, static_cast<uint32_t>(result.outcome), body.count,
                      result.refused_entry);
    }
  }
  count(result.outcome);
}

// Crash windows: W0 recycled, body not written: nobody has a reference. W1 published, nothing
// locked: whoever takes the session over runs it; the payer finds the answer under its id.
Body Committer::publish(uint32_t index, const WriteSet& set, uint64_t epoch) {
  Descriptor& descriptor = store_.descriptor(session_, index);
  const uint64_t old_status = descriptor.status.lo.load_relaxed();
  CASBOOK_ASSERT(status_state(old_status) != State::undecided);
  const uint64_t sequence = status_sequence(old_status) + 1;
  // [recycle] Release: who sees the descriptor recycled also sees its locks gone.
  descriptor.status.lo.store_release(make_status(sequence, State::initial));
  free_ &= ~(1u << index);
  // [recycle] Fence: who sees the new body sees that it was recycled. Without it a helper could
  // take half of the new body for the old one.
  base::release_fence();
  base::fault_point(FaultPoint::commit_after_init);
  descriptor.status.hi.store_relaxed(0);
  descriptor.head.store_relaxed(set.head());
  descriptor.epoch.store_relaxed(epoch);
  descriptor.time_ms.store_relaxed(set.time_ms());
  const auto entries = set.entries();
  const auto count = static_cast<uint32_t>(entries.size());
  base::store_words_relaxed(&descriptor.entries[0].where, set.entry_words().data(), 4 * count);
  if (set.has_agreed_entries()) reset_agreed(descriptor, entries, (sequence & kSequenceMask) << 1);
  const auto notes = set.notes();
  base::store_words_relaxed(descriptor.note, notes.data(), static_cast<uint32_t>(notes.size()));
  // [publish] Release: from here on helpers may run it.
  descriptor.status.lo.store_release(make_status(sequence, State::undecided));
  store_.session(session_).next.store_relaxed(store_.session(session_).next.load_relaxed() + 1);
  base::fault_point(FaultPoint::commit_after_publish);

  Body body;
  body.sequence = sequence & kSequenceMask;
  body.undecided = make_status(sequence, State::undecided);
  body.reference = make_reference(session_, index, sequence);
  body.epoch = epoch;
  body.descriptor = &descriptor;
  body.count = count;
  body.event_1 = set.event_1();
  body.judged_count = set.judged_count();
  body.entries = entries.data();
  return body;
}

// By CAS and never by plain stores: a stopped executor of an older instance may strike this word
// with its own CAS at any moment. Bounded by the number of such executors.
void Committer::reset_agreed(Descriptor& descriptor, std::span<const EntryValue> entries,
                             uint64_t tag) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!is_agreed(entries[i].mode())) continue;
    base::AtomicPair& agreed = descriptor.agreed[i];
    for (;;) {
      const base::Pair seen{agreed.lo.load_relaxed(), agreed.hi.load_relaxed()};
      // [agree] From here on only this instance's executors can succeed.
      if (agreed.cas16_acq_rel(seen, {0, tag})) break;
    }
  }
}

uint64_t Committer::agreed_value(uint32_t descriptor, uint32_t entry) const {
  return store_.descriptor(session_, descriptor).agreed[entry].lo.load_relaxed();
}

// Statistics, written by this session alone; readers may see them late.
void Committer::count(Outcome outcome) {
  arena::SessionSlot& slot = store_.session(session_);
  base::AtomicU64& counter = outcome == Outcome::committed  ? slot.commits
                             : outcome == Outcome::conflict ? slot.conflicts
                                                            : slot.refusals;
  counter.store_relaxed(counter.load_relaxed() + 1);
  const ExecutorCounts& counts = executor_.counts();
  if (counts == counted_) return;
  slot.helps.store_relaxed(slot.helps.load_relaxed() + counts.helped - counted_.helped);
  slot.leftovers.store_relaxed(slot.leftovers.load_relaxed() + counts.leftovers -
                               counted_.leftovers);
  counted_ = counts;
}

}  // namespace casbook::commit
