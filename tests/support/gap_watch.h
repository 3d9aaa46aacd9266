// How long, at most, nobody got a payment to its level.
#pragma once

#include "support/cluster_truth.h"
#include "support/host_process.h"

namespace casbook::test_support {

// The longest time without a payment that reached its level. Looks from a process of its own.
class GapWatch {
 public:
  explicit GapWatch(const ClusterTruth& truth);
  double longest_ms() const { return static_cast<double>(longest_ns_->load()) / 1e6; }
  uint64_t long_ones() const { return long_ones_->load(); }  // of a second and more
  void begin_anew() { *longest_ns_ = 0; }

 private:
  Shared<std::atomic<int64_t>> longest_ns_;
  Shared<std::atomic<uint64_t>> long_ones_;
  Child watcher_;
};

}  // namespace casbook::test_support
