// Waking another process by a bare futex in memory that both have mapped.
#pragma once

#include <climits>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"

namespace casbook::bench {

// What one caller and the daemon say to each other: counts of rounds, low halves are futexes.
struct alignas(64) Bell {
  base::AtomicU64 count;
};
struct CallLines {
  Bell asked, answered;
};

// Counts on, and wakes who sleeps on it.
inline void ring(Bell& bell, uint64_t count) {
  bell.count.store_release(count);  // [bell] What was handed over comes before.
  syscall(SYS_futex, &bell.count, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// Sleeps while the count is still `seen`; what it is then.
inline uint64_t sleep_on(Bell& bell, uint64_t seen) {
  uint64_t count = 0;
  while ((count = bell.count.load_acquire()) == seen)  // [bell]
    syscall(SYS_futex, &bell.count, FUTEX_WAIT, static_cast<uint32_t>(seen), nullptr, nullptr, 0);
  return count;
}

// Who rings a bell together with others only has to change it.
inline void ring_shared(Bell& bell) {
  bell.count.add_relaxed(1);  // the caller's own count, stored before, says what there is
  base::full_fence();
  syscall(SYS_futex, &bell.count, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace casbook::bench
