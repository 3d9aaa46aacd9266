// Waiting for a lease: sleep in the kernel until it is released, its deadline is over, the time to
// wait is over, or a stop is asked for.
//
// A release wakes the waiters of its event. An expiry needs no event, since every waiter knows the
// deadline. A death raises none, so a sleep is bounded by 10 ms; that also bounds the delay of a
// wake-up whose waker was killed in between.
#include <algorithm>

#include "base/clock.h"
#include "base/trace.h"
#include "lease/leases.h"

namespace casbook::lease {

namespace {

constexpr int64_t kSleepNsMax = 10'000'000;
constexpr int64_t kWaitMsMax = 100ll * 365 * 24 * 3600 * 1000;

// Shown in listings while it stands; cleared by whoever takes a dead session over.
class WaitingMark {
 public:
  WaitingMark(arena::SessionSlot& slot, Unit unit) : slot_(slot) {
    slot_.waiting_on.store_relaxed(unit + 1);
  }
  ~WaitingMark() { slot_.waiting_on.store_relaxed(0); }
  WaitingMark(const WaitingMark&) = delete;
  WaitingMark& operator=(const WaitingMark&) = delete;

 private:
  arena::SessionSlot& slot_;
};

}  // namespace

Result<Grant> Leases::acquire(log::LogWriter& writer, std::string_view name,
                              const AcquireOptions& asked) {
  AcquireOptions options = asked;
  if (options.operation_id == 0) options.operation_id = next_operation();
  const int64_t start = base::monotonic_ns();
  // Longer than anybody waits, and the sum stays within 63 bits.
  const auto wait = std::min(options.wait, std::chrono::milliseconds(kWaitMsMax));
  const int64_t until = start + std::chrono::nanoseconds(wait).count();
  for (;;) {
    // Book time, which is never before that of an earlier commit; relaxed: it only grows.
    const auto newest = static_cast<int64_t>(store_.control().book_time.load_relaxed());
    auto tried = try_acquire(writer, name, options, std::max(base::wall_clock_ms(), newest));
    if (tried || tried.error().code != Code::lease_held) return tried;
    if (options.wait.count() <= 0) return tried;
    // Nobody releases it here any more, or not in this term.
    if (store_.is_replicated() && !store_.is_leading()) return store_.closed_code();
    if (options.stop.stop_requested()) return Code::wait_cancelled;
    const Found found = table_.find(name, nullptr);
    if (!found.exists) continue;
    arena::EventLine& event = store_.event(Table::event_of(found.unit));
    const WaitingMark mark(store_.session(writer.session()), found.unit);
    const uint64_t ticket = arena::prepare_wait(event);
    // The condition again, after the announcement: a release before it is seen here, one after it
    // finds the announcement.
    const commit::WordImage holder = commit::peek_word(store_, found.unit, kHolder);
    if (holder.value == 0 || holder.version != found.image.word_version[kHolder]) continue;
    const int64_t now = base::monotonic_ns();
    if (now >= until) return Code::wait_timeout;
    const int64_t left = static_cast<int64_t>(found.image.value[kDeadline]) - base::boot_clock_ns();
    base::fault_point(base::FaultPoint::lease_waiting);
    const int64_t wake_ns = std::min({until, now + kSleepNsMax, now + std::max<int64_t>(left, 0)});
    CASBOOK_TRACE(wait, base::kForLease, wake_ns);
    const auto end = arena::wait(event, ticket, wake_ns);
    CASBOOK_TRACE(woken, base::kForLease, static_cast<uint32_t>(end));
  }
}

}  // namespace casbook::lease
