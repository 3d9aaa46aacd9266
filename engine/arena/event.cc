#include "arena/event.h"

#include <bit>
#include <cerrno>
#include <climits>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace casbook::arena {
namespace {

static_assert(std::endian::native == std::endian::little);  // the low half comes first

// Shared, not PRIVATE: the sleepers are other processes.
long futex(EventLine& event, int operation, uint32_t value, const timespec* deadline) {
  return syscall(SYS_futex, &event.sequence, operation, value, deadline, nullptr,
                 FUTEX_BITSET_MATCH_ANY);
}

// Raises a word that only grows. A lost CAS means that another raised it; each of them stands for
// one call, so the rounds are bounded by the calls under way.
void raise_to(base::AtomicU64& word, uint64_t target) {
  // [event] Acquire and release: `woken` is raised after the wake that it tells of.
  for (uint64_t seen = word.load_acquire(); seen < target; seen = word.load_acquire())
    if (word.cas_acq_rel(seen, target)) return;
}

}  // namespace

uint64_t prepare_wait(EventLine& event) {
  // [event] Acquire: a waiter that reads a sequence counted by notify() sees the condition that was
  // changed before.
  const uint64_t ticket = event.sequence.load_acquire();
  raise_to(event.wanted, ticket + 1);
  // [event-announce] Forbids that the caller's look at the condition comes before `wanted` is
  // there, and with it the lost wake-up: waiter looks (old), waker changes, waker finds nobody,
  // waiter sleeps. Pairs with the fence of notify(): of looking and finding, one sees the other.
  base::full_fence();
  return ticket;
}

WaitEnd wait(EventLine& event, uint64_t ticket, int64_t deadline_ns) {
  const int64_t clamped_ns = deadline_ns < 0 ? 0 : deadline_ns;
  const timespec deadline{.tv_sec = clamped_ns / 1'000'000'000,
                          .tv_nsec = clamped_ns % 1'000'000'000};
  // The kernel compares the low half. It would fit again after 2^32 events between this load and
  // its look, minutes at 10 M/s: the price is one sleep up to the deadline.
  // Ends: each round is a wake by somebody, or the deadline.
  // [event] Acquire: whoever returns `notified` sees the condition that was changed before.
  while (event.sequence.load_acquire() == ticket) {
    const auto expected = static_cast<uint32_t>(ticket);
    if (futex(event, FUTEX_WAIT_BITSET, expected, &deadline) == 0 || errno == EAGAIN) continue;
    return errno == ETIMEDOUT ? WaitEnd::timed_out : WaitEnd::interrupted;
  }
  return WaitEnd::notified;
}

bool is_awaited(const EventLine& event) {
  // [event] Acquire: an old `wanted` is one that was notified, or will be seen at the next look.
  return event.wanted.load_acquire() > event.sequence.load_acquire();
}

void notify(EventLine& event) {
  // [event-announce] Forbids that the loads below come before the caller's change of the condition.
  // Pairs with the fence of prepare_wait().
  base::full_fence();
  // [event] Acquire: the sequence below is at least the one that the waiter announced for. An older
  // one would lose the CAS without anybody having counted.
  const uint64_t wanted = event.wanted.load_acquire();
  // Relaxed: an old `woken` is a smaller one and costs a wake too much. A newer one is true:
  // whoever was announced up to there was woken, or will find the sequence changed.
  if (wanted <= event.woken.load_relaxed()) return;

  // [event] Release: the condition is changed before the sequence is. Whoever loses the CAS lost to
  // another waker, who may be killed before it wakes: so the loser wakes too.
  const uint64_t sequence = event.sequence.load_acquire();
  if (sequence < wanted) (void)event.sequence.cas_acq_rel(sequence, sequence + 1);
  base::fault_point(base::FaultPoint::notify_before_wake);
  futex(event, FUTEX_WAKE, INT_MAX, nullptr);
  raise_to(event.woken, wanted);
}

}  // namespace casbook::arena
