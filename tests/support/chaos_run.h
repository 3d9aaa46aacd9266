// Runs the chaos: starts everybody, kills, stops and starts again, and sums up.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "support/chaos_world.h"

namespace casbook::test_support::chaos {

struct RunOptions {
  std::chrono::milliseconds length{5000};
  uint32_t workers = 5;
  uint64_t seed = 1;
  base::Mutant mutant = base::Mutant::none;  // in the workers
  std::chrono::seconds stall_after{10};
  Problem wanted = Problem::count;  // the run ends when it was found
};

struct RunReport {
  uint64_t kills = 0, stops = 0, starts = 0;
  uint64_t records = 0, payments = 0, refusals = 0, replays = 0;
  uint64_t grants = 0, lease_takeovers = 0, stale_refused = 0;
  uint64_t session_takeovers = 0, reads = 0, slow_lane = 0;
  double seconds = 0;
  std::array<uint64_t, kProblems> problems{};

  uint64_t problems_found() const;
  uint64_t found(Problem problem) const { return problems[static_cast<size_t>(problem)]; }
  void print(std::FILE* out) const;
};

RunReport run(const RunOptions& options);

}  // namespace casbook::test_support::chaos
