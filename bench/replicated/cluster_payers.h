// Processes that pay on hosts of a cluster, and what they measured.
#pragma once

#include "durable/effort.h"
#include "durable/one_caller.h"
#include "replicated/network_floor.h"
#include "replicated/served_cluster.h"

namespace casbook::bench {

// One caller on that host, in turn with the floor where there is one; no times: a payment failed.
OneCaller pay_one_by_one(const ServedCluster& cluster, uint32_t host, const Effort& effort,
                         Level level, NetworkFloor* floor);
// kCallers threads of one process commit kInFlight payments and wait for the last to reach the
// level, again and again. Payments per second; 0: one failed.
double pay_together(const ServedCluster& cluster, uint32_t host, double seconds,
                    uint64_t* paid = nullptr, Level level = Level::quorum);
// A process on that host pays so many per second, until it is killed. Not waited for.
pid_t start_paying(const ServedCluster& cluster, uint32_t host, uint64_t per_second);
// A payer on each host, the leader's daemon killed: ms until a durable payment was answered on
// another host. The daemon is there again afterwards. 0: nobody paid within 10 s.
double time_failover(ServedCluster& cluster);

}  // namespace casbook::bench
