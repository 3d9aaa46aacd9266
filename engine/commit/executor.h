// Brings descriptor instances to their end: lock, judge, claim, note, apply, release.
// Every step is idempotent; owner and any number of helpers execute them at once.
//
// PROTOCOL.md beside this file states the steps, invariants, crash windows and memory orders.
//
// Progress: lock-free, and no dead or stopped process delays anybody. Helping is a loop: whoever
// finds a cell taken runs the taker to its end, following blockers to ever higher cells, and then
// starts over with its own instance.
#pragma once

#include <span>

#include "commit/store.h"

namespace casbook::commit {

struct Decision {
  State state = State::initial;  // committed, aborted; initial: the instance was recycled
  uint64_t detail = 0;           // position, or reason
};

// An instance as an executor works on it: a private copy of the body.
struct Body {
  uint64_t reference = 0, sequence = 0, epoch = 0;
  uint64_t undecided = 0;  // the status word while it is undecided, with the whole sequence
  Descriptor* descriptor = nullptr;
  uint32_t count = 0, judged_count = 0, event_1 = 0;
  const EntryValue* entries = nullptr;
};

// What an executor did, for statistics and tests.
struct ExecutorCounts {
  uint64_t helped = 0, leftovers = 0, locks_lost = 0;
  bool operator==(const ExecutorCounts&) const = default;
};

class Executor {
 public:
  explicit Executor(const Store& store) : store_(store) { refresh_hint(); }

  // Runs the instance to its end, helping whoever is in the way.
  Decision run(const Body& body);
  // Helps the instance that `reference`, seen in the state of `unit`, names; or removes the lock if
  // it is a leftover of a recycled instance.
  void help(uint64_t reference, Unit unit);
  // Runs every descriptor of a session whose owner is proven dead (or closing). Idempotent.
  void run_session(uint32_t session);

  // Marks, see marks.cc. Both return the LSN of the mark, or 0 when the epoch is already over.
  uint64_t seal(uint64_t epoch) { return mark(Kind::seal, epoch); }
  uint64_t open(uint64_t epoch) { return mark(Kind::open, epoch); }
  // A term that another arena opened, at `start`, goes on here by being applied: noted, and the gate
  // moved to it, shut. For the one applier of a follower, see marks.cc.
  void follow_term(uint64_t epoch, uint64_t start_lsn);
  // Says that epochs up to this one are shut for a quarantine; to be called before they are.
  void raise_quarantine(uint64_t epoch);

  // A fresh lower bound of the first empty slot, with the epoch read after it.
  void refresh_hint();
  uint64_t hint() const { return hint_; }
  // The first empty log slot, by scanning from the tail. Everything below is claimed.
  uint64_t first_empty();

  const ExecutorCounts& counts() const { return counts_; }

 private:
  struct BodyCopy;
  // Per entry that is the first of its cell: the version that the cell had when this executor
  // locked it; 0: another executor did, or the cell was never written.
  using Held = uint64_t[kEntriesMax];
  enum class Step { decided, blocked };
  struct Blocker {
    uint64_t reference = 0;
    Unit unit = 0;
  };

  // One pass over an instance; `blocked` when a cell is taken by another.
  Step advance(const Body& body, Blocker& blocker, Decision& decision);
  static uint32_t end_of_cell(const Body& body, uint32_t i);
  Step lock_cells(const Body& body, Blocker& blocker, bool& undecided, Held& held);
  static bool is_undecided(const Body& body);
  static void abort(const Body& body, AbortReason reason, uint64_t extra = 0);
  bool judge(const Body& body, uint32_t& failed_entry);
  // True: claimed at `lsn`. False: decided by somebody, or aborted here.
  bool claim(const Body& body, uint64_t& lsn);
  Decision read_decision(const Body& body);
  void apply_and_release(const Body& body, const Decision& decision, const Held& held);
  static bool write_words(Cell& cell, std::span<const EntryValue> entries, uint64_t position);
  uint64_t greatest_word_version(Unit unit) const;

  bool copy_body(uint64_t reference, BodyCopy& copy);
  void contain_damage();
  void remove_leftover(uint64_t reference, Unit unit);

  // tail.cc
  void pass_own_claim(uint64_t lsn);
  void help_tail(uint64_t lsn);
  void walk_tail(uint64_t from, uint64_t to);
  void note_committed(uint64_t reference, uint64_t lsn);
  // marks.cc
  uint64_t mark(Kind kind, uint64_t epoch);
  void help_gate(uint64_t mark, uint64_t lsn);
  void note_term(uint64_t epoch, uint64_t lsn);
  void raise_gate(uint64_t gate);
  void close_gate(uint64_t epoch);

  const Store& store_;
  // Private to this attachment: never carried to another arena, where it could lie past the end.
  uint64_t hint_ = 0, hint_epoch_ = 0;
  uint64_t tail_seen_ = 0;
  ExecutorCounts counts_;
};

}  // namespace casbook::commit
