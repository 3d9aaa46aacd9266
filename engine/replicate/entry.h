// One entry of the Raft log, as it is journaled, shipped and applied: a batch of whole records of
// one term, or one of consensus's own. Immutable and shared: log, transport and disk hold the same.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "journal/format.h"

namespace casbook::replicate {

struct LogEntry {
  uint64_t index = 0;  // dense from 1
  uint64_t term = 0;
  journal::EntryType type = journal::EntryType::records;
  // The LSNs of its records are first_lsn .. first_lsn + count - 1; of other types count is 0, and
  // first_lsn is what the next record will have.
  uint64_t first_lsn = 0;
  uint32_t count = 0;
  std::vector<std::byte> body;  // encoded records; a configuration; nothing

  // Of its last record; {} of other types.
  Position last() const { return count ? Position::of(term, first_lsn + count - 1) : Position{}; }
};
using EntryPtr = std::shared_ptr<const LogEntry>;

// What the transport sends from and repairs from. Null: not kept any more.
class EntrySource {
 public:
  virtual ~EntrySource() = default;
  // Reads it, if need be.
  virtual EntryPtr entry(uint64_t index) = 0;
  // Never waits for a disk. Null also: it is being read, and is at hand a little later.
  virtual EntryPtr at_hand(uint64_t index) { return entry(index); }
  // 0: not known; known also of the one before the first. Never waits for a disk, as what follows.
  virtual uint64_t term_of(uint64_t index) {
    const EntryPtr found = entry(index);
    return found ? found->term : 0;
  }
  // Nothing: not kept.
  virtual std::optional<uint32_t> body_bytes(uint64_t index) {
    const EntryPtr found = entry(index);
    if (!found) return std::nullopt;
    return static_cast<uint32_t>(found->body.size());
  }
};

}  // namespace casbook::replicate
