// Checkpoints: the whole book at one position, in one file, taken while payments go on.
//
// Cells are copied one by one, each consistent in itself, between two looks at the end of the log,
// S0 and S1; the records of [S0, S1) are written behind them. Every word has its version, so the
// records that are newer than the copy of a word bring it to what it was at S1 - 1, the position of
// the checkpoint. Nobody is delayed.
//
// Written under a temporary name, checksummed, synced, renamed, the directory synced. FORMAT.md has
// the bytes.
#pragma once

#include <functional>
#include <optional>

#include "commit/store.h"
#include "journal/format.h"

namespace casbook::journal {

constexpr uint64_t kCheckpointMagic = 0x50434b4f4f4243;  // "CBOOKCP"
constexpr uint32_t kCheckpointFormat = 1;

struct CheckpointHeader {
  uint64_t magic;
  uint32_t format, header_bytes;
  uint64_t journal_id;
  uint64_t position;   // as of which the book stands here; 0: nothing was committed yet
  uint64_t start_lsn;  // S0: records from here up to the position follow the cells
  uint64_t index;      // of the journal's entry that holds that position; 0: before the first
  uint64_t created_ms;
  uint64_t book_time_ms;
  uint64_t reserved[8];
  uint64_t term_starts[kTermStarts];  // as in the arena, log/terms.h
  BookShape shape;
  uint64_t checksum;  // of all bytes above, seeded with journal_id
};
static_assert(offsetof(CheckpointHeader, term_starts) == 128);
static_assert(offsetof(CheckpointHeader, shape) == 640);
static_assert(sizeof(CheckpointHeader) == 1160 && sizeof(CheckpointHeader) <= kBlockBytes);
static_assert(std::has_unique_object_representations_v<CheckpointHeader>);

// "checkpoint-00281474976710700": the position in decimals, so that names sort by age. Nothing for
// any other name.
std::string checkpoint_name(Position position);
std::optional<Position> checkpoint_position(std::string_view name);

struct CheckpointInfo {
  std::string name;
  Position position;
  uint64_t bytes = 0;  // of the file
  uint64_t cells = 0, records = 0;
};

// Where the records of [from, to) come from once the ring has lapped them: writes the encoded words
// of each into `sink`, in order. Waits until they are synced; also where from = to: then until all
// before `to` are.
using RecordSource = std::function<Result<void>(
    uint64_t from, uint64_t to, const std::function<void(std::span<const uint64_t>)>& sink)>;

struct CheckpointRequest {
  uint64_t journal_id = 0;
  BookShape shape{};
  std::function<uint64_t(uint64_t lsn)> index_of;  // of the entry that holds that LSN
  RecordSource records;
  std::function<bool()> must_stop;  // asked now and then; true: give up, leaving nothing
};
// The only one at a time in this storage. Errors: those of the storage, overrun, wait_cancelled.
// Afterwards nothing but the last two checkpoints is there. Blocking.
Result<CheckpointInfo> write_checkpoint(const commit::Store& store, Storage& storage,
                                        const CheckpointRequest& request);

// Newest first; names only, nothing is checked.
Result<std::vector<std::string>> list_checkpoints(const Storage& storage);
// The header, checked. Errors: foreign_file, format_older, format_newer, damaged, truncated.
Result<CheckpointHeader> read_checkpoint_header(const Storage& storage, const std::string& name);
// Reads and checks all of it, and stores nothing.
Result<CheckpointInfo> verify_checkpoint(const Storage& storage, const std::string& name);
// Puts its cells, and the records behind them, into a freshly formatted store of the same shape
// that nobody else sees. In parallel. After an error the store is unusable.
Result<CheckpointInfo> load_checkpoint(const Storage& storage, const std::string& name,
                                       const commit::Store& store);

}  // namespace casbook::journal
