// One host of a cluster: the threads around a replicate::Replicator.
//
//   collector   records of the book -> the log; wakes when a caller waits
//   receiver    datagrams; time
//   completer   what is on disk
//   preparer    the next segment
//   worker      the book: applies what is committed, promotes, rebuilds
//
// Each event is handled in the thread in which it occurs, under one mutex; no thread hands over to
// another. A failed disk ends the node: the others elect a leader among themselves.
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
