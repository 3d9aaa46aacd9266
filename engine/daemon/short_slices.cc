#include "daemon/short_slices.h"

#include <cstdint>

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace casbook::daemon {

namespace {

// As struct sched_attr of the kernel, which the C library does not have.
struct SchedulingAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns, deadline_ns, period_ns;
};

}  // namespace

void ask_for_short_slices(Haste haste) {
  constexpr uint64_t kSliceNs = 100'000;
  const SchedulingAttributes wanted{
      .size = sizeof wanted,
      .policy = haste == Haste::answers ? uint32_t{SCHED_OTHER} : uint32_t{SCHED_BATCH},
      .flags = 0,
      .nice = getpriority(PRIO_PROCESS, 0),
      .priority = 0,
      .runtime_ns = kSliceNs,
      .deadline_ns = 0,
      .period_ns = 0};
  (void)syscall(SYS_sched_setattr, 0, &wanted, 0);
}

}  // namespace casbook::daemon
