// The owner's side of a commit: one session's descriptors, filled, published and run.
#pragma once

#include "commit/executor.h"
#include "commit/retention.h"
#include "commit/write_set.h"

namespace casbook::commit {

enum class Outcome : uint8_t {
  committed,
  conflict,      // a cell changed since it was read: plan again
  refused,       // a judged entry says no; nothing changed
  sealed,        // the gate is shut, or another host leads
  backpressure,  // nothing is visible: a follower holds the ring, or no room for the last record
};

struct CommitResult {
  Outcome outcome = Outcome::conflict;
  uint32_t refused_entry = 0;  // index into the write set's entries
  uint64_t position = 0;       // of a commit
  uint32_t descriptor = 0;     // where the committed body stands until the next commit
};

class Committer {
 public:
  Committer(const Store& store, uint32_t session);

  // LINEARIZATION POINT: the claim of a log slot in Executor::claim().
  // Lock-free. A crash inside leaves an instance that others finish; whether it committed is then
  // answered by its payment id. Cost with two cells: 8 locked instructions, about 70 ns.
  CommitResult commit(const WriteSet& set) {
    CommitResult result;
    commit(set, result);
    return result;
  }
  void commit(const WriteSet& set, CommitResult& result);

  // Only the applier of a follower commits while the gate is shut.
  void set_applier(bool is_applier) { is_applier_ = is_applier; }

  // The value an add or deny entry found, agreed by all executors; valid until the next commit.
  uint64_t agreed_value(uint32_t descriptor, uint32_t entry) const;
  // Whether the descriptor that the next commit will use may be overwritten; if not, its record
  // must be copied first.
  struct Pending {
    bool is_pending = false;
    uint32_t descriptor = 0;
    uint64_t lsn = 0;
  };
  Pending pending_record();
  // The record of the last commit, which used `descriptor`, is copied.
  void mark_recorded(uint32_t descriptor) { free_ |= 1u << descriptor; }

  Executor& executor() { return executor_; }
  uint32_t session() const { return session_; }

 private:
  Body publish(uint32_t index, const WriteSet& set, uint64_t epoch);
  void reset_agreed(Descriptor& descriptor, std::span<const EntryValue> entries, uint64_t tag);
  void count(Outcome outcome);

  const Store& store_;
  Executor executor_;
  Retention retention_;
  uint32_t session_;
  bool is_applier_ = false;
  ExecutorCounts counted_;  // as far as the session slot shows them
  uint32_t free_ = 0;  // a bit per descriptor that is known to be reusable; else it is looked at
  uint64_t next_lsn_ = 0;  // an estimate of the end: one past our last claim, or the tail
};

}  // namespace casbook::commit
