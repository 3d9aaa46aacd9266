// One cell as it stands in a checkpoint: the words that were ever written, each with its value and,
// where it is not the cell's, its version. 8-byte words:
//
//   0   unit: 40 bits; the others zero
//   1   which words are written: a bit each, 32 bits | which of them have a version of their own
//   2   version of the cell, which is that of its newest word
//   3   values of the written words, then the versions of those that have their own
#pragma once

#include <bit>
#include <span>

#include "commit/read.h"

namespace casbook::journal {

constexpr uint32_t kCellItemHeadWords = 3;
constexpr uint32_t kCellItemWordsMax = kCellItemHeadWords + 2 * kCellWordsMax;
constexpr uint64_t kCellItemUnitMask = (uint64_t{1} << 40) - 1;

struct CellItem {
  commit::Unit unit = 0;
  uint64_t version = 0;
  uint32_t written = 0, own = 0;
  std::span<const uint64_t> values, versions;

  uint32_t words() const {
    return kCellItemHeadWords + static_cast<uint32_t>(values.size() + versions.size());
  }
  // Words that its cell must have.
  uint32_t words_needed() const { return static_cast<uint32_t>(std::bit_width(written)); }
};

// Encodes the cell as it is now, all its words of one version; writes nothing to the arena. `out`
// has room for one word more than kCellItemWordsMax. Returns the words used: 0 when the cell was
// never written, more than kCellItemWordsMax when it is damaged: its version is not that of its
// newest word.
uint32_t encode_cell(const commit::Store& store, commit::Unit unit, uint32_t words, uint64_t* out);

// What stands at the beginning of `words`. False: nothing that encode_cell() makes.
bool parse_cell(std::span<const uint64_t> words, CellItem& item);

}  // namespace casbook::journal
