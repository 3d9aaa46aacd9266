// One payer that comes at set times, and how long each of its payments took: in phases, since what
// is measured is what another thing does to it.
#pragma once

#include "durable/latencies.h"
#include "floor.h"
#include "replicated/served_cluster.h"

namespace casbook::bench {

class PacedPayer {
 public:
  static constexpr uint32_t kPhases = 2;

  // A process on that host, which leads: a durable payment every so often. It begins with phase 0.
  PacedPayer(const ServedCluster& cluster, uint32_t host, int64_t every_ns);
  ~PacedPayer();
  PacedPayer(const PacedPayer&) = delete;
  PacedPayer& operator=(const PacedPayer&) = delete;

  // What is due from here on counts for that one.
  void begin(uint32_t phase);
  // Of a payment that is due while the one before it is under way, from when it was due: a pause of
  // a second is not one slow call. Ends the payer.
  Latencies end(uint32_t phase);
  bool has_failed() const;

 private:
  static constexpr uint64_t kCallsMax = 1 << 18;  // of a phase
  struct State {
    base::AtomicU64 phase, must_stop, has_failed;
    base::AtomicU64 counts[kPhases];
  };
  void pay(const ServedCluster& cluster, int64_t every_ns) const;
  void stop();

  Lines<State> state_;
  Lines<int64_t> ns_;
  pid_t payer_;
};

}  // namespace casbook::bench
