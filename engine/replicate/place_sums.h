// Two sums over numbered values, which say of two lists whether they are equal, and where they are
// not when that is one place: the differences of the sums are d and place * d.
//
// A checksum of the Fletcher kind, over a prime (2^61 - 1), so that the division has one answer.
// Lists that differ at one place or at two never have equal sums; others by a chance of 2^-122.
// It finds damage and is no signature.
#pragma once

#include <cstdint>
#include <optional>

namespace casbook::replicate {

struct PlaceSums {
  uint64_t plain = 0, weighted = 0;  // below the prime
  bool operator==(const PlaceSums&) const = default;
};

class PlaceSummer {
 public:
  // Precondition: fewer than 2^24 values, places below 2^24: nothing is reduced before the end.
  void add(uint32_t place, uint64_t value) {
    plain_ += value;
    weighted_ += static_cast<Wide>(value) * place;
  }
  PlaceSums sums() const { return {reduce(plain_), reduce(weighted_)}; }

 private:
  friend struct PlaceArithmetic;
  __extension__ using Wide = unsigned __int128;
  static constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;
  static uint64_t reduce(Wide value) { return static_cast<uint64_t>(value % kPrime); }

  Wide plain_ = 0, weighted_ = 0;
};

// Of what is numbered without bound: `value` at `place` more in the list; what is in `all` and not
// in `part`.
PlaceSums with(const PlaceSums& sums, uint64_t place, uint64_t value);
PlaceSums without(const PlaceSums& all, const PlaceSums& part);
// The only place at which the lists can differ, if it is one; a place that neither list has, or
// nothing: there are several.
std::optional<uint64_t> differing_place(const PlaceSums& a, const PlaceSums& b);

}  // namespace casbook::replicate
