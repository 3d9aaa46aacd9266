// Whether this process was itself kept from running: who is timed by it then was not stuck.
#pragma once

#include <algorithm>
#include <cstdint>

#include "harness.h"

namespace casbook::torture {

// All waiting for callers looks here, every 0.1 s at the least. Of the process that plays bouts.
class Standstill {
 public:
  static void begin() { longest_ns_ = 0, last_ns_ = bench::now_ns(); }
  static void look() {
    const int64_t now_ns = bench::now_ns();
    longest_ns_ = std::max(longest_ns_, now_ns - last_ns_);
    last_ns_ = now_ns;
  }
  static bool was_seen() { return longest_ns_ > kLongestNs; }

 private:
  static constexpr int64_t kLongestNs = 400'000'000;
  static inline int64_t last_ns_ = 0, longest_ns_ = 0;
};

}  // namespace casbook::torture
