// What a test may put in place of the machine's memory: while a model is installed (Probes::memory),
// every access and fence of atomic.h goes through it, with its order and the place in the source
// that asks for it. Plain builds have no model and know no place: nothing of this is left there.
#pragma once

#include <cstdint>

namespace casbook::base {

struct Pair;

enum class Order : uint8_t { relaxed, acquire, release, seq_cst };

// Where an accessor is called.
struct Caller {
  const char* file;
  const char* function;
  int line;
};
constexpr Caller calling_place(const char* file = __builtin_FILE(),
                               const char* function = __builtin_FUNCTION(),
                               int line = __builtin_LINE()) {
  return {file, function, line};
}

// Addresses are those of 8-byte words, for cas16 the first of two. A compare-and-swap is acquire and
// release when it succeeds, acquire when it fails.
class MemoryModel {
 public:
  virtual uint64_t load(const uint64_t* word, Order order, Caller caller) = 0;
  virtual void store(uint64_t* word, uint64_t value, Order order, Caller caller) = 0;
  virtual bool cas(uint64_t* word, uint64_t expected, uint64_t desired, Caller caller) = 0;
  virtual bool cas16(uint64_t* words, const Pair& expected, const Pair& desired,
                     Caller caller) = 0;
  virtual void add_relaxed(uint64_t* word, uint64_t amount, Caller caller) = 0;
  virtual void fence(Order order, Caller caller) = 0;

 protected:
  ~MemoryModel() = default;
};

// Macros, because even an unused parameter with a default makes GCC 12 allot other registers: a plain
// build has to be what it would be without any of this.
#ifdef CASBOOK_INSTRUMENTED
#define CASBOOK_CALLER ::casbook::base::Caller caller = ::casbook::base::calling_place()
#define CASBOOK_AND_CALLER , CASBOOK_CALLER
#define CASBOOK_MODEL(access) \
  if (MemoryModel* model = probes.memory) return model->access;
#else
#define CASBOOK_CALLER
#define CASBOOK_AND_CALLER
#define CASBOOK_MODEL(access)
#endif

}  // namespace casbook::base
