// How long each of many calls took.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "harness.h"

namespace casbook::bench {

class Latencies {
 public:
  template <class Call>
  void time(Call&& call) {
    const int64_t start = now_ns();
    call();
    ns_.push_back(now_ns() - start);
  }
  void add(int64_t ns) { ns_.push_back(ns); }
  uint64_t count() const { return ns_.size(); }
  // Of the sorted calls the one at this share, in microseconds; 0: there was none.
  double us_at(double share) {
    if (ns_.empty()) return 0;
    const auto rank = std::min(ns_.size() - 1, static_cast<size_t>(share * ns_.size()));
    std::nth_element(ns_.begin(), ns_.begin() + rank, ns_.end());
    return static_cast<double>(ns_[rank]) / 1e3;
  }
  double p50() { return us_at(0.5); }
  double p99() { return us_at(0.99); }
  double sum_s() const {
    double sum = 0;
    for (const int64_t ns : ns_) sum += static_cast<double>(ns);
    return sum / 1e9;
  }

 private:
  std::vector<int64_t> ns_;
};

}  // namespace casbook::bench
