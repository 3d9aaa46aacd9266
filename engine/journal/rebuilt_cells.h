// The cells of a store that is being rebuilt: what stands where, and words brought forward by
// several threads at once. Nobody else sees the store.
//
// A word is replaced when what comes is newer, by one 16-byte CAS; a cell's state is raised to the
// newest version. So the order in which words come does not matter, nor does it when they come
// twice. What a unit is, is asked of the tables and never of the memory: units come from disk.
#pragma once

#include "commit/store.h"

namespace casbook::journal {

// The tables of cells, as a header says they lie.
class CellMap {
 public:
  explicit CellMap(const arena::FixedHeader& header);
  // Of the cell that begins at `unit`; 0: none does.
  uint32_t words_of(commit::Unit unit) const {
    for (const Table& table : tables_) {
      const uint64_t distance = unit - table.first;
      if (distance < table.units) return (distance & table.step_mask) == 0 ? table.words : 0;
    }
    return 0;
  }

 private:
  struct Table {
    uint64_t first, units, step_mask;
    uint32_t words;
  };
  Table tables_[arena::kCellTableCount];  // the ones asked for most first
};

class RebuiltCells {
 public:
  explicit RebuiltCells(const commit::Store& store)
      : store_(store), map_(store.mapping().header()) {}

  const CellMap& map() const { return map_; }
  // Any number will do.
  void prefetch(commit::Unit unit) const {
    if (unit < store_.units()) base::prefetch_for_write(&store_.cell(unit));
  }
  void prefetch(commit::Unit unit, uint32_t word) const {
    if (unit < store_.units()) base::prefetch_for_write(&store_.cell(unit).word(word));
  }
  // For a word that words_of() has; the version is no reference. Its cell's state is left behind
  // until raise_state().
  void raise_word(commit::Unit unit, uint32_t word, uint64_t value, uint64_t version) const {
    commit::Word& target = store_.cell(unit).word(word);
    // Progress: a CAS that fails means that another thread raised the word, or that the two halves
    // were loaded around its CAS.
    for (;;) {
      const uint64_t old_version = target.hi.load_relaxed();
      if (old_version >= version && !base::mutated(base::Mutant::replay_ignores_versions)) return;
      // [word] The one edge there is: the newest of all threads stays.
      if (target.cas16_acq_rel({target.lo.load_relaxed(), old_version}, {value, version})) return;
    }
  }
  void raise_state(commit::Unit unit, uint64_t version) const {
    commit::Cell& cell = store_.cell(unit);
    // Progress: as in raise_word().
    for (uint64_t old = cell.state.load_relaxed(); old < version; old = cell.state.load_relaxed())
      if (cell.state.cas_acq_rel(old, version)) return;  // [release]
  }

 private:
  const commit::Store& store_;
  CellMap map_;
};

}  // namespace casbook::journal
