// Durations counted by powers of two (DurationLine, layout.h): writing costs an addition or three,
// and whoever reads gets quantiles that are right within a factor of two.
#pragma once

#include <array>
#include <chrono>

#include "arena/layout.h"

namespace casbook::arena {

// Any number of writers at once. Wait-free.
void add_duration(DurationLine& line, std::chrono::nanoseconds duration);

struct Durations {
  std::array<uint64_t, kDurationBuckets> buckets{};
  uint64_t count = 0, sum_us = 0;

  // A bound that so much of all of them, 0 to 1, lie below; 0 when there are none. The last bucket,
  // which has no bound, answers the double of its lower one.
  uint64_t quantile_us(double share) const;
};
// Races with the writers: `count` is that of the buckets as they were read.
Durations read_durations(const DurationLine& line);

// Bucket i holds what is below this; not of the last one, which holds all others.
constexpr uint64_t bucket_bound_us(uint32_t bucket) { return uint64_t{1} << bucket; }

}  // namespace casbook::arena
