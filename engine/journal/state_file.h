// What a journal must know beside its entries: whose it is, and which terms were promised.
//
// A term is written here, and synced, before the first position of it can be seen by anybody; so
// after any loss the next one is later than all that were seen (Raft's currentTerm). Replaced
// whole: written under a temporary name, synced, renamed, directory synced.
#pragma once

#include "journal/storage.h"

namespace casbook::journal {

struct JournalState {
  uint64_t journal_id = 0;
  uint64_t reserved_term = 0;  // terms up to this one may have been seen
  // Of a node of a cluster: the cluster (0: none), its id there, and for whom it voted in that term.
  uint64_t cluster = 0, node = 0, voted_for = 0;
  // Of this directory, random: tells it from every other that a node of this id ever had. A copy does
  // not bring it along.
  uint64_t storage_id = 0;
};

// book_missing: the directory has none. Errors: damaged, format_newer, io_error.
Result<JournalState> read_state(const Storage& storage);
Result<void> write_state(Storage& storage, const JournalState& state);

}  // namespace casbook::journal
