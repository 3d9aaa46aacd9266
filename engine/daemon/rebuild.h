// Building an arena: of a new book, or anew from its journal when memory has lost it.
//
//   journal directory --newest sound checkpoint, records behind it--> cells
//     --next term, promised on disk--> OPEN --leases with their whole TTL--> journaled --> named
//
// Under its name the book is whole, of a term that nobody has seen, and all of it is on disk.
// Crash windows: N1 the term is promised, nothing else: the next attempt promises a later one. N2
// opened, not journaled: the file has no name and is removed by the next attempt. N3 journaled, not
// named: as N1, behind the marks of this attempt.
#pragma once

#include <functional>

#include "journal/appender.h"
#include "journal/state_file.h"

namespace casbook::daemon {

struct Rebuilt {
  std::unique_ptr<journal::Appender> appender;  // settled; goes on behind what is in the arena
  journal::JournalState state;
  Position durable;        // the last record that the journal had
  uint64_t records = 0;    // replayed, behind the checkpoint
  std::string checkpoint;  // its name; empty: from the first record
  bool was_torn = false;
};

struct RebuildOptions {
  std::string shm_directory = "/dev/shm";
  journal::AppenderOptions appender{};
};

// `request`: of a book that is to be new; used where the journal has nothing at all. Errors:
// damaged (no sound checkpoint and no first segment; a damaged middle, with its place),
// book_exists, foreign_journal (it keeps a book of another name), no_memory, book_full (the last
// term is over), those of the storage. After an error no book is there.
Result<Rebuilt> rebuild(journal::Storage& storage, const journal::JournalState& state,
                        const arena::CreateRequest& request, const RebuildOptions& options);

// Whether rebuild() would find what it needs: a sound checkpoint of this book, and all entries
// behind it whole; reads them. The errors of rebuild().
Result<void> can_rebuild(const journal::Storage& storage, const journal::JournalState& state,
                         const arena::CreateRequest& request);

// Promises the terms up to `term`, on disk first.
Result<void> promise_term(journal::Storage& storage, journal::JournalState& state, uint64_t term);

}  // namespace casbook::daemon
