// Coming to serve a book: what is in memory, what is on disk, and what follows from both.
//
//   arena         journal            then
//   none          none               create: a new book, journaled from its first record
//   none          there              recover: rebuilt from checkpoint and journal, in a new term
//   not journaled none               adopt: followed from here on, durable from its first
//                                    checkpoint on
//   its own       there              resume: the journal goes on behind what was told to be durable
//   its own,      there              quarantined, removed, and recovered
//     but damaged
//   another's, or one of both is missing: refused, nothing is touched
#pragma once

#include <optional>
#include <vector>

#include "api/core.h"
#include "daemon/config.h"
#include "daemon/lock_file.h"
#include "journal/appender.h"
#include "journal/directory_storage.h"
#include "journal/state_file.h"
#include "log/follower.h"

namespace casbook::daemon {

struct Opened {
  std::shared_ptr<api::Core> core;
  std::vector<LockFile> locks;
  journal::JournalState state;
  journal::BookShape shape{};
  std::unique_ptr<journal::Appender> appender;
  std::optional<log::Follower> follower;
  bool is_adopted = false;   // not journaled yet: a checkpoint has to be taken first
  uint64_t adopted_lsn = 0;  // the first that is journaled then
};

// Opens the term after one that a stop has shut; a quarantine stays. Promises it and the next one,
// to disk and to the arena, which is journaled from here on.
Result<void> open_gate(journal::Storage& storage, Opened& opened);

// The book is attached, followed and locked; its gate is open unless it is quarantined. Errors:
// already_served, foreign_journal, format_newer, format_older, no_permission, those of the storage,
// of the journal and of creating a book.
Result<Opened> open_book(const Config& config, journal::DirectoryStorage& storage);

}  // namespace casbook::daemon
