// Units to be read at one position, each once, and where each stands in the list.
//
// For one thread. A flat table of places with linear probing, at most half full: reading a million
// balances asks it for each of them, and a node per unit took longer than the reading.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "commit/store.h"

namespace casbook::log {

using commit::Unit;

class UnitList {
 public:
  // Room for so many: more may not be added.
  explicit UnitList(uint64_t count_max)
      : places_(std::bit_ceil(2 * count_max + 1), kNone),
        shift_(64 - std::countr_zero(places_.size())) {
    units_.reserve(count_max);
  }

  // Its place, at the end where it is new.
  uint64_t add(Unit unit) {
    const uint64_t slot = slot_of(unit);
    if (places_[slot] == kNone) {
      places_[slot] = units_.size();
      units_.push_back(unit);
    }
    return places_[slot];
  }
  // Brings near what add() or find() will look at.
  void prefetch(Unit unit) const { base::prefetch_for_write(&places_[home_of(unit)]); }
  // -1: it is not in the list.
  int64_t find(Unit unit) const { return static_cast<int64_t>(places_[slot_of(unit)]); }
  std::span<const Unit> units() const { return units_; }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;

  // Fibonacci hashing: the top bits of the product. Units of one table are neighbours.
  uint64_t home_of(Unit unit) const { return unit * 0x9e3779b97f4a7c15 >> shift_; }

  // Where it stands, or the free slot where it would. Progress: half of the slots are free.
  uint64_t slot_of(Unit unit) const {
    uint64_t slot = home_of(unit);
    while (places_[slot] != kNone && units_[places_[slot]] != unit)
      slot = (slot + 1) & (places_.size() - 1);
    return slot;
  }

  std::vector<uint64_t> places_;
  int shift_;
  std::vector<Unit> units_;
};

}  // namespace casbook::log
