// Cutting a journal off where it is damaged: the last resort, by the hand of an operator, for what
// is lost may have been reported durable.
#pragma once

#include "journal/entry_reader.h"

namespace casbook::journal {

struct TailCut {
  Position checkpoint;               // the newest sound one: what it covers is not looked at
  std::string damage;                // what is wrong, and where; empty: nothing is
  Position last_good;                // of the last record in front of it; {}: none
  uint64_t last_index = 0;           // of its entry
  uint64_t segment = 0, offset = 0;  // where the cut is
  std::vector<uint64_t> later;       // segments behind it, lost as a whole
  bool is_all = false;               // all segments: the damage lies before what the checkpoint covers
  uint64_t bytes_lost = 0;
};
// Reads all of the journal. Errors: those of list_segments(): what is damaged there, a segment's
// header or a gap between segments, is no tail.
Result<TailCut> find_tail_cut(const Storage& storage, uint64_t journal_id);
// Zeroes from the cut to the end of its segment, syncs, and renames the later ones to NAME.cut.
// Again after a crash: does what is left to do. Precondition: nobody else writes there.
Result<void> cut_tail(Storage& storage, const TailCut& cut);

}  // namespace casbook::journal
