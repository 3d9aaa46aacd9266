// What one host's book says in the end, held against what was answered.
#pragma once

#include <string>

#include "support/cluster_truth.h"

namespace casbook::test_support {

// Which levels were promised for good: `quorum` is not while daemons are killed.
struct Promise {
  bool is_quorum_kept = false;
};

struct HostReport {
  uint64_t position, durable, term;
  uint64_t digest;  // of all words of all cells, with their versions
  uint64_t executed, missing, miscounted, moved, undone_reached, problems;
  char text[1024];  // of the first problems

  bool is_sound() const {
    return missing + miscounted + moved + undone_reached + problems == 0 && digest != 0;
  }
};

// In a process of that host, while nobody pays.
void check_on_host(const std::string& book_name, const ClusterTruth& truth, Promise promise,
                   HostReport& report);
// The same, only where the book is.
void look_on_host(const std::string& book_name, HostReport& report);

}  // namespace casbook::test_support
