#include "commit/write_set.h"

#include "base/assert.h"

namespace casbook::commit {

void WriteSet::set(Unit unit, uint32_t word, uint64_t cell_version, uint64_t value,
                   uint64_t old_value) {
  put({make_where(unit, word, Mode::set), cell_version, value, old_value});
}

void WriteSet::guard(Unit unit, uint64_t cell_version) {
  put({make_where(unit, kNoWord, Mode::guard), cell_version, 0, 0});
}

void WriteSet::add(Unit unit, uint32_t word, int64_t delta, int64_t min, int64_t max) {
  put({make_where(unit, word, Mode::add), static_cast<uint64_t>(delta), static_cast<uint64_t>(min),
       static_cast<uint64_t>(max)});
}

void WriteSet::check(Unit unit, uint32_t word, uint64_t word_version) {
  put({make_where(unit, word, Mode::check), word_version, 0, 0});
}

void WriteSet::deny(Unit unit, uint32_t word, int64_t delta, int64_t min, int64_t max) {
  put({make_where(unit, word, Mode::deny), static_cast<uint64_t>(delta), static_cast<uint64_t>(min),
       static_cast<uint64_t>(max)});
}

void WriteSet::note(uint64_t word) {
  CASBOOK_ASSERT(note_count_ < kNoteWordsMax);
  note_[note_count_++] = word;
}

bool WriteSet::has_judged_entries() const {
  for (const EntryValue& entry : entries())
    if (!is_strict(entry.mode())) return true;
  return false;
}

// Keeps the entries sorted by cell and word: sets are small and mostly made in order.
void WriteSet::put(const EntryValue& entry) {
  CASBOOK_ASSERT(count_ < kEntriesMax);
  uint32_t at = count_++;
  if (base::mutated(base::Mutant::unsorted_locks)) {
    entries_[at] = entry;
    return;
  }
  for (; at > 0 && entries_[at - 1].where > entry.where; --at) entries_[at] = entries_[at - 1];
  entries_[at] = entry;
  if (at > 0) check_neighbours(at);
  if (at + 1 < count_) check_neighbours(at + 1);
}

// Of the entry at `at` and the one before: a word is named once, a cell is strict or not, and its
// strict entries expect one version.
void WriteSet::check_neighbours(uint32_t at) {
  const EntryValue& one = entries_[at - 1];
  const EntryValue& other = entries_[at];
  if (one.unit() != other.unit()) return;
  CASBOOK_ASSERT(one.word() != other.word() || other.word() == kNoWord);
  CASBOOK_ASSERT(is_strict(one.mode()) == is_strict(other.mode()));
  if (is_strict(one.mode()) && one.a != other.a && !base::mutated(base::Mutant::mixed_versions))
    doomed_ = true;
}

}  // namespace casbook::commit
