// A process whose CLOCK_MONOTONIC and CLOCK_BOOTTIME show another time than ours, as in a container
// that was moved from another machine. CLOCK_REALTIME has no namespace.
#pragma once

#include <cstdint>

namespace casbook::torture {

// Puts this process, which must have one thread, into a namespace of its own. False: not allowed.
bool enter_time_namespace(int64_t ahead_ns);

bool can_enter_time_namespace();

// How far a clock can be put back without showing less than nothing.
int64_t back_ns_max();

}  // namespace casbook::torture
