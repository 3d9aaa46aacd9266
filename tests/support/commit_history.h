// What happened in a schedule: every claim as it was made, and what the processes were answered.
// Times are Schedule::now(): a claim at step s was made before an answer at step t exactly when
// s <= t, and after a question at step q exactly when s > q.
#pragma once

#include <vector>

#include "commit/committer.h"
#include "commit/read.h"
#include "log/log_reader.h"
#include "log/snapshot.h"
#include "support/memory_arena.h"
#include "support/schedule.h"

namespace casbook::test {

constexpr uint32_t kAccountWords = 3;

struct Interval {
  uint64_t began = 0, ended = 0;
};

// One slot of the log, taken from the descriptor at the very moment of its claim.
struct Claim {
  uint64_t content = 0, step = 0;
  WeakMemory::Stamp stamp;  // of its store, in weak memory
  log::Record record;
  std::vector<commit::EntryValue> entries;

  bool is_mark() const { return !commit::is_reference(content); }
};

// One call of commit. Its number stands in the record as its time.
struct Attempt {
  Interval time;
  bool is_answered = false;
  bool may_be_held = false;  // a follower held the ring: backpressure is right
  commit::CommitResult result;
  std::vector<commit::EntryValue> entries;
};

struct CellSeen {
  Interval time;
  commit::Unit unit = 0;
  uint32_t first_word = 0, count = 0;
  bool has_cell_version = false;
  uint64_t version = 0;
  uint64_t value[kAccountWords] = {}, word_version[kAccountWords] = {};
};

struct SnapshotSeen {
  Interval time;
  bool is_past = false;
  Position position;
  std::vector<uint64_t> values;
};

struct FetchSeen {
  Interval time;
  uint64_t lsn = 0, floor_after = 0;
  log::Fetch result = log::Fetch::end;
  log::Record record;
};

class CommitHistory {
 public:
  CommitHistory(const MemoryArena& arena, Schedule& schedule, uint64_t available);

  // After each access: whether a slot was claimed.
  void watch_log();
  uint64_t end() const { return commit::kFirstLsn + claims.size(); }
  const Claim* find_claim(uint64_t lsn) const {
    return lsn >= commit::kFirstLsn && lsn < end() ? &claims[lsn - commit::kFirstLsn] : nullptr;
  }
  // The time of the state that the running process may not fall behind: now; in weak memory that of
  // the last claim that happened before, for nothing tells it of later ones.
  uint64_t known();
  // The end of the log as it was at that step.
  uint64_t end_at(uint64_t step) const;

  const MemoryArena& arena;
  Schedule& schedule;
  const uint64_t available;  // that each account began with
  uint64_t first_epoch = 1;
  bool may_be_held = false;  // a follower holds the ring from now on
  std::vector<Claim> claims;
  std::vector<Attempt> attempts;
  std::vector<CellSeen> cells;
  std::vector<SnapshotSeen> snapshots;
  std::vector<FetchSeen> fetches;
};

bool same_record(const log::Record& a, const log::Record& b);

}  // namespace casbook::test
