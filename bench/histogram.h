// Latencies of many calls in fixed memory, to 3 percent: one may lie in memory shared with a child.
#pragma once

#include <bit>
#include <cstdint>

namespace casbook::bench {

class Histogram {
 public:
  void add(int64_t ns) {
    ++counts_[index_of(ns < 0 ? 0 : static_cast<uint64_t>(ns))];
    ++count_;
  }
  void add(const Histogram& other) {
    for (uint32_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
  }
  uint64_t count() const { return count_; }
  // The upper end of the bucket of the call at this share; 0: too few calls to say.
  double ns_at(double share) const {
    const auto beyond = static_cast<uint64_t>((1 - share) * static_cast<double>(count_));
    if (beyond == 0) return 0;
    uint64_t left = count_ - beyond;
    for (uint32_t i = 0; i < kBuckets; ++i) {
      if (counts_[i] >= left) return static_cast<double>(end_of(i));
      left -= counts_[i];
    }
    return static_cast<double>(end_of(kBuckets - 1));
  }

 private:
  static constexpr uint32_t kParts = 32;  // of each power of two
  static constexpr uint32_t kBuckets = 60 * kParts;

  static uint32_t index_of(uint64_t ns) {
    if (ns < 2 * kParts) return static_cast<uint32_t>(ns);
    const auto power = static_cast<uint32_t>(std::bit_width(ns)) - 6;  // ns >> power: 32 to 63
    return power * kParts + static_cast<uint32_t>(ns >> power);
  }
  static uint64_t end_of(uint32_t index) {
    if (index < 2 * kParts) return index + 1;
    const uint32_t power = index / kParts - 1;
    return (uint64_t{index % kParts + kParts} + 1) << power;
  }

  uint64_t counts_[kBuckets];
  uint64_t count_;
};

}  // namespace casbook::bench
