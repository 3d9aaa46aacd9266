// What a book is at a position, in sums, and where another one is not the same.
//
//   leader     make(): cells that have not changed behind the position are what they were there;
//              the others are left out
//   follower   compare(): best when it has applied exactly that; else what has changed since, and
//              is not left out, makes its block say nothing
//
// The cells of a few KiB have sums of their own, by which a single word is told (place_sums.h).
// Beside them, of the last entries up to there: what they are made of (entry_sums.h).
//
// Called by the thread that applies, without a lock; others may commit meanwhile.
#pragma once

#include <string>

#include "commit/store.h"
#include "replicate/entry_sums.h"
#include "replicate/message.h"

namespace casbook::replicate {

struct DigestPlan {
  uint64_t term = 0, number = 0, index = 0;
  Position position;        // the last record at or before `index`
  uint64_t first_unit = 0;  // beyond the last one: from the beginning
  uint32_t blocks = 0;
};

// Where books are not the same.
struct Divergence {
  enum class Kind { cells, word, entries, entry };
  Kind kind = Kind::cells;
  Position position;  // at which it was seen
  uint64_t index = 0;
  // Units of cells, or indices of entries, from the first up to the last. Of a word: its unit.
  uint64_t first = 0, last = 0;
  uint32_t offset = 0;  // of a word: in its unit, counted by 8 bytes

  // "accounts 17, word 0, value (unit 640)". `store`: of the shape of the books.
  std::string where(const commit::Store& store) const;
};
// What the sums of the block at `first_unit`, or of entries, say of the place.
Divergence locate_cells(uint64_t first_unit, const PlaceSums& expected, const PlaceSums& found);
Divergence locate_entries(uint64_t before, uint64_t index, const PlaceSums& expected,
                          const PlaceSums& found);

struct Comparison {
  DigestAnswer answer;
  Divergence divergence;  // with position and index; the rest where answer.differing says so
};

class Digests {
 public:
  Digest make(const commit::Store& store, EntrySource& entries, const DigestPlan& plan);
  Comparison compare(const commit::Store& store, EntrySource& entries, const Digest& digest);

 private:
  EntrySums entries_;
};

// Where to go on behind this one.
uint64_t unit_behind(const Digest& digest);

}  // namespace casbook::replicate
