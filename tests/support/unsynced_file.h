// What a disk knows of one file: what is durable, and what was written but not synced, in sectors.
//
// Each write since the last sync is kept as a version of the sectors it touched, since a disk may
// have got to any of them when the power goes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "journal/storage.h"
#include "support/random.h"

namespace casbook::test {

// How much of the unsynced survives one loss of power: of 8 sectors so many are kept, so many torn.
struct Survival {
  uint64_t kept_of_8 = 4, torn_of_8 = 1;
};

class UnsyncedFile {
 public:
  // Numbers the writes of a whole storage in the order of their completion.
  using Stamp = uint64_t;

  UnsyncedFile() = default;
  // With durable content, of any length.
  explicit UnsyncedFile(std::span<const std::byte> content);

  uint64_t bytes() const { return bytes_; }
  // Within bytes().
  void read(uint64_t offset, std::span<std::byte> into) const;
  // Whole sectors; makes the file longer where it ends before.
  void write(uint64_t offset, std::span<const std::byte> bytes, Stamp stamp);
  // Never shorter.
  void allocate(uint64_t bytes, Stamp stamp);
  // What was written up to `covered`, and by the write `also`, is durable.
  void sync(Stamp covered, Stamp also = 0);
  // As Linux does it: each unsynced sector is written, or lost for good though its page is clean
  // now, so that the next sync succeeds. Reading gives the lost ones still (a cache), or no more.
  void fail_sync(Random& random);
  // Afterwards all that is left is durable.
  void lose_power(Random& random, Survival survival);

 private:
  using Sector = std::array<std::byte, journal::kSectorBytes>;
  struct Version {
    Stamp stamp;
    Sector content;
  };
  struct Length {
    Stamp stamp;
    uint64_t bytes;
  };

  void grow(uint64_t bytes, Stamp stamp);
  void survive(uint64_t sector, const std::vector<Version>& versions, Random& random,
               Survival survival);
  std::span<std::byte> sector_of(std::vector<std::byte>& content, uint64_t sector) {
    return std::span(content).subspan(sector * journal::kSectorBytes, journal::kSectorBytes);
  }

  uint64_t bytes_ = 0, durable_bytes_ = 0;
  std::vector<std::byte> now_, durable_;               // of one size, whole sectors
  std::map<uint64_t, std::vector<Version>> unsynced_;  // by sector, oldest first
  std::vector<Length> lengths_;                        // unsynced, ascending
  std::set<uint64_t> lost_;  // sectors that a cache shows and the disk has not
};

}  // namespace casbook::test
