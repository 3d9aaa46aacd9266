#include "log/log_writer.h"

#include "log/follower.h"
#include "log/record.h"

namespace casbook::log {

using base::FaultPoint;
using base::Mutant;
using commit::CommitResult;
using commit::Outcome;

CommitResult LogWriter::commit(const commit::WriteSet& set) {
  CommitResult result{.outcome = Outcome::backpressure};
  const auto pending = committer_.pending_record();
  // Both loops are bounded by the progress of the followers that they make room from.
  while (pending.is_pending && !copy_record(pending.descriptor, pending.lsn))
    if (!drop_laggards(store_)) return result;
  do {
    committer_.commit(set, result);
  } while (result.outcome == Outcome::backpressure && drop_laggards(store_));
  // No room now is no harm: the descriptor keeps the record, and its next use tries again.
  if (result.outcome == Outcome::committed) {
    uint64_t words[kRecordWordsMax];
    const uint32_t count = encode(
        set, result.position, [&](uint32_t i) { return agreed_value(result, i); }, words);
    if (publish_record(words, count, Position{result.position}.lsn()))
      committer_.mark_recorded(result.descriptor);
  }
  return result;
}

bool LogWriter::copy_record(uint32_t descriptor, uint64_t lsn) {
  Record record;
  read_descriptor(store_.descriptor(committer_.session(), descriptor), lsn, record);
  uint64_t words[kRecordWordsMax];
  return publish_record(words, encode(record, words), lsn);
}

// False: it is there already, or the ring has lapped this LSN, and then nobody is promised the
// record any more. Bounded: a CAS is lost to a late copier of an LSN some laps below, of which
// there are as many as sessions.
bool LogWriter::publish(uint64_t lsn, uint64_t where) {
  commit::IndexSlot& index = store_.index(lsn);
  for (;;) {
    const base::Pair seen{index.lo.load_relaxed(), index.hi.load_relaxed()};
    if (seen.lo >= lsn) return false;
    // [record] Release: the bytes are complete for whoever finds the record here.
    if (index.cas16_acq_rel(seen, {lsn, where})) return true;
  }
}

// Crash windows: R1 room reserved, nothing written: wasted. R2 bytes written, not published:
// wasted, and the slot's next owner copies again. R3 published: done.
bool LogWriter::publish_record(const uint64_t* words, uint32_t count, uint64_t lsn) {
  const BlockSpace::Room room = blocks_.reserve(count * 8, lsn);
  if (!room.words) return false;
  const bool is_early = base::mutated(Mutant::publish_before_bytes) && publish(lsn, room.where);
  base::store_words_relaxed(room.words, words, count);
  base::fault_point(FaultPoint::record_before_publish);
  const bool is_published = is_early || publish(lsn, room.where);
  if (!is_published || base::mutated(Mutant::reserve_after_publish)) blocks_.give_back(count * 8);
  base::fault_point(FaultPoint::record_after_publish);
  return true;
}

}  // namespace casbook::log
