// What one plain TCP stream makes between two hosts: nothing is read, sealed or written.
#pragma once

#include <cstdint>

#include "support/hosts/hosts.h"

namespace casbook::bench {

// Bytes per second, as who receives them counts; 0: it did not come to that.
double raw_link_rate(const test_support::Hosts& hosts, uint32_t from, uint32_t to, uint64_t bytes);

}  // namespace casbook::bench
