// An arena, a schedule over it, and what its processes do: payers on a session each, observers,
// followers and operators of the gate. Everything they are answered goes into the history.
#pragma once

#include <string>

#include "log/follower.h"
#include "log/log_writer.h"
#include "support/commit_history.h"
#include "support/random_schedule.h"

namespace casbook::test {

struct WorldOptions {
  ArenaShape shape{};
  uint64_t seed = 1;
  bool gate_open = true;
  uint64_t available = 10;
  // How many of its descriptors a session uses in turn: few make reuse frequent.
  uint32_t descriptors = kDescriptorsPerSession;
  // Percentage of commits that are made with any-version entries.
  uint32_t any_percent = 50;
  uint64_t tail_lag_max = 2;
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();

  const commit::Store& store() const { return arena.store(); }
  uint64_t now() const { return schedule.now(); }

  // Runs what is undecided, removes leftovers and fetches every record that is promised; then
  // checks the history. Empty: all is well.
  std::string sweep_and_check();

  const WorldOptions options;
  MemoryArena& arena;
  Schedule schedule;
  CommitHistory history;
};

// A payer: one session's process.
class Payer {
 public:
  // Takes the session over, as after its owner's death; harmless for a fresh one.
  Payer(World& world, uint32_t session);

  // What a transfer touches beside the two accounts.
  enum class Extra { nothing, guard, marker };
  // Plans and commits until the answer is final; sealed and backpressure are final too.
  commit::Outcome transfer_set(uint32_t from, uint32_t to, uint64_t amount,
                               Extra extra = Extra::nothing, uint32_t third = 0);
  commit::Outcome transfer_add(uint32_t from, uint32_t to, uint64_t amount,
                               Extra extra = Extra::nothing, uint32_t third = 0);
  // From one account to as many after it as to make `count`, `amount` each.
  commit::Outcome spread_set(uint32_t from, uint32_t count, uint64_t amount);
  commit::Outcome spread_add(uint32_t from, uint32_t count, uint64_t amount);
  // Within one account: available to held. By two reads of the cell, which may differ.
  commit::Outcome hold_set(uint32_t account, uint64_t amount);
  commit::Outcome hold_add(uint32_t account, uint64_t amount);
  // Records that `amount` is more than the account has, on the marker of a third.
  commit::Outcome record_refusal(uint32_t account, uint64_t amount, uint32_t third);
  // A commit, a read or a look at the log, by chance. False: the gate is shut.
  bool do_anything();
  // As above, every other commit over five to eight accounts.
  bool do_anything_wide();

  commit::Executor& executor() { return writer_.executor(); }
  commit::CellImage read(uint32_t account);
  // One try, recorded in the history; waits while the ring is held.
  commit::CommitResult commit(commit::WriteSet& set);
  // As above, without waiting.
  commit::CommitResult try_commit(commit::WriteSet& set);

 private:
  commit::Outcome commit_by_chance();
  bool is_final(commit::Outcome outcome) const { return outcome != commit::Outcome::conflict; }
  void add_extra(commit::WriteSet& set, Extra extra, uint32_t third, bool any_version);

  World& world_;
  log::LogWriter writer_;
};

// Observers. They write nothing to the arena.
void peek(World& world, uint32_t account);
void peek_word(World& world, uint32_t account, uint32_t word);
void take_snapshot(World& world);
void take_past_snapshot(World& world);
log::Fetch fetch(World& world, uint64_t lsn);
void observe_anything(World& world);

// Reads the log by its name, in order; a gap or a wrong record fails the schedule. Leaves now and
// then and registers anew. Ends at the end of the log when the schedule is stopping, or when it is
// dropped, or superseded by a twin of its name.
struct FollowOptions {
  const char* name;
  log::FullPolicy policy = log::FullPolicy::refuse_payments;
  bool has_twin = false;
};
void follow(World& world, const FollowOptions& options);
// Reads along without holding anybody, and starts anew after an overrun.
void read_along(World& world);

}  // namespace casbook::test
