// Time burnt in each payment of casbook's on request: to see whether a comparison notices.
#pragma once

#include <algorithm>
#include <cstdint>

#include "harness.h"

namespace casbook::bench {

// As loops whose length was measured here and now.
class Handicap {
 public:
  Handicap() = default;
  explicit Handicap(int64_t ns) : loops_(ns > 0 ? loops_for(ns) : 0) {}
  void burn() const { spin(loops_); }

 private:
  static void spin(uint64_t loops) {
    for (uint64_t i = 0; i < loops; ++i) asm volatile("" ::: "memory");
  }
  // By the fastest of several tries.
  static uint64_t loops_for(int64_t ns) {
    constexpr uint64_t kLoops = 1'000'000;
    int64_t best = INT64_MAX;
    for (int i = 0; i < 20; ++i) {
      const int64_t start = cpu_ns();
      spin(kLoops);
      best = std::min(best, cpu_ns() - start);
    }
    return kLoops * static_cast<uint64_t>(ns) / static_cast<uint64_t>(best);
  }

  uint64_t loops_ = 0;
};

}  // namespace casbook::bench
