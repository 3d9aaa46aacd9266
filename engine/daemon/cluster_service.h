// The daemon of a book that is kept on several hosts: one life of its node after the other, each
// from what is on the disk and in memory to its end.
#pragma once

#include "daemon/config.h"
#include "journal/directory_storage.h"

namespace casbook::daemon {

class StopSignal;

// Serves the book as a node of its cluster until told to stop. Errors: those of opening it, and
// what ended it. Blocking.
Result<void> serve_in_cluster(const Config& config, journal::DirectoryStorage& storage,
                              const StopSignal& stop);

}  // namespace casbook::daemon
