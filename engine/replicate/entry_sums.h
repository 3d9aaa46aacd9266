// Sums over the entries of a log as they come (place_sums.h): the place is the index, the value a
// hash of term, type and bytes. Two nodes compare what they have of any run of entries, whenever
// each of them began to sum.
#pragma once

#include <deque>

#include "replicate/entry.h"
#include "replicate/place_sums.h"

namespace casbook::replicate {

class EntrySums {
 public:
  // A run that is compared is at most this long.
  static constexpr uint64_t kEntriesMax = 4096;

  // All entries up to `index`, those that were not taken yet. Where one cannot be had, or too many
  // are missing, summing begins anew behind `index`. What another leader replaced is forgotten.
  void take(EntrySource& entries, uint64_t index);
  // The index before the first entry of a run that ends at `index` and is as long as can be.
  // Precondition: `index` was taken.
  uint64_t run_before(uint64_t index) const;
  // Of the entries behind `before` up to `index`. Nothing: not known any more, or not yet.
  std::optional<PlaceSums> between(uint64_t before, uint64_t index) const;

 private:
  struct Sum {
    uint64_t index, term;
    PlaceSums sums;  // of all up to there
  };
  const Sum* find(uint64_t index) const;
  void begin_behind(EntrySource& entries, uint64_t index);

  std::deque<Sum> sums_;  // without a gap; the first one is where summing began
};

}  // namespace casbook::replicate
