// A session's way to commit: Committer plus the copy of each record into the ring.
//
// The copy is the owner's private duty and follows the commit at once. Until it is done the record
// stands in the descriptor, where every reader finds it, so an owner that is stopped or dead delays
// nobody. What no copy exists of is never overwritten: the descriptor waits.
#pragma once

#include "commit/committer.h"
#include "log/block_space.h"
#include "log/record.h"

namespace casbook::log {

class LogWriter {
 public:
  LogWriter(const commit::Store& store, uint32_t session)
      : store_(store), committer_(store, session), blocks_(store, session) {}

  // As Committer::commit(). Backpressure also when the record of an earlier commit finds no room
  // because a follower holds the ring; lagging followers of the dropping kind are dropped first.
  commit::CommitResult commit(const commit::WriteSet& set);

  uint64_t agreed_value(const commit::CommitResult& result, uint32_t entry) const {
    return committer_.agreed_value(result.descriptor, entry);
  }
  // Only the applier of a follower commits while the gate is shut.
  void set_applier(bool is_applier) { committer_.set_applier(is_applier); }
  commit::Executor& executor() { return committer_.executor(); }
  const commit::Store& store() const { return store_; }
  uint32_t session() const { return committer_.session(); }

 private:
  // From the descriptor: what an earlier commit, or the slot's last owner, left to be copied.
  bool copy_record(uint32_t descriptor, uint64_t lsn);
  bool record(const commit::WriteSet& set, const commit::CommitResult& result);
  bool publish_record(const RecordImage& image, uint64_t lsn);
  bool publish(uint64_t lsn, uint64_t where);

  const commit::Store& store_;
  commit::Committer committer_;
  BlockSpace blocks_;
};

}  // namespace casbook::log
