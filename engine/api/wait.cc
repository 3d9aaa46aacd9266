// Waiting for a position to be as safe as a caller wants it.
//
// `memory` is reached by the commit itself. For `durable` the caller tells the daemon that somebody
// waits, and sleeps until the daemon says that the disk has more; the daemon wakes all at once.
#include <algorithm>

#include "api/core.h"
#include "base/clock.h"
#include "log/durable.h"
#include "log/log_reader.h"
#include "log/terms.h"

namespace casbook::api {

namespace {

// A waker may be killed between the change and the wake.
constexpr int64_t kSleepNsMax = 10'000'000;
constexpr int64_t kPollNs = 200'000;  // where nobody tells: an observer, a position to come
constexpr int64_t kWaitMsMax = 100ll * 365 * 24 * 3600 * 1000;

bool has_reached(const commit::Store& store, Position position, Level level) {
  if (level == Level::memory) return position.lsn() < log::log_end(store);
  return position.lsn() <= log::durable_position(store).lsn();
}

}  // namespace

Result<void> wait(const Core& core, Position position, Level level,
                  std::chrono::milliseconds timeout) {
  const commit::Store& store = core.store;
  if (level == Level::quorum || (level == Level::durable && !log::is_journaled(store)))
    return Code::level_unavailable;
  const bool is_told = level == Level::durable && core.attachment;
  const auto wanted = std::min(timeout, std::chrono::milliseconds(kWaitMsMax));
  const int64_t until = base::monotonic_ns() + std::chrono::nanoseconds(wanted).count();
  for (;;) {
    const uint64_t ticket =
        is_told ? arena::prepare_wait(store.own_event(arena::kDurableEvent)) : 0;
    switch (log::standing_of(store, position)) {
      case log::Standing::undone:
        return Code::undone;
      case log::Standing::unknown:
        return Code::outcome_unknown;
      case log::Standing::held:
        break;
    }
    if (has_reached(store, position, level)) return {};
    const int64_t now = base::monotonic_ns();
    if (now >= until) return Code::outcome_unknown;
    if (is_told) {
      arena::notify(store.own_event(arena::kDemandEvent));
      arena::wait(store.own_event(arena::kDurableEvent), ticket,
                  std::min(until, now + kSleepNsMax));
    } else {
      const timespec nap{0, static_cast<long>(std::min(until - now, kPollNs))};
      nanosleep(&nap, nullptr);
    }
  }
}

}  // namespace casbook::api
