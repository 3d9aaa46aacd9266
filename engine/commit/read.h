// Reading cells. Two ways:
//
//  read  for planning a commit: a taken cell is helped to its end first (writes to the arena)
//  peek  for observers: writes nothing, so a read-only mapping suffices; looks through a lock by
//        asking its descriptor and the log
//
// Both answer all words of the cell as of one version. Lock-free: a retry means a commit elsewhere.
#pragma once

#include "commit/executor.h"

namespace casbook::commit {

struct CellImage {
  uint64_t version = 0;  // of the cell: position of its last writer
  uint32_t count = 0;
  uint64_t value[kCellWordsMax];
  uint64_t word_version[kCellWordsMax];
};

// The first `words` words (at most the cell's). Cost: 3 loads and one per word.
void read_cell(const Store& store, Executor& executor, Unit unit, uint32_t words, CellImage& image);
void peek_cell(const Store& store, Unit unit, uint32_t words, CellImage& image);

// The fast half of peek_cell: the first N values and the cell's version, when the cell is free and
// stays so while it is read.
template <uint32_t N>
inline bool try_peek(const Store& store, Unit unit, uint64_t (&values)[N], uint64_t& version) {
  Cell& cell = store.cell(unit);
  version = cell.state.load_acquire();  // [release]
  if (is_reference(version)) return false;
  for (uint32_t i = 0; i < N; ++i) values[i] = (&cell.words[0])[i].lo.load_relaxed();
  base::acquire_fence();  // [lock]
  return cell.state.load_relaxed() == version;
}

// One word, no helping, no write: the nanosecond read of a balance. Falls back to peek_cell when
// the cell is taken. The version is the word's.
struct WordImage {
  uint64_t value, version;
};
WordImage peek_word(const Store& store, Unit unit, uint32_t word);

}  // namespace casbook::commit
