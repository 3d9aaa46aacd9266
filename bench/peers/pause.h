// How callers wait who have to ask again and again.
#pragma once

#include <cstdint>

#include <time.h>
#include <unistd.h>

#include "harness.h"

namespace casbook::peers {

constexpr int64_t kPollNs = 1'000'000;  // between two tries, half of it by chance

// Tries until it succeeds or the patience is over.
class Polling {
 public:
  explicit Polling(int64_t patience_ms)
      : until_ns_(bench::now_ns() + patience_ms * 1'000'000), random_(seed()) {}
  // False: the patience is over.
  bool wait() {
    if (bench::now_ns() >= until_ns_) return false;
    const auto chance = static_cast<int64_t>(random_.below(kPollNs));
    const timespec t{.tv_sec = 0, .tv_nsec = kPollNs / 2 + chance / 2};
    nanosleep(&t, nullptr);
    return true;
  }

 private:
  static uint64_t seed() {
    return static_cast<uint64_t>(bench::now_ns()) ^ static_cast<uint64_t>(getpid()) << 32;
  }

  int64_t until_ns_;
  bench::Random random_;
};

}  // namespace casbook::peers
