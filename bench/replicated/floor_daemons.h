// What the processes of the network floor do.
#pragma once

#include "replicated/network_floor.h"

namespace casbook::bench {

// In a process of that host; never return.
[[noreturn]] void lead_floor(const FloorShape& shape, FloorLines& lines, uint32_t hosts,
                             const std::string& folder);
[[noreturn]] void follow_floor(const FloorShape& shape, FloorLines& lines, uint32_t host,
                               const std::string& folder);

}  // namespace casbook::bench
