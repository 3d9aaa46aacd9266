// One caller's durable calls, in turn with its floor, so that what drifts hits both.
#pragma once

#include "durable/effort.h"
#include "durable/latencies.h"

namespace casbook::bench {

struct OneCaller {
  Latencies subject, floor;

  double p50_ratio() { return subject.p50() / floor.p50(); }
  double p99_ratio() { return subject.p99() / floor.p99(); }
};

// `call`: one durable payment; false: it failed, and so the whole. A floor has a round().
template <class Floor, class Call>
bool time_one_caller(const Effort& effort, Floor& floor, OneCaller& times, Call&& call) {
  bool ok = true;
  for (uint32_t block = 0; block < effort.blocks && ok; ++block) {
    for (uint32_t i = 0; i < effort.rounds; ++i) times.floor.time([&] { floor.round(); });
    for (uint32_t i = 0; i < effort.rounds; ++i) times.subject.time([&] { ok &= call(); });
  }
  return ok;
}

}  // namespace casbook::bench
