// A write set: what one commit is to do, gathered in private memory.
//
// A word is named once (asserted); a cell is read at one version. Two reads of one cell at
// different versions are an ordinary race: the set is then doomed and answers a conflict without
// being tried.
#pragma once

#include <span>

#include "commit/descriptor.h"

namespace casbook::commit {

class WriteSet {
 public:
  void clear() { count_ = note_count_ = event_1_ = 0, kind_ = Kind::none, doomed_ = false; }

  // Strict: the cell must still have `cell_version` when it is locked.
  void set(Unit unit, uint32_t word, uint64_t cell_version, uint64_t value, uint64_t old_value);
  void guard(Unit unit, uint64_t cell_version);
  // Any version: judged under the locks, see Mode.
  void add(Unit unit, uint32_t word, int64_t delta, int64_t min, int64_t max);
  void check(Unit unit, uint32_t word, uint64_t word_version);
  void deny(Unit unit, uint32_t word, int64_t delta, int64_t min, int64_t max);

  void describe(Kind kind, int64_t time_ms) { kind_ = kind, time_ms_ = time_ms; }
  void note(uint64_t word);
  // Who waits on this event is woken when the commit is decided.
  void wake(uint32_t event) { event_1_ = event + 1; }

  bool is_doomed() const { return doomed_; }
  bool has_judged_entries() const;
  std::span<const EntryValue> entries() const { return {entries_, count_}; }
  std::span<const uint64_t> notes() const { return {note_, note_count_}; }
  uint64_t head() const { return make_head(count_, note_count_, kind_, event_1_); }
  Kind kind() const { return kind_; }
  uint64_t time_ms() const { return static_cast<uint64_t>(time_ms_); }
  uint32_t event_1() const { return event_1_; }

 private:
  void put(const EntryValue& entry);
  void check_neighbours(uint32_t at);

  uint32_t count_ = 0, note_count_ = 0, event_1_ = 0;
  Kind kind_ = Kind::none;
  bool doomed_ = false;
  int64_t time_ms_ = 0;
  EntryValue entries_[kEntriesMax];
  uint64_t note_[kNoteWordsMax];
};

}  // namespace casbook::commit
