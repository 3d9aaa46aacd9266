// The bytes of a journal: segments of entries. FORMAT.md has the tables and the rules.
//
// An entry is one batch of whole records of one term, and one Raft log entry. Everything is
// little-endian; checksums are XXH3-64, seeded, so that bytes of another journal or segment never
// fit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include <casbook/types.h>

#include "journal/shape.h"
#include "journal/storage.h"

namespace casbook::journal {

constexpr uint64_t kSegmentMagic = 0x4745534b4f4f4243;  // "CBOOKSEG"
constexpr uint32_t kEntryMagic = 0x45424a43;            // "CJBE"
// Bump when the meaning or place of any byte of a segment changes.
constexpr uint32_t kJournalFormat = 1;

constexpr uint64_t kSegmentBytesDefault = 64ull << 20;
constexpr uint64_t kSegmentBytesMin = 4ull << 20;
constexpr uint64_t kSegmentBytesMax = 4ull << 30;
constexpr uint64_t kEntryBytesMax = 1ull << 20;  // padded

// The first block of a segment. Written and synced before the segment has its name.
struct SegmentHeader {
  uint64_t magic;
  uint32_t format, header_bytes;
  uint64_t journal_id;  // random, not 0: tells this journal from every other
  uint64_t number;      // 1 for the first; one more than its predecessor
  uint64_t bytes;       // of the whole file
  uint64_t created_ms;
  // Where it goes on: this ends the predecessor too, so what stands behind that there is cut off.
  uint64_t first_index;  // of its first entry
  uint64_t next_lsn;     // of the first record of that entry
  uint64_t chain;        // checksum of the entry before it; 0: none
  uint64_t term;         // of the entry before it
  uint64_t reserved[6];
  BookShape shape;
  uint64_t checksum;  // of all bytes above, seeded with journal_id
};
static_assert(offsetof(SegmentHeader, journal_id) == 16 && offsetof(SegmentHeader, number) == 24);
static_assert(offsetof(SegmentHeader, first_index) == 48 && offsetof(SegmentHeader, term) == 72);
static_assert(offsetof(SegmentHeader, shape) == 128 && offsetof(SegmentHeader, checksum) == 640);
static_assert(sizeof(SegmentHeader) == 648 && sizeof(SegmentHeader) <= kBlockBytes);
static_assert(std::has_unique_object_representations_v<SegmentHeader>);

// records: what commits made. Of a cluster also: barrier, by which a leader begins its term; change, a
// configuration. Those have count 0, and first_lsn is what the next record has.
enum class EntryType : uint8_t { records = 1, barrier = 2, change = 3 };

// At a multiple of kBlockBytes; the body follows at once, then zeros up to the next block.
struct EntryHeader {
  uint32_t magic;
  uint32_t bytes;      // header and body, without the padding
  uint64_t index;      // Raft log index; dense from 1
  uint64_t first_lsn;  // the LSNs of its records are first_lsn .. first_lsn + count - 1
  uint32_t count;
  uint16_t term;
  uint8_t type;  // EntryType
  uint8_t reserved;
  uint64_t synced_index;   // every entry up to here was synced when this one was written
  uint64_t chain;          // `checksum` of the entry before this one; 0: none
  uint64_t body_checksum;  // seeded with `index`
  uint64_t checksum;       // of the bytes above, seeded with seed_of(): journal and segment
};
// An entry without records, that a cluster's log has for itself.
constexpr bool is_of_consensus(const EntryHeader& header) {
  const auto type = static_cast<EntryType>(header.type);
  return header.count == 0 && (type == EntryType::barrier || type == EntryType::change);
}
static_assert(offsetof(EntryHeader, index) == 8 && offsetof(EntryHeader, count) == 24);
static_assert(offsetof(EntryHeader, term) == 28 && offsetof(EntryHeader, synced_index) == 32);
static_assert(offsetof(EntryHeader, checksum) == 56 && sizeof(EntryHeader) == 64);
static_assert(std::has_unique_object_representations_v<EntryHeader>);

uint64_t seed_of(uint64_t journal_id, uint64_t segment_number);

// Fill in the checksums.
void seal(SegmentHeader& header);
void seal(EntryHeader& header, std::span<const std::byte> body, uint64_t seed);

// Null when it is a header that this program can read; else what is wrong with it, with the code:
// foreign_file, format_older, format_newer, damaged.
Result<void> check(const SegmentHeader& header, uint64_t file_bytes);
// Whether these 64 bytes are an entry's header of that segment. Looks at nothing else.
bool is_entry(const EntryHeader& header, uint64_t seed);
bool is_body(const EntryHeader& header, std::span<const std::byte> body);

// "segment-00000000000000000042"; nothing for any other name.
std::string segment_name(uint64_t number);
std::optional<uint64_t> segment_number(std::string_view name);

// Where a journal ends: what the next entry goes on from.
struct JournalEnd {
  uint64_t segment = 0;   // its number; 0: there is none
  uint64_t offset = 0;    // in that segment, behind the last entry
  uint64_t index = 0;     // of the last entry; 0: none
  uint64_t chain = 0;     // its checksum
  uint64_t term = 0;      // its term
  uint64_t next_lsn = 0;  // one behind its last record

  // The position of the last record, {} if there is none.
  Position position() const {
    return next_lsn > 1 && term ? Position::of(term, next_lsn - 1) : Position{};
  }
};

}  // namespace casbook::journal
