#include "arena/duration_line.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace casbook::arena {

void add_duration(DurationLine& line, std::chrono::nanoseconds duration,
                  std::chrono::nanoseconds unit) {
  const auto units = static_cast<uint64_t>(std::max<int64_t>(duration / unit, 0));
  const auto bucket =
      std::min<uint32_t>(static_cast<uint32_t>(std::bit_width(units)), kDurationBuckets - 1);
  line.buckets[bucket].add_relaxed(1);
  line.count.add_relaxed(1);
  line.sum_us.add_relaxed(units);
}

std::chrono::nanoseconds Durations::quantile(double share) const {
  if (count == 0) return {};
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count)));
  uint64_t below = 0;
  for (uint32_t i = 0; i < kDurationBuckets; ++i) {
    below += buckets[i];
    if (below >= std::max<uint64_t>(wanted, 1)) return bound(i);
  }
  return bound(kDurationBuckets - 1);
}

Durations read_durations(const DurationLine& line, std::chrono::nanoseconds unit) {
  Durations read;
  read.unit = unit;
  for (uint32_t i = 0; i < kDurationBuckets; ++i) {
    read.buckets[i] = line.buckets[i].load_relaxed();
    read.count += read.buckets[i];
  }
  read.sum = unit * static_cast<int64_t>(line.sum_us.load_relaxed());
  return read;
}

}  // namespace casbook::arena
