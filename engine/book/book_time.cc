#include "book/book_time.h"

#include "base/clock.h"

namespace casbook::book {

int64_t book_time_ms(const commit::Store& store) {
  base::AtomicU64& shared = store.control().book_time;
  const auto now = static_cast<uint64_t>(base::wall_clock_ms());
  // Relaxed: it only grows, and nothing but its own value depends on it.
  uint64_t seen = shared.load_relaxed();
  while (seen < now) {
    // [time] Both ends: the newest clock reading wins.
    if (shared.cas_acq_rel(seen, now)) return static_cast<int64_t>(now);
    seen = shared.load_relaxed();
  }
  return static_cast<int64_t>(seen);
}

}  // namespace casbook::book
