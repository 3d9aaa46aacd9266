#include "arena/duration_line.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace casbook::arena {

void add_duration(DurationLine& line, std::chrono::nanoseconds duration) {
  const auto us = static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0) / 1000);
  const auto bucket =
      std::min<uint32_t>(static_cast<uint32_t>(std::bit_width(us)), kDurationBuckets - 1);
  line.buckets[bucket].add_relaxed(1);
  line.count.add_relaxed(1);
  line.sum_us.add_relaxed(us);
}

uint64_t Durations::quantile_us(double share) const {
  if (count == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count)));
  uint64_t below = 0;
  for (uint32_t i = 0; i < kDurationBuckets; ++i) {
    below += buckets[i];
    if (below >= std::max<uint64_t>(wanted, 1)) return bucket_bound_us(i);
  }
  return bucket_bound_us(kDurationBuckets - 1);
}

Durations read_durations(const DurationLine& line) {
  Durations read;
  for (uint32_t i = 0; i < kDurationBuckets; ++i) {
    read.buckets[i] = line.buckets[i].load_relaxed();
    read.count += read.buckets[i];
  }
  read.sum_us = line.sum_us.load_relaxed();
  return read;
}

}  // namespace casbook::arena
