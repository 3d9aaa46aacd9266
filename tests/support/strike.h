// Where a process of a crash test is struck: at a named fault point, or at any access to shared
// memory. One strike per process; arm it in the child that is to be struck.
#pragma once

#include <array>
#include <cstdint>

#include <signal.h>

#include "base/probe.h"

namespace casbook::test_support {

constexpr size_t kFaultPoints = static_cast<size_t>(base::FaultPoint::count);

struct Strike {
  base::FaultPoint point = base::FaultPoint::count;  // count: every access to shared memory counts
  uint64_t nth = 1;
  int signal = SIGKILL;
};

// From now on the nth passage of the point sends the signal to this process.
void arm(const Strike& strike);
void disarm();

// From now on one in `one_in` passages of a fault point, and of what lies before a
// compare-and-swap, sleeps for a while: processes lie in each other's way as if there were many
// more processors.
void delay_now_and_then(uint64_t one_in, uint64_t seed);

// What a process passed since count_passages(). Plain words: read them when the process has ended.
struct Passages {
  std::array<uint64_t, kFaultPoints> at;
  uint64_t accesses;

  uint64_t of(base::FaultPoint point) const { return at[static_cast<size_t>(point)]; }
};
void count_passages(Passages& passages);

}  // namespace casbook::test_support
