// Probes: where tests reach into the engine. Compiled away unless CASBOOK_INSTRUMENTED is defined.
//
//  access point  before every access to shared memory: a scheduler switches or a killer strikes
//  fault point   a named crash window of the protocol (fault_points.def lists them all)
//  mutant        a seeded bug, switched at run time, that the test suite has to catch
//  memory model  in place of the machine's memory (memory_model.h)
#pragma once

#include <cstdint>

#include "base/limits.h"
#include "base/memory_model.h"

namespace casbook::base {

enum class FaultPoint : uint16_t {
#define CASBOOK_FAULT_POINT(name, text) name,
#include "base/fault_points.def"
#undef CASBOOK_FAULT_POINT
  count
};

enum class Mutant : uint16_t {
  none,
#define CASBOOK_MUTANT(name, text) name,
#include "base/mutants.def"
#undef CASBOOK_MUTANT
  count
};

const char* fault_point_name(FaultPoint point);
const char* mutant_name(Mutant mutant);

#ifdef CASBOOK_INSTRUMENTED

// Null unless a test sets them. `address` is the word about to be accessed; `cas`, where it is set,
// is called in place of `access` before a compare-and-swap.
struct Probes {
  void (*access)(const void* address) = nullptr;
  void (*cas)(const void* address) = nullptr;
  void (*pause)() = nullptr;
  void (*fault)(FaultPoint point) = nullptr;
  Mutant mutant = Mutant::none;
  MemoryModel* memory = nullptr;
};
inline Probes probes;

// Small values bring rare paths within reach of a short exploration.
struct Tuning {
  uint64_t tail_lag_max = kTailLagMax;
  uint32_t spins_before_helping = kSpinsBeforeHelping;
  uint32_t begin_slow = 0;  // bit n: payments of n accounts begin in the slow lane
};
inline Tuning tuning;

inline void access_point(const void* address) {
  if (probes.access) probes.access(address);
}
inline void cas_point(const void* address) {
  if (probes.cas) return probes.cas(address);
  access_point(address);
}
inline void pause_point() {
  if (probes.pause) probes.pause();
}
inline void fault_point(FaultPoint point) {
  if (probes.fault) probes.fault(point);
}
inline bool mutated(Mutant mutant) { return probes.mutant == mutant; }

// Reads CASBOOK_FAULT=NAME[:NTH[:kill|stop]] and arms it for this process, so that a separate
// program can be struck as well. Called at attach; no effect in plain builds.
void arm_fault_from_environment();

#else

struct Tuning {
  uint64_t tail_lag_max = kTailLagMax;
  uint32_t spins_before_helping = kSpinsBeforeHelping;
  uint32_t begin_slow = 0;
};
constexpr Tuning tuning;

inline void access_point(const void*) {}
inline void cas_point(const void*) {}
inline void pause_point() {}
inline void fault_point(FaultPoint) {}
constexpr bool mutated(Mutant) { return false; }
inline void arm_fault_from_environment() {}

#endif

}  // namespace casbook::base
