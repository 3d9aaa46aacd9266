// Latencies in a log-linear histogram: 64 buckets for each power of two, so that a quantile read
// back is at most 1/64 (1.6 %) above what was recorded.
//
// One writer; anybody may read while it writes and sees counts of a moment ago. Lives in shared
// memory: what a killed writer recorded stays.
#pragma once

#include <bit>
#include <cstdint>

#include "base/atomic.h"

namespace casbook::cli::demo {

// Which values share a bucket: the first 64 have one each, then each power of two has 64.
struct HistogramScale {
  // 2^40 ns are 18 minutes; what took longer counts as that.
  static constexpr uint32_t kBitsMax = 40;
  static constexpr uint32_t kLinearBits = 6;
  static constexpr uint32_t kPerPower = 1u << kLinearBits;
  static constexpr uint32_t kBuckets = (kBitsMax - kLinearBits + 1) * kPerPower;

  static constexpr uint32_t bucket_of(uint64_t ns) {
    if (ns >= uint64_t{1} << kBitsMax) return kBuckets - 1;
    if (ns < kPerPower) return static_cast<uint32_t>(ns);
    const auto shift = static_cast<uint32_t>(std::bit_width(ns)) - 1 - kLinearBits;
    return shift * kPerPower + static_cast<uint32_t>(ns >> shift);
  }
  static constexpr uint64_t upper_end_of(uint32_t bucket) {
    if (bucket < kPerPower) return bucket;
    const uint32_t shift = bucket / kPerPower - 1;
    return ((uint64_t{bucket % kPerPower} + kPerPower + 1) << shift) - 1;
  }
};
static_assert(HistogramScale::bucket_of(127) == 127 && HistogramScale::bucket_of(128) == 128);
static_assert(HistogramScale::bucket_of(129) == 128 && HistogramScale::bucket_of(130) == 129);
static_assert(HistogramScale::bucket_of((uint64_t{1} << HistogramScale::kBitsMax) - 1) ==
              HistogramScale::kBuckets - 1);
static_assert(HistogramScale::upper_end_of(127) == 127 && HistogramScale::upper_end_of(128) == 129);

class Histogram {
 public:
  // Relaxed: counts order nothing, and their only writer is the caller.
  void record(uint64_t ns) {
    base::AtomicU64& bucket = buckets_[Scale::bucket_of(ns)];
    bucket.store_relaxed(bucket.load_relaxed() + 1);
  }

  void add(const Histogram& other) {
    for (uint32_t i = 0; i < Scale::kBuckets; ++i)
      buckets_[i].store_relaxed(buckets_[i].load_relaxed() + other.buckets_[i].load_relaxed());
  }

  uint64_t count() const {
    uint64_t sum = 0;
    for (const base::AtomicU64& bucket : buckets_) sum += bucket.load_relaxed();
    return sum;
  }

  // The upper end of the bucket below which the fraction `q` of all values lies; 0 when empty.
  uint64_t quantile_ns(double q) const {
    const uint64_t total = count();
    if (total == 0) return 0;
    const auto wanted = static_cast<uint64_t>(q * static_cast<double>(total - 1)) + 1;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < Scale::kBuckets; ++i) {
      seen += buckets_[i].load_relaxed();
      if (seen >= wanted) return Scale::upper_end_of(i);
    }
    return Scale::upper_end_of(Scale::kBuckets - 1);
  }
  uint64_t max_ns() const { return quantile_ns(1.0); }

 private:
  using Scale = HistogramScale;
  base::AtomicU64 buckets_[Scale::kBuckets];
};

}  // namespace casbook::cli::demo
