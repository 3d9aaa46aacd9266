// The only header of the engine that names an atomic instruction. Method names carry the memory
// order, so no default order and no illegal pair exists. The objects live in shared memory: plain
// layout, no constructor, no destructor.
//
// In instrumented builds (tests) every access first calls the access hook: a deterministic
// scheduler switches there, a crash test kills there; and a test may put a model in place of the
// machine's memory, which is told the order and the caller. Plain builds have neither parameter nor
// branch for that (memory_model.h): they compile to the bare instruction.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/probe.h"

namespace casbook::base {

// x86-64 and ARM64 with LSE: 8-byte accesses are one instruction; the order costs nothing on x86
// except for compare-and-swap, which is a full barrier there.
class AtomicU64 {
 public:
  uint64_t load_relaxed(CASBOOK_CALLER) const {
    access_point(this);
    CASBOOK_MODEL(load(&value_, Order::relaxed, caller))
    return __atomic_load_n(&value_, __ATOMIC_RELAXED);
  }
  uint64_t load_acquire(CASBOOK_CALLER) const {
    access_point(this);
    CASBOOK_MODEL(load(&value_, Order::acquire, caller))
    return __atomic_load_n(&value_, __ATOMIC_ACQUIRE);
  }
  void store_relaxed(uint64_t value CASBOOK_AND_CALLER) {
    access_point(this);
    CASBOOK_MODEL(store(&value_, value, Order::relaxed, caller))
    __atomic_store_n(&value_, value, __ATOMIC_RELAXED);
  }
  void store_release(uint64_t value CASBOOK_AND_CALLER) {
    access_point(this);
    CASBOOK_MODEL(store(&value_, value, Order::release, caller))
    __atomic_store_n(&value_, value, __ATOMIC_RELEASE);
  }
  // True when `expected` was there and `desired` is there now.
  bool cas_acq_rel(uint64_t expected, uint64_t desired CASBOOK_AND_CALLER) {
    cas_point(this);
    CASBOOK_MODEL(cas(&value_, expected, desired, caller))
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
  }
  // Statistics only: nothing is ordered by it.
  void add_relaxed(uint64_t amount CASBOOK_AND_CALLER) {
    access_point(this);
    CASBOOK_MODEL(add_relaxed(&value_, amount, caller))
    __atomic_fetch_add(&value_, amount, __ATOMIC_RELAXED);
  }
  // For an owner's private bookkeeping before others can see the object.
  void initialise(uint64_t value) { value_ = value; }

 private:
  uint64_t value_;
};

struct Pair {
  uint64_t lo, hi;
  bool operator==(const Pair&) const = default;
};

// Two words changed together by one 16-byte compare-and-swap. They are loaded one by one: a reader
// that needs both from one moment re-checks. (A 16-byte atomic load would need a writable page on
// older processors, and observers map read-only.)
class alignas(16) AtomicPair {
 public:
  AtomicU64 lo, hi;

  bool cas16_acq_rel(Pair expected, Pair desired CASBOOK_AND_CALLER) {
    cas_point(this);
    CASBOOK_MODEL(cas16(reinterpret_cast<uint64_t*>(this), expected, desired, caller))
    // __sync and not __atomic: the latter calls libatomic for 16 bytes.
    return __sync_bool_compare_and_swap(reinterpret_cast<Wide*>(this), wide(expected),
                                        wide(desired));
  }

 private:
  __extension__ using Wide [[gnu::may_alias]] = unsigned __int128;
  static Wide wide(Pair p) { return static_cast<Wide>(p.hi) << 64 | p.lo; }
};

static_assert(sizeof(AtomicU64) == 8 && std::is_trivially_destructible_v<AtomicU64>);
static_assert(sizeof(AtomicPair) == 16 && alignof(AtomicPair) == 16);
static_assert(std::is_standard_layout_v<AtomicU64> && std::is_trivially_copyable_v<AtomicU64>);

inline void acquire_fence(CASBOOK_CALLER) {
  CASBOOK_MODEL(fence(Order::acquire, caller))
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
}
inline void release_fence(CASBOOK_CALLER) {
  CASBOOK_MODEL(fence(Order::release, caller))
  __atomic_thread_fence(__ATOMIC_RELEASE);
}
inline void full_fence(CASBOOK_CALLER) {
  CASBOOK_MODEL(fence(Order::seq_cst, caller))
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// A run of words from private memory to shared, each as by store_relaxed(). In plain builds two
// words move at once: x86-64 and ARM64 never tear an aligned 8-byte half of a 16-byte access.
#if defined(CASBOOK_INSTRUMENTED) || defined(__SANITIZE_THREAD__)
inline void store_words_relaxed(AtomicU64* to, const uint64_t* from, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) to[i].store_relaxed(from[i]);
}
#else
inline void store_words_relaxed(AtomicU64* to, const uint64_t* from, uint32_t count) {
  using TwoWords [[gnu::vector_size(16), gnu::aligned(8), gnu::may_alias]] = uint64_t;
  for (; count >= 4; count -= 4, to += 4, from += 4) {
    const TwoWords* const source = reinterpret_cast<const TwoWords*>(from);
    TwoWords* const target = reinterpret_cast<TwoWords*>(to);
    target[0] = source[0];
    target[1] = source[1];
    asm volatile("" ::: "memory");  // else GCC calls memcpy, which promises nothing about tearing
  }
  for (; count > 0; --count) (to++)->store_relaxed(*from++);
}
#endif

inline void spin_pause() {
  pause_point();
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// As assembly: GCC 12 deletes calls of a function that holds nothing but __builtin_prefetch.
inline void prefetch_for_write(const void* address) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}
inline void prefetch(const void* address) {
#if defined(__x86_64__)
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address);
#endif
}

}  // namespace casbook::base
