// Cells: where all state of a book lives.
//
//   +0   state        version of the last writer when free; a reference (top bit set) when taken
//   +8   word_count   3, 7, 15 or 31: written once at format
//   +16  words        {value, version} each; version = position of the commit that wrote the word
//
// A cell is 64, 128, 256 or 512 bytes and is named by its unit, a 64-byte index into the region.
//
// I1  A free state is a version; versions of a cell strictly increase; the greatest word version is
//     the cell's. Version 0 = never written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/atomic.h"
#include "base/limits.h"

namespace casbook::commit {

using Word = base::AtomicPair;  // lo = value, hi = version

struct Cell {
  base::AtomicU64 state;
  base::AtomicU64 word_count;
  Word words[1];  // word_count of them

  Word& word(uint32_t index) { return words[index]; }
};
static_assert(offsetof(Cell, words) == 16 && std::is_standard_layout_v<Cell>);
static_assert(offsetof(Cell, word_count) == 8 && sizeof(Word) == 16);
static_assert(std::has_unique_object_representations_v<Cell>);

constexpr uint64_t kUnitBytes = 64;
constexpr uint64_t units_of(uint32_t word_count) { return (16 + 16 * word_count) / kUnitBytes; }
static_assert(units_of(3) == 1 && units_of(7) == 2 && units_of(15) == 4 && units_of(31) == 8);

using Unit = uint64_t;  // which cell

// A reference names one instance of a descriptor: 1 | sequence:50 | session:10 | descriptor:3.
// It never recurs (base/limits.h has the arithmetic), so a CAS that expects one cannot hit another.
constexpr uint64_t kReferenceBit = uint64_t{1} << 63;
constexpr uint64_t kSequenceMask = (uint64_t{1} << kSequenceBits) - 1;

constexpr bool is_reference(uint64_t state) { return state & kReferenceBit; }
constexpr uint64_t make_reference(uint32_t session, uint32_t descriptor, uint64_t sequence) {
  return kReferenceBit | (sequence & kSequenceMask) << (kSessionBits + kDescriptorBits) |
         uint64_t{session} << kDescriptorBits | descriptor;
}
constexpr uint64_t reference_sequence(uint64_t ref) {
  return (ref & ~kReferenceBit) >> (kSessionBits + kDescriptorBits);
}
// Session and descriptor in one: the index into the descriptors region.
constexpr uint64_t reference_slot(uint64_t ref) {
  return ref & ((uint64_t{1} << (kSessionBits + kDescriptorBits)) - 1);
}

}  // namespace casbook::commit
