// The arena of a node of a cluster that follows: built from checkpoint and journal up to what is
// committed, or empty, and put under the book's name in place of what has it.
//
//   newest sound checkpoint, records behind it up to `to_lsn` --> cells
//     --> gate {term of the last record, shut}; no OPEN, nothing journaled, leases as they are
//     --> the old file retired --> named
//
// Under its name it follows: its sessions answer not_leader until another promotes it.
// Crash windows: N4 filled, not named, the old file as it was: the next attempt begins anew. C4 of
// arena/create.cc: the old file is retired and has the name still; the next attempt replaces it.
#pragma once

#include <string>

#include "arena/arena.h"
#include "commit/store.h"
#include "journal/storage.h"

namespace casbook::daemon {

struct FollowerArenaOptions {
  std::string shm_directory = "/dev/shm";
  uint64_t journal_id = 0, promised_term = 0;
  uint64_t cluster = 0, node = 0;
  // The last committed record; records behind it are not looked at. 0: an empty book.
  uint64_t to_lsn = 0;
  // What has the name now, mapped by the caller, so that its sessions learn that they have to move.
  // Null: nothing, or a file that nobody can have attached.
  const commit::Store* replaced = nullptr;
};

struct FollowerArena {
  Position last;           // of the last record in it; {}: it is empty
  uint64_t records = 0;    // replayed, behind the checkpoint
  std::string checkpoint;  // its name; empty: from the first record
};

// `request`: of an empty book; also used where the journal has nothing. Errors: damaged: the
// journal does not reach `to_lsn`, or is; those of find_source(), of arena::replace() and of the
// storage. After an error the name is as it was. Blocking: as a recovery.
Result<FollowerArena> rebuild_follower(const journal::Storage& storage,
                                           const arena::CreateRequest& request,
                                           const FollowerArenaOptions& options);

}  // namespace casbook::daemon
