// What every benchmark program shares: how large its input is, floors first, and figures put beside
// the floor that they are to be compared with.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <time.h>

#include <benchmark/benchmark.h>

namespace casbook::bench {

inline int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

struct Sizes {
  uint64_t few = 16;              // accounts: everything stays in the first cache
  uint64_t many = 1'000'000;      // accounts: hardly anything does
  uint64_t payments = 4'000'000;  // ids held: the table has 1.3 GiB

  bool is_tiny() const { return many < 1'000'000; }
};

// Small where the run is only to show that the program works, as in the tests.
inline Sizes sizes_for(int argc, char** argv) {
  constexpr const char* kMinTime = "--benchmark_min_time=";
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], kMinTime, std::strlen(kMinTime)) == 0 &&
        std::strtod(argv[i] + std::strlen(kMinTime), nullptr) < 0.01)
      return {.few = 16, .many = 4096, .payments = 100'000};
  return {};
}

// xorshift: cheaper than what is measured.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 | 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  uint64_t below(uint64_t limit) { return (next() >> 32) * limit >> 32; }
  struct Two {
    uint64_t first, second;  // different
  };
  Two two_below(uint64_t limit) {
    const uint64_t first = below(limit);
    const uint64_t second = below(limit - 1);
    return {first, second < first ? second : second + 1};
  }

 private:
  uint64_t state_;
};

inline int64_t cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

// Times the whole loop. Returns ns of processor time per operation: what others take of the machine
// is not counted.
template <class Operation>
double time_loop(benchmark::State& state, Operation&& operation) {
  const int64_t start = cpu_ns();
  for (auto _ : state) operation();
  return static_cast<double>(cpu_ns() - start) / static_cast<double>(state.iterations());
}

// The same, where one call does `batch` operations.
template <class Operations>
double time_batches(benchmark::State& state, uint64_t batch, Operations&& operations) {
  const int64_t start = cpu_ns();
  while (state.KeepRunningBatch(static_cast<int64_t>(batch))) operations();
  return static_cast<double>(cpu_ns() - start) / static_cast<double>(state.iterations());
}

using Register = void (*)(const Sizes&);

// The main of a program: `floors` are registered, and so printed, before `benchmarks`.
inline int run(int argc, char** argv, Register floors, Register benchmarks) {
  static const Sizes sizes = sizes_for(argc, argv);
  floors(sizes);
  benchmarks(sizes);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace casbook::bench
