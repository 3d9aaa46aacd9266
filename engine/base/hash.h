// XXH3 by its well-kept header, compiled in: content hashes, bucket choice, checksums.
// A checksum here detects damage; it is no signature.
#pragma once

#include <cstddef>
#include <cstdint>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace casbook::base {

inline uint64_t hash_bytes(const void* data, size_t bytes, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(data, bytes, seed);
}

// Maps a hash onto [0, count) without a division.
inline uint64_t reduce(uint64_t hash, uint64_t count) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(static_cast<Wide>(hash) * count >> 64);
}

}  // namespace casbook::base
