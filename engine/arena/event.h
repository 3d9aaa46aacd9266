// Waiting without a lock: an event count on a futex in the arena.
//
//   waiter: ticket = prepare(); check the condition again; wait(ticket, until)
//   waker:  change the condition; notify()
//
// No wake-up is lost: prepare() announces itself before the condition is checked, notify() looks
// for announcements after the condition changed, and a full fence stands in between on both sides.
// A waiter that dies costs one spurious wake-up. A waker that dies between counting and waking
// leaves `woken` behind `wanted`, so the next notify repeats the wake; a sleeper that meets no next
// event wakes by its own bound, which callers keep short (see lease/wait.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/atomic.h"

namespace casbook::arena {

// One cache line. Writers: waiters (wanted), wakers (sequence, woken).
struct alignas(64) EventLine {
  base::AtomicU64 sequence;  // futex word: its low half
  base::AtomicU64 wanted;    // sequence that some waiter waits for
  base::AtomicU64 woken;     // sequence up to which waiters were woken
  base::AtomicU64 reserved[5];
};
static_assert(sizeof(EventLine) == 64 && offsetof(EventLine, wanted) == 8);
static_assert(offsetof(EventLine, sequence) == 0 && offsetof(EventLine, woken) == 16);
static_assert(std::is_standard_layout_v<EventLine> &&
              std::has_unique_object_representations_v<EventLine>);

// Behind the lines that leases share: of those who wait for the disk, of the daemon that waits for
// them, and of those who wait for a majority (`quorum`, proof that this node leads). Apart, so that
// nobody is woken by what somebody else waits for.
enum OwnEvent : uint32_t { kDurableEvent, kDemandEvent, kQuorumEvent, kOwnEvents };

enum class WaitEnd { notified, timed_out, interrupted };

uint64_t prepare_wait(EventLine& event);
// Sleeps until notified or until `deadline_ns` on CLOCK_MONOTONIC. `interrupted`: a signal came.
WaitEnd wait(EventLine& event, uint64_t ticket, int64_t deadline_ns);
// Two loads and a fence when nobody waits.
void notify(EventLine& event);
// Whether somebody has announced that he waits since the last notify(). Errs towards yes where he
// died or gave up. Who was told of it by another event that he notified afterwards sees it.
bool is_awaited(const EventLine& event);

}  // namespace casbook::arena
