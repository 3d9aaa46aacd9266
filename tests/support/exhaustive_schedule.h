// Every schedule of two processes with up to three switches between them, each at an access to a
// contended word: the first runs, the second, the first again; then the second to its end and the
// first to its own, unless it died at the last switch.
#pragma once

#include <string>

#include "support/commit_world.h"

namespace casbook::test {

struct TwoProcesses {
  void (*first)(World& world);
  void (*second)(World& world);
  bool first_dies = false;  // at the last switch
};

struct ExhaustiveResult {
  uint64_t schedules = 0;
  std::string violation;  // of the first schedule that fails; names its switches
};

// `stride`: of the places of the third switch only every n-th is tried, in turn; 1 = all.
ExhaustiveResult explore_exhaustively(const TwoProcesses& processes, int stride);

}  // namespace casbook::test
