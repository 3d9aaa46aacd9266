#include "support/strike.h"

#include <unistd.h>

#include "support/child_process.h"
#include "support/random.h"

namespace casbook::test_support {
namespace {

Strike armed;
uint64_t remaining = 0;
Passages* counted = nullptr;
uint64_t delays_one_in = 0;
test::Random delay_random(0);

void delay() {
  constexpr uint64_t kDelayUsMax = 300;
  if (delays_one_in == 0 || !delay_random.one_in(delays_one_in)) return;
  sleep_us(static_cast<int64_t>(delay_random.below(kDelayUsMax)));
}

void strike_once() {
  if (remaining == 0 || --remaining != 0) return;
  kill(getpid(), armed.signal);
}

void on_fault(base::FaultPoint point) {
  if (counted) ++counted->at[static_cast<size_t>(point)];
  if (point == armed.point) strike_once();
  delay();
}

void on_access(const void*) {
  if (counted) ++counted->accesses;
  if (armed.point == base::FaultPoint::count) strike_once();
}

}  // namespace

void arm(const Strike& strike) {
  armed = strike;
  remaining = strike.nth;
  counted = nullptr;
  base::probes.fault = on_fault;
  base::probes.access = strike.point == base::FaultPoint::count ? on_access : nullptr;
}

void disarm() {
  remaining = 0;
  counted = nullptr;
  base::probes.fault = nullptr;
  base::probes.access = nullptr;
}

void delay_now_and_then(uint64_t one_in, uint64_t seed) {
  delays_one_in = one_in;
  delay_random = test::Random(seed);
  base::probes.fault = on_fault;
  base::probes.cas = [](const void*) { delay(); };
}

void count_passages(Passages& passages) {
  remaining = 0;
  counted = &passages;
  base::probes.fault = on_fault;
  base::probes.access = on_access;
}

}  // namespace casbook::test_support
