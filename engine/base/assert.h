// Asserts for our own logic; they stay in release builds. Bytes from shared memory, disk or network
// are input and are validated with an error instead.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace casbook::base {

[[noreturn]] inline void assert_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "casbook: defect: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace casbook::base

#define CASBOOK_ASSERT(expression) \
  ((expression) ? void(0) : ::casbook::base::assert_failed(#expression, __FILE__, __LINE__))

// Costly checks, for development builds only.
#ifdef CASBOOK_EXPENSIVE_ASSERTS
#define CASBOOK_EXPENSIVE_ASSERT(expression) CASBOOK_ASSERT(expression)
#else
#define CASBOOK_EXPENSIVE_ASSERT(expression) void(0)
#endif
