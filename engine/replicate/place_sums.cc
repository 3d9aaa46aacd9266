#include "replicate/place_sums.h"

namespace casbook::replicate {

// Modulo the prime.
struct PlaceArithmetic {
  using Wide = PlaceSummer::Wide;
  static constexpr uint64_t kPrime = PlaceSummer::kPrime;

  static uint64_t reduced(uint64_t value) { return value % kPrime; }
  static uint64_t sum(uint64_t a, uint64_t b) { return PlaceSummer::reduce(Wide{a} + b); }
  static uint64_t difference(uint64_t a, uint64_t b) { return sum(a, kPrime - b); }
  static uint64_t product(uint64_t a, uint64_t b) { return PlaceSummer::reduce(Wide{a} * b); }
  // Fermat: a^(p - 2) is the inverse of a.
  static uint64_t inverse(uint64_t a) {
    uint64_t result = 1;
    for (uint64_t exponent = kPrime - 2; exponent != 0; exponent >>= 1, a = product(a, a))
      if (exponent & 1) result = product(result, a);
    return result;
  }
};

using Prime = PlaceArithmetic;

PlaceSums with(const PlaceSums& sums, uint64_t place, uint64_t value) {
  const uint64_t reduced = Prime::reduced(value);
  return {Prime::sum(sums.plain, reduced),
          Prime::sum(sums.weighted, Prime::product(Prime::reduced(place), reduced))};
}

PlaceSums without(const PlaceSums& all, const PlaceSums& part) {
  return {Prime::difference(all.plain, part.plain), Prime::difference(all.weighted, part.weighted)};
}

std::optional<uint64_t> differing_place(const PlaceSums& a, const PlaceSums& b) {
  const PlaceSums d = without(a, b);
  if (d.plain == 0) return std::nullopt;
  return Prime::product(d.weighted, Prime::inverse(d.plain));
}

}  // namespace casbook::replicate
