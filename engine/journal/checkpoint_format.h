// The chunks of a checkpoint file, behind its header block. FORMAT.md has the tables.
//
//   block 0     CheckpointHeader, written last
//   then        chunks, each at a multiple of kBlockBytes, zeros up to the next: cells in ascending
//               order of their units, records in the order of their LSNs, one end chunk
//
// A chunk's checksum is seeded with journal and sequence number, so that none can be missing,
// doubled or swapped; the end chunk ties them all to the position of the header.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "journal/checkpoint.h"

namespace casbook::journal {

constexpr uint32_t kChunkMagic = 0x4b434243;     // "CBCK"
constexpr uint64_t kChunkBytesMax = 1ull << 20;  // padded
constexpr const char* kCheckpointTemporaryName = "checkpoint.new";

enum class ChunkKind : uint32_t { cells = 1, records = 2, end = 3 };

struct ChunkHeader {
  uint32_t magic;
  uint32_t kind;      // ChunkKind
  uint32_t bytes;     // header and body, without the padding; a multiple of 8
  uint32_t items;     // cells or records; 1 of an end chunk
  uint64_t sequence;  // from 0
  uint64_t first;     // cells: unit of the first; records: its LSN; end: 0
  uint64_t checksum;  // of the bytes above and the body, seeded with journal_id
};
static_assert(sizeof(ChunkHeader) == 40 && offsetof(ChunkHeader, sequence) == 16);
static_assert(std::has_unique_object_representations_v<ChunkHeader>);
constexpr uint64_t kChunkBodyBytesMax = kChunkBytesMax - sizeof(ChunkHeader);

// The body of the end chunk.
struct CheckpointEnd {
  uint64_t position;  // as in the file's header
  uint64_t chunks;    // without this one
  uint64_t cells, records;
  uint64_t digest;  // of the checksums of all chunks, in order, seeded with journal_id
};
static_assert(sizeof(CheckpointEnd) == 40);
static_assert(std::has_unique_object_representations_v<CheckpointEnd>);

void seal(CheckpointHeader& header);
uint64_t checksum_of(const ChunkHeader& header, std::span<const std::byte> body,
                     uint64_t journal_id);
uint64_t digest_of(const std::vector<uint64_t>& checksums, uint64_t journal_id);

// Null: a header that this program can read. Else what is wrong with it, with the code.
Result<void> check(const CheckpointHeader& header);

}  // namespace casbook::journal
