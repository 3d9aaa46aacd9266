// Durations counted by powers of two (DurationLine, layout.h): writing costs an addition or three,
// and whoever reads gets quantiles that are right within a factor of two.
#pragma once

#include <array>
#include <chrono>

#include "arena/layout.h"

namespace casbook::arena {

// The unit that a line is counted in: the same for all who write and read it.
constexpr std::chrono::nanoseconds kMicrosecondUnit{1000};
constexpr std::chrono::nanoseconds kCommitTimeUnit{32};  // up to 134 ms

// Any number of writers at once. Wait-free.
void add_duration(DurationLine& line, std::chrono::nanoseconds duration,
                  std::chrono::nanoseconds unit = kMicrosecondUnit);

struct Durations {
  std::array<uint64_t, kDurationBuckets> buckets{};
  uint64_t count = 0;
  std::chrono::nanoseconds unit = kMicrosecondUnit, sum{};

  // A bound that so much of all of them, 0 to 1, lie below; 0 when there are none. The last bucket,
  // which has no bound, answers the double of its lower one.
  std::chrono::nanoseconds quantile(double share) const;
  uint64_t quantile_us(double share) const {
    return static_cast<uint64_t>(quantile(share).count() / 1000);
  }
  // Bucket i holds what is below this; not of the last one, which holds all others.
  std::chrono::nanoseconds bound(uint32_t bucket) const { return unit * (int64_t{1} << bucket); }
};
// Races with the writers: `count` is that of the buckets as they were read.
Durations read_durations(const DurationLine& line,
                         std::chrono::nanoseconds unit = kMicrosecondUnit);

}  // namespace casbook::arena
