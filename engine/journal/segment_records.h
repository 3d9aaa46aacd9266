// Records of the journal by LSN, and which segments are still needed for them.
#pragma once

#include <functional>

#include "journal/entry_reader.h"

namespace casbook::journal {

// The encoded words of each record of [from, to), in order, to `sink`; all of them are synced, and
// the journal may be written to meanwhile. Returns the index of the entry that holds the last of
// them; 0 when the range is empty. Errors: damaged, also when some are missing.
Result<uint64_t> read_records(const Storage& storage, uint64_t journal_id, uint64_t from,
                              uint64_t to,
                              const std::function<void(std::span<const uint64_t>)>& sink);

// Where an entry ends that ends with the record at `lsn`. Errors: damaged: none does.
Result<JournalEnd> end_at(const Storage& storage, uint64_t journal_id, uint64_t lsn);

// The last entry of the segments that hold no record from `lsn` on; 0: there are no such. The last
// segment never counts as one.
Result<uint64_t> last_index_below(const Storage& storage, uint64_t journal_id, uint64_t lsn);

// Removes those segments, but none with an entry behind `index`. Returns how many are left and their
// bytes. Crash: some are removed, oldest first.
struct SegmentsKept {
  uint64_t count = 0, bytes = 0;
};
Result<SegmentsKept> remove_segments_below(Storage& storage, uint64_t journal_id, uint64_t lsn,
                                           uint64_t index = UINT64_MAX);

// The records of one entry, one after the other. False, and stops, where its body is none of whole
// records that go on from its first LSN, in its term.
bool for_each_record(const Entry& entry,
                     const std::function<void(std::span<const uint64_t>)>& sink);

}  // namespace casbook::journal
