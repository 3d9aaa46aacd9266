// Time spans of the demo run on CLOCK_MONOTONIC.
#pragma once

#include <cstdint>

#include <time.h>

#include "base/clock.h"

namespace casbook::cli::demo {

inline int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return base::to_ns(t);
}

inline void sleep_us(int64_t us) {
  const timespec t{.tv_sec = us / 1'000'000, .tv_nsec = us % 1'000'000 * 1000};
  nanosleep(&t, nullptr);
}

constexpr int64_t kMs = 1'000'000;  // in ns
constexpr int64_t kSecond = 1'000 * kMs;

}  // namespace casbook::cli::demo
