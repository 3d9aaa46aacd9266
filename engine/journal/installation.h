// A copy in the place of the journal that is there: whole or not at all.
//
//   incoming.* whole and synced --mark--> old files removed --> incoming.* renamed --> unmarked
//
// A start that finds the mark finishes what it says; one that does not, removes `incoming.*`. So
// until the mark is synced the old journal is there, and from then on the new one is. FORMAT.md has
// the crash windows I0 to I4.
//
// May the copy replace it at all? That is the node's rule (may_install), which knows nothing of
// files.
#pragma once

#include "journal/storage.h"

namespace casbook::journal {

constexpr const char* kIncomingPrefix = "incoming.";
constexpr const char* kReceivedPrefix = "received.";  // not under this journal's identity yet

// What the mark says.
struct Installation {
  uint64_t first_segment = 0;  // segments from this number on are the copy's
  uint64_t checkpoint = 0;     // its position; 0: none
  uint64_t last_index = 0, last_term = 0;
};

// Marks the copy, and puts it in place. Nobody uses the journal meanwhile. Errors: those of the
// storage; then the next start goes on. Blocking.
Result<void> install(Storage& storage, const Installation& installation);
// What every start does first: finishes an installation that was marked, and removes a copy that
// was not. True: there was one to finish. Errors: damaged: the mark is none; those of the storage.
Result<bool> finish_installation(Storage& storage);
// Removes what is there of a copy.
Result<void> discard_copy(Storage& storage);

// What a node has, in memory or on disk, when a copy is to take the place of it.
struct OwnLog {
  uint64_t last_index = 0, last_term = 0;
  uint64_t current_term = 0;
};
struct OfferedLog {
  uint64_t last_index = 0, last_term = 0;
  uint64_t committed_index = 0;
};
// Whether nothing that this node acknowledged is lost with its own log (../replicate/PROTOCOL.md,
// section 16): the copy is at least as up to date, as with votes; and it has what this node told
// leaders of its current term, for all of its own log is behind what is committed there, or the
// copy has an entry of that term or a later one.
bool may_install(const OfferedLog& copy, const OwnLog& own);

}  // namespace casbook::journal
