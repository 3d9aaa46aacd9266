// When the disk is given entries, and what comes of it when it has them (write_delay.h).
#include "replicate/replicator.h"

namespace casbook::replicate {

// After what the event had to say: nobody else waits for this node's disk to take the write.
Result<void> Replicator::hand_to_disk() {
  if (!write_delay_.is_due(now_ns_)) return {};
  if (auto done = log_.pump(); !done) return done;
  if (!log_.has_unwritten()) write_delay_.written();
  return {};
}

// All nodes write what they have up to there, and have it in mind for what is still to come.
void Replicator::want_disk(uint64_t index, bool is_alone) {
  disk_wanted_ = index;
  write_delay_.ask_up_to(index);
  transport_->put_to_all(DiskWanted{term_, index, is_alone});
}

void Replicator::note_disk_wanted(const DiskWanted& wanted) {
  write_delay_.ask_up_to(wanted.index);
  if (wanted.is_alone) write_delay_.disk_alone_up_to(wanted.index);
}

// The disk takes its time, and by now somebody may wait for memory.
void Replicator::answer_without_disk() {
  answer_due_ns_ = INT64_MAX;
  const auto leader = consensus_->leader();
  if (role_ == Role::follower && leader && consensus_->term() == heard_term_)
    tell_received(leader->id);
}

// Somebody came to wait for the disk behind the sending.
void Replicator::want_disk_for_the_sent() {
  const uint64_t last = log_.last_index();
  if (disk_wanted_ >= last || consensus_->commit_index() >= last) return;
  const Waits waits = book_.waits();
  if (waits != Waits::for_disk && waits != Waits::for_both) return;
  want_disk(last, waits == Waits::for_disk);
  transport_->flush(now_ns_);
}

Result<void> Replicator::write_at_once(int64_t now_ns) {
  now_ns_ = now_ns;
  write_delay_.ask_up_to(UINT64_MAX);
  return hand_to_disk();
}

Result<void> Replicator::disk_moved(int64_t now_ns) {
  now_ns_ = now_ns;
  if (auto handed = hand_to_disk(); !handed) return handed;
  const uint64_t persisted = log_.persisted_index();
  if (persisted <= persisted_) return {};
  persisted_ = persisted;
  if (persisted_ >= matched_) answer_due_ns_ = INT64_MAX;  // consensus says it of the disk
  if (auto done = carry_out(consensus_->persisted(persisted, log_.term_at(persisted), now_ms()));
      !done)
    return done;
  return hand_to_disk();
}

}  // namespace casbook::replicate
