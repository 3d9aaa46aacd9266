// Where the processes of one caller's path run, and the floor's share of it.
#pragma once

#include "durable/effort.h"
#include "durable/latencies.h"
#include "replicated/network_floor.h"
#include "served/process.h"

namespace casbook::bench {

// The processes of a host share a core: the caller and the daemon that leads have one, both followers
// the other.
inline void pin_floor(const NetworkFloor& floor, uint32_t hosts) {
  for (uint32_t host = 1; host <= hosts; ++host)
    pin_process(floor.daemon_of(host), host == 1 ? kCallerCore : kDaemonCore);
}

inline void time_floor(NetworkFloor& floor, uint32_t rounds, Latencies& latencies) {
  for (uint32_t i = 0; i < rounds; ++i) latencies.time([&] { floor.round(); });
}

}  // namespace casbook::bench
