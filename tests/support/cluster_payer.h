// A process that pays for all clients on one host, while that host leads.
#pragma once

#include <string>

#include "support/cluster_truth.h"

namespace casbook::test_support {

// Until it is told to stop. In a process of that host.
void pay_on_host(uint32_t host, const std::string& book_name, ClusterTruth& truth);

// Each client has had so many payments more, at its level.
bool await_progress(const ClusterTruth& truth, uint64_t payments = 5, int seconds = 30);

}  // namespace casbook::test_support
