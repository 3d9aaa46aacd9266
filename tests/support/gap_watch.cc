#include "support/gap_watch.h"

namespace casbook::test_support {

GapWatch::GapWatch(const ClusterTruth& truth)
    : watcher_([&] {
        for (uint64_t seen = 0;;) {
          const int64_t since_ns = monotonic_ns();
          while (truth.reached() == seen) sleep_us(200);
          seen = truth.reached();
          const int64_t gap_ns = monotonic_ns() - since_ns;
          if (gap_ns > longest_ns_->load()) *longest_ns_ = gap_ns;
          if (gap_ns >= 1'000'000'000) ++*long_ones_;
        }
      }) {}

}  // namespace casbook::test_support
