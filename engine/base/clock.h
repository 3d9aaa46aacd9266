// The two clocks of casbook. Book time is the wall clock in milliseconds; leases run on
// CLOCK_BOOTTIME in nanoseconds, which goes on while the machine sleeps and is never stepped.
#pragma once

#include <cstdint>

#include <time.h>

namespace casbook::base {

#ifdef CASBOOK_INSTRUMENTED
// Tests inject clocks here: steps back, jumps, a suspended machine; or virtual time, which stands
// still until a simulator moves it.
struct InjectedClock {
  int64_t wall_offset_ms = 0;
  int64_t boot_offset_ns = 0;
  int64_t virtual_ns = 0;  // not 0: what all clocks show, in place of the machine's
};
inline InjectedClock injected_clock;
#endif

inline constexpr int64_t kNsPerMs = 1'000'000;

inline int64_t to_ns(const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

// The coarse clock: about 4 ns instead of 16, one tick (1 to 4 ms) of resolution.
inline int64_t wall_clock_ms() {
  timespec t;
  clock_gettime(CLOCK_REALTIME_COARSE, &t);
  int64_t now = to_ns(t) / 1'000'000;
#ifdef CASBOOK_INSTRUMENTED
  if (injected_clock.virtual_ns != 0) now = injected_clock.virtual_ns / 1'000'000;
  now += injected_clock.wall_offset_ms;
#endif
  return now;
}

inline int64_t boot_clock_ns() {
  timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  int64_t now = to_ns(t);
#ifdef CASBOOK_INSTRUMENTED
  if (injected_clock.virtual_ns != 0) now = injected_clock.virtual_ns;
  now += injected_clock.boot_offset_ns;
#endif
  return now;
}

// For waiting: as the kernel's time-outs run.
inline int64_t monotonic_ns() {
#ifdef CASBOOK_INSTRUMENTED
  if (injected_clock.virtual_ns != 0) return injected_clock.virtual_ns;
#endif
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return to_ns(t);
}

}  // namespace casbook::base
