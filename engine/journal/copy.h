// A copy of a journal, on its way from one node of a cluster to another: the newest checkpoint and
// the entries behind it, as messages. FORMAT.md has their bytes.
//
//   begin, checkpoint pieces, configuration, entries, end
//
// Entries travel and not segments: heads of entries are sealed for their journal, bodies are equal
// everywhere, and what was cut off stays where it is. The receiver makes segments of its own.
#pragma once

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "journal/format.h"

namespace casbook::journal {

constexpr uint64_t kCopyMessageBytesMax = kEntryBytesMax + 4096;
// Pieces of a checkpoint: a multiple of kBlockBytes.
constexpr uint64_t kCopyPieceBytes = 256 << 10;

// Of one journal, and of what it says up to `end_index`.
struct CopyBegin {
  uint64_t journal_id = 0;  // of the sender: the checkpoint's checksums are seeded with it
  uint64_t position = 0;    // of the checkpoint; 0: there is none, and the entries have all records
  uint64_t checkpoint_bytes = 0;
  // An entry that is committed: the one that the checkpoint has all up to; without a checkpoint the
  // one before the first, or the first.
  uint64_t committed_index = 0;
  // Before the first entry that comes; none comes where it is the end.
  uint64_t base_index = 0, base_term = 0, base_next_lsn = 0;
  uint64_t end_index = 0, end_term = 0;
  bool operator==(const CopyBegin&) const = default;
};
struct CopyPiece {
  uint64_t offset = 0;
  std::span<const std::byte> bytes{};
};
// The file of that name beside the segments, whole; only where there is one.
struct CopyConfiguration {
  std::span<const std::byte> bytes{};
};
struct CopyEntry {
  uint64_t index = 0, first_lsn = 0;
  uint32_t count = 0;
  uint16_t term = 0;
  EntryType type = EntryType::records;
  std::span<const std::byte> body{};
};
struct CopyEnd {
  uint64_t entries = 0;
};
using CopyMessage = std::variant<CopyBegin, CopyPiece, CopyConfiguration, CopyEntry, CopyEnd>;

void encode(const CopyMessage& message, std::vector<std::byte>& into);
// Nothing: no message of a copy. Spans point into `bytes`.
std::optional<CopyMessage> decode_copy_message(std::span<const std::byte> bytes);

}  // namespace casbook::journal
