// Backups: a checkpoint in a directory of its own, and a journal made from one.
#pragma once

#include "journal/checkpoint.h"

namespace casbook::journal {

// Copies the checkpoint `name` of `from` into `to`, checks all of the copy, syncs it and its
// directory. Errors: bad_argument (`to` is not empty), damaged, and those of the storages. A crash
// leaves the copy whole or without its name. Blocking.
Result<CheckpointInfo> back_up(const Storage& from, const std::string& name, Storage& to);

// The checkpoint `name` of `from` under the identity of another journal, whose name it keeps; of a
// book that looks like `shape`, if that is given. Checked before and behind, synced. Errors: damaged,
// those of the storages. A crash leaves it whole or a temporary file. Blocking.
Result<CheckpointInfo> restore_checkpoint(const Storage& from, const std::string& name, Storage& to,
                                          uint64_t journal_id, const BookShape* shape = nullptr);

struct RestoreRequest {
  std::string book;         // its name from now on; empty: as it was
  uint64_t journal_id = 0;  // 0: a random one
};
// Makes `journal` the journal of a book that is as the newest checkpoint of `backup` says, under an
// identity of its own: what the original journal wrote later never fits. Terms that the original
// may have opened since are skipped, so no position stands for two commits (up to 62 of them). Two
// journals that are restored from one backup are two books: positions and tokens of one say nothing
// in the other.
// Errors: bad_argument (a name), book_missing (no checkpoint in `backup`), book_exists (a journal
// in `journal`), damaged, and those of the storages. Blocking.
//
// Crash windows: before the checkpoint is renamed: nothing but a temporary file. Before the state
// is written: a checkpoint that no journal is beside, which is refused by whoever comes next.
Result<CheckpointInfo> restore(const Storage& backup, Storage& journal,
                               const RestoreRequest& request);

}  // namespace casbook::journal
