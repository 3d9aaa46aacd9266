#include "log/log_writer.h"

#include "log/follower.h"

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
  if (result.outcome == Outcome::committed && record(set, result))
    committer_.mark_recorded(result.descriptor);
  return result;
}

bool LogWriter::record(const commit::WriteSet& set, const CommitResult& result) {
  const auto entries = set.entries();
  const uint64_t lsn = Position{result.position}.lsn();
  if (!set.has_agreed_entries())
    return publish_record(image_of(set, set.entry_words(), result.position), lsn);
  Change changes[kEntriesMax];
  for (uint32_t i = 0; i < entries.size(); ++i)
    changes[i] = resolve(entries[i],
                         commit::is_agreed(entries[i].mode()) ? agreed_value(result, i) : 0);
  return publish_record(image_of(set, words_of({changes, entries.size()}), result.position), lsn);
}

bool LogWriter::copy_record(uint32_t descriptor, uint64_t lsn) {
  Record record;
  read_descriptor(store_.descriptor(committer_.session(), descriptor), lsn, record);
  return publish_record(image_of(record), lsn);
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
bool LogWriter::publish_record(const RecordImage& image, uint64_t lsn) {
  const uint32_t bytes = image.words() * 8;
  const BlockSpace::Room room = blocks_.reserve(bytes, lsn);
  if (!room.words) return false;
  const bool is_early = base::mutated(Mutant::publish_before_bytes) && publish(lsn, room.where);
  base::AtomicU64* to = room.words;
  const std::span<const uint64_t> pieces[] = {image.head, image.changes, image.notes};
  for (const auto piece : pieces) {
    base::store_words_relaxed(to, piece.data(), static_cast<uint32_t>(piece.size()));
    to += piece.size();
  }
  base::fault_point(FaultPoint::record_before_publish);
  const bool is_published = is_early || publish(lsn, room.where);
  if (!is_published || base::mutated(Mutant::reserve_after_publish)) blocks_.give_back(bytes);
  base::fault_point(FaultPoint::record_after_publish);
  return true;
}

}  // namespace casbook::log
