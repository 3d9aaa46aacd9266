// CRC-32C (Castagnoli), by the processor's own instruction: SSE 4.2 (every x86-64 since 2008) and
// ARMv8.1. Neither inverts its input or its result.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#endif

namespace casbook::base {

// `crc` carried on over the 8 bytes of `word`, little-endian.
inline uint64_t crc32c(uint64_t crc, uint64_t word) {
#if defined(__x86_64__)
  return _mm_crc32_u64(crc, word);
#elif defined(__aarch64__)
  return __crc32cd(static_cast<uint32_t>(crc), word);
#else
#error "casbook is written for x86-64 and ARM64"
#endif
}

}  // namespace casbook::base
