// A node's arena as a replica of the log: what the leader committed is committed here again, record
// by record, to the same positions, cells and bytes; and on the leader, entries are taken from it.
//
//   follower   gate {t, shut}   entries --apply()--> the same commits, by the one session of this
//   leader     promote(t): gate {t, open} by OPEN(t);   take() --> entries
//
// R1  A record is applied only as the next LSN, and only where the cells are as it found them: the
//     record read back from this arena is equal to it, byte for byte. Anything else is divergence:
//     `damaged`, with position and cell. Nothing is tried again, nothing is undone.
// R2  The gate never opens by replay: OPEN and SEAL are applied as records without a change, and a
//     term begins here by the gate's moving to it, shut. Only promote() claims a mark.
// R3  Killed anywhere, the next one goes on: what the dead session had begun is completed at its
//     take-over, before the end of the log is looked at. What is there already is compared.
//
// apply(), promote() and seal() by one thread at a time, one Replica of an arena at a time; take()
// by any.
#pragma once

#include <memory>

#include "arena/attachment.h"
#include "log/log_writer.h"
#include "replicate/entry.h"

namespace casbook::replicate {

class Replica {
 public:
  // Takes the dead over first. Errors: sessions_full, forked.
  static Result<std::unique_ptr<Replica>> open(const commit::Store& store,
                                               arena::Attachment& attachment);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // All records of a committed entry, in order; entries of consensus's own change nothing. Errors:
  // damaged; quarantined; backpressure: somebody's follower holds the ring, call again with the
  // same entry. Lock-free; bench/apply.cc has what it costs.
  Result<void> apply(const LogEntry& entry);
  // The LSN that is applied next: one past the end of this arena's log.
  uint64_t next_lsn() const { return next_lsn_; }

  // The records from `from_lsn` on, as many of one term as there are and fit, at least one; index
  // 0. count 0: there are none yet. Errors: overrun (it left the ring), damaged.
  Result<LogEntry> take(uint64_t from_lsn, uint64_t bytes_max) const;

  // Opens `term`: from here on sessions commit in it. The position of its OPEN. Everything before
  // has been applied. Again after success, or after dying in it: the same answer. Errors:
  // quarantined, book_full (the last term is over), bad_argument: the gate is open, or shut in this
  // term or a later one.
  Result<Position> promote(uint64_t term);
  // No commit of `term` is claimed any more once this returns. {}: it was over already.
  Result<Position> seal(uint64_t term);

 private:
  Replica(const commit::Store& store, arena::Attachment& attachment, uint32_t session);
  Result<void> apply_next(std::span<const uint64_t> words);
  Result<void> commit_next(std::span<const uint64_t> words, Position position);
  Result<void> compare_held(std::span<const uint64_t> words) const;
  void note(std::span<const uint64_t> words);

  const commit::Store& store_;
  arena::Attachment& attachment_;
  log::LogWriter writer_;
  commit::WriteSet set_;
  uint64_t next_lsn_;
};

}  // namespace casbook::replicate
