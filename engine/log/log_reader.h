// Reading the log: any record from the floor to the end, by LSN. Writes nothing, so a read-only
// mapping can be a reader; a stopped reader delays nobody and may be told `overrun`.
#pragma once

#include "commit/store.h"
#include "log/record.h"

namespace casbook::log {

enum class Fetch { got, end, overrun, damaged };

// The record at `lsn`: from the ring when it is copied, else from its descriptor. Marks come as
// records without changes, of kind seal or open. Lock-free.
Fetch fetch(const commit::Store& store, uint64_t lsn, Record& record);
// The same as words, for those who pass it on.
Fetch fetch_encoded(const commit::Store& store, uint64_t lsn, EncodedRecord& record);

// One past the last commit: every LSN below was claimed before this returned.
uint64_t log_end(const commit::Store& store);
// Of the record at `lsn`, in a ring that was just built from a journal too: there the last record is
// not in the ring, and all there is is durable. Errors: overrun (also: not there yet), damaged.
Result<Position> position_of(const commit::Store& store, uint64_t lsn);
// The position of the last commit or mark; {}: none, or it is damaged.
Position last_position(const commit::Store& store);
// The oldest LSN that is still promised.
uint64_t log_floor(const commit::Store& store);

}  // namespace casbook::log
