// casbook serve: one daemon keeps one book durable. It creates, adopts, resumes or recovers the
// book, writes its log to the journal, says in the arena how far that is on disk, takes
// checkpoints, and closes the book when it is told to stop.
#pragma once

#include "daemon/config.h"

namespace casbook::daemon {

// Serves until SIGTERM or SIGINT, or until the journal fails. Success: stopped as asked, the book
// is closed, everything is synced, a checkpoint is taken. Errors: what a book, a storage or a
// journal answers; already_served, foreign_journal; io_error: the journal has failed, the book is
// closed. Blocks SIGTERM and SIGINT in the calling thread and those that it starts. One call at a
// time.
Result<void> serve(const Config& config);

}  // namespace casbook::daemon
