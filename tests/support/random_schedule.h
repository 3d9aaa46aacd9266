// Random schedules: uniform, by changing priorities (PCT), in bursts, with long stops, and with
// stops right before the accesses of a few kinds, which is what finds most.
#pragma once

#include "support/memory_arena.h"
#include "support/schedule.h"

namespace casbook::test {

struct RandomOptions {
  uint32_t kills_max = 0;
  uint64_t steps_max = 1'000'000;  // more: somebody waits for ever
};

// Runs all processes to their end; one of a killed process's rebirth too. Background processes see
// is_stopping() when the others are done. Returns how many were killed.
uint32_t run_random(Schedule& schedule, const MemoryArena& arena, const RandomOptions& options);

}  // namespace casbook::test
