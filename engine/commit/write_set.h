// A write set: what one commit is to do, gathered in private memory.
//
// A word is named once (asserted); a cell is read at one version. Two reads of one cell at
// different versions are an ordinary race: the set is then doomed and answers a conflict without
// being tried.
#pragma once

#include <algorithm>
#include <span>

#include "base/assert.h"
#include "commit/descriptor.h"

namespace casbook::commit {

class WriteSet {
 public:
  void clear() {
    count_ = note_count_ = event_1_ = modes_ = judged_ = 0;
    kind_ = Kind::none, doomed_ = false;
  }

  // Strict: the cell must still have `cell_version` when it is locked.
  void set(Unit unit, uint32_t word, uint64_t cell_version, uint64_t value, uint64_t old_value) {
    put(make_where(unit, word, Mode::set), cell_version, value, old_value);
  }
  void guard(Unit unit, uint64_t cell_version) {
    put(make_where(unit, kNoWord, Mode::guard), cell_version, 0, 0);
  }
  // Any version: judged under the locks, see Mode.
  void add(Unit unit, uint32_t word, int64_t delta, int64_t min, int64_t max) {
    put(make_where(unit, word, Mode::add), static_cast<uint64_t>(delta),
        static_cast<uint64_t>(min), static_cast<uint64_t>(max));
  }
  void check(Unit unit, uint32_t word, uint64_t word_version) {
    put(make_where(unit, word, Mode::check), word_version, 0, 0);
  }
  void deny(Unit unit, uint32_t word, int64_t delta, int64_t min, int64_t max) {
    put(make_where(unit, word, Mode::deny), static_cast<uint64_t>(delta),
        static_cast<uint64_t>(min), static_cast<uint64_t>(max));
  }

  void describe(Kind kind, int64_t time_ms) { kind_ = kind, time_ms_ = time_ms; }
  void note(uint64_t word) { note({&word, 1}); }
  void note(std::span<const uint64_t> words) {
    CASBOOK_ASSERT(note_count_ + words.size() <= kNoteWordsMax);
    std::copy(words.begin(), words.end(), note_ + note_count_);
    note_count_ += static_cast<uint32_t>(words.size());
  }
  // Who waits on this event is woken when the commit is decided.
  void wake(uint32_t event) { event_1_ = event + 1; }

  bool is_doomed() const { return doomed_; }
  // Of any version, so judged under the locks; with an old value that the executors agree on.
  uint32_t judged_count() const { return judged_; }
  bool has_agreed_entries() const { return modes_ & (bit(Mode::add) | bit(Mode::deny)); }
  std::span<const EntryValue> entries() const { return {entries_, count_}; }
  // The same as a run of words, four for each.
  std::span<const uint64_t> entry_words() const { return {&entries_[0].where, 4u * count_}; }
  std::span<const uint64_t> notes() const { return {note_, note_count_}; }
  uint64_t head() const { return make_head(count_, note_count_, kind_, event_1_); }
  Kind kind() const { return kind_; }
  uint64_t time_ms() const { return static_cast<uint64_t>(time_ms_); }
  uint32_t event_1() const { return event_1_; }

 private:
  static constexpr uint32_t bit(Mode mode) { return 1u << static_cast<uint32_t>(mode); }

  // Keeps the entries sorted by cell and word; mostly they come in that order. Word by word: a
  // whole entry would be copied by 16 bytes, which the processor cannot forward from its stores.
  void put(uint64_t where, uint64_t a, uint64_t b, uint64_t c) {
    modes_ |= 1u << (where & 7);
    judged_ += (where & 7) > static_cast<uint64_t>(Mode::guard);
    const uint32_t count = count_;
    if (count >= kEntriesMax || (count > 0 && !follows(entries_[count - 1], where, a)))
      return put_slow({where, a, b, c});
    EntryValue& entry = entries_[count];
    entry.where = where, entry.a = a, entry.b = b, entry.c = c;
    count_ = count + 1;
  }
  // Behind `last`, in another cell or strict at the same version: nothing to check.
  static bool follows(const EntryValue& last, uint64_t where, uint64_t a) {
    const bool other_cell = (last.where ^ where) >> 8;
    const bool both_strict = ((last.where | where) & 7) <= static_cast<uint64_t>(Mode::guard);
    return last.where < where && (other_cell || (both_strict && last.a == a));
  }
  void put_slow(const EntryValue& entry);
  void check_neighbours(uint32_t at);

  uint32_t count_ = 0, note_count_ = 0, event_1_ = 0;
  uint32_t modes_ = 0;  // a bit per mode that occurs
  uint32_t judged_ = 0;
  Kind kind_ = Kind::none;
  bool doomed_ = false;
  int64_t time_ms_ = 0;
  EntryValue entries_[kEntriesMax];
  uint64_t note_[kNoteWordsMax];
};

}  // namespace casbook::commit
