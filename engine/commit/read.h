// Reading cells. Two ways:
//
//  read  for planning a commit: a taken cell is helped to its end first (writes to the arena)
//  peek  for observers: writes nothing, so a read-only mapping suffices; looks through a lock by
//        asking its descriptor and the log
//
// Both answer all words of the cell as of one version. Lock-free: a retry means a commit elsewhere.
#pragma once

#include <algorithm>

#include "commit/executor.h"

namespace casbook::commit {

struct CellImage {
  uint64_t version = 0;  // of the cell: position of its last writer
  uint32_t count = 0;
  uint64_t value[kCellWordsMax];
  uint64_t word_version[kCellWordsMax];
};

// The first `words` words (at most the cell's). Cost: 2 loads and two per word.
void read_cell(const Store& store, Executor& executor, Unit unit, uint32_t words, CellImage& image);
void peek_cell(const Store& store, Unit unit, uint32_t words, CellImage& image);

// The same for a number known to the compiler: the common case inline, in registers.
template <uint32_t kWords>
struct CellWords {
  uint64_t version;
  uint64_t value[kWords];
  uint64_t word_version[kWords];
};
template <uint32_t kWords>
inline CellWords<kWords> read_cell(const Store& store, Executor& executor, Unit unit) {
  Cell& cell = store.cell(unit);
  CellWords<kWords> words;
  words.version = cell.state.load_acquire();  // [release]
  for (uint32_t i = 0; i < kWords; ++i) {
    words.value[i] = cell.word(i).lo.load_relaxed();
    words.word_version[i] = cell.word(i).hi.load_relaxed();
  }
  base::acquire_fence();  // [lock]
  if (!is_reference(words.version) && cell.state.load_relaxed() == words.version) return words;
  CellImage image;
  read_cell(store, executor, unit, kWords, image);
  words.version = image.version;
  std::copy_n(image.value, kWords, words.value);
  std::copy_n(image.word_version, kWords, words.word_version);
  return words;
}

struct WordImage {
  uint64_t value, version;  // the version is the word's
};
// One word of a cell, for planning.
inline WordImage read_word(const Store& store, Executor& executor, Unit unit, uint32_t word) {
  Cell& cell = store.cell(unit);
  const uint64_t state = cell.state.load_acquire();  // [release]
  const WordImage image{cell.word(word).lo.load_relaxed(), cell.word(word).hi.load_relaxed()};
  base::acquire_fence();  // [lock]
  if (!is_reference(state) && cell.state.load_relaxed() == state) return image;
  CellImage all;
  read_cell(store, executor, unit, word + 1, all);
  return {all.value[word], all.word_version[word]};
}

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
// the cell is taken.
WordImage peek_word(const Store& store, Unit unit, uint32_t word);

}  // namespace casbook::commit
