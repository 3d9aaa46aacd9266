// What a journal has to build an arena from: the newest checkpoint that is whole, and the segments
// behind it.
#pragma once

#include "journal/checkpoint.h"
#include "journal/shape.h"
#include "journal/storage.h"

namespace casbook::daemon {

// As the journal's header has it, or `wanted` where it has nothing.
struct RebuildSource {
  arena::CreateRequest request;
  std::string checkpoint;  // empty: none is sound, or none was taken yet
  journal::CheckpointHeader header{};
  bool has_segments = false;
};

// An unsound checkpoint is told and passed over, and so is one of a position behind `to_lsn`.
// Errors: damaged (neither a checkpoint nor the first record), foreign_journal, format_newer, the
// storage's.
Result<RebuildSource> find_source(const journal::Storage& storage, uint64_t journal_id,
                                  const arena::CreateRequest& wanted, const std::string& directory,
                                  uint64_t to_lsn = UINT64_MAX);

Error damaged(const journal::Storage& storage, const std::string& what);

}  // namespace casbook::daemon
