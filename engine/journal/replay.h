// Bringing the cells of a book forward by records. In parallel (oneTBB), in any order: a word is
// written when the record is newer than what is in it, by one 16-byte CAS, so records that meet in
// a word agree on the newest and all others do not meet.
#pragma once

#include "commit/store.h"
#include "journal/entry_reader.h"

namespace casbook::journal {

// `words`: one encoded record. Its changes into `store`, which nobody else sees. damaged: it is no
// record, or names a cell that is not there.
Result<void> apply_record(const commit::Store& store, std::span<const uint64_t> words);

struct Replayed {
  JournalEnd end;  // of the journal
  uint64_t records = 0, entries = 0;
  uint64_t newest_ms = 0;  // book time of the newest record
  bool was_torn = false;
  // Positions of the OPEN marks met, oldest first.
  std::vector<Position> terms;
  Position last;  // of the last record applied; {}: none was
};
// All records from `from_lsn` to the end of the journal, or to the end of the last entry that begins
// at `to_lsn` or before: what stands behind that is not looked at, and `end` is not told.
Result<Replayed> replay(const commit::Store& store, const Storage& storage, uint64_t journal_id,
                        uint64_t from_lsn, uint64_t to_lsn = UINT64_MAX);

}  // namespace casbook::journal
