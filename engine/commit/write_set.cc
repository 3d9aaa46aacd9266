#include "commit/write_set.h"

namespace casbook::commit {

void WriteSet::put_slow(const EntryValue& entry) {
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
