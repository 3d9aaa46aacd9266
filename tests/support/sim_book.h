// The book of one simulated host: a real arena in a file, as the daemon has it (HostedArena), and
// as those who pay on that host find it. It outlives the daemon's death, not the host's.
#pragma once

#include <memory>
#include <string>

#include "api/core.h"
#include "log/follower.h"
#include "replicate/announce.h"
#include "replicate/replica.h"
#include "replicate/replicator.h"

namespace casbook::test {

// Bugs of the parts that are the simulator's own, seeded on purpose.
enum class SimBug {
  none,
  undone_in_place,         // a deposed leader's arena is taken back instead of replaced
  positions_without_term,  // who waits compares LSNs
  tokens_without_term,     // so does who compares tokens
};

struct SimHostOptions {
  std::string directory;  // of this host alone
  uint64_t cluster = 0, node = 0, journal_id = 0;
  SimBug bug = SimBug::none;
};

class SimBook final : public replicate::HostedBook {
 public:
  explicit SimBook(const SimHostOptions& options) : options_(options) {}

  // What memory has, where it has never led since it was built. False: nothing of use is there.
  Result<bool> attach();
  // A new arena of the entries up to `committed` of the log, in the place of the one there.
  Result<void> rebuild(replicate::RaftLog& log, Position committed);
  // The same from checkpoint and journal, at least up to the checkpoint.
  Result<void> rebuild_from(journal::Storage& storage, uint64_t promised_term, Position committed);
  // An empty one, where nothing is.
  Result<void> make_empty();
  Result<void> apply(const replicate::LogEntry& entry);
  Result<void> promote(uint64_t term);
  replicate::Digest make_digest(const replicate::DigestPlan& plan, replicate::RaftLog& log) {
    return digests_.make(store(), log, plan);
  }
  replicate::Comparison compare(const replicate::Digest& digest, replicate::RaftLog& log) {
    return digests_.compare(store(), log, digest);
  }
  // The daemon is gone; the arena stays.
  void let_go() { arena_.replica.reset(), arena_.follower.reset(), arena_.core.reset(); }
  // The power is gone, and the memory with it.
  void lose_memory();

  bool is_quarantined() const {
    return is_open() && !(store().control().gate.load_acquire() & 1) &&
           store().closed_code() == Code::quarantined;
  }
  bool is_open() const { return arena_.core != nullptr; }
  const commit::Store& store() const { return arena_.core->store; }
  uint64_t next_lsn() const;
  Position position() const;
  journal::BookShape shape() const;
  static constexpr const char* kName = "book";
  const std::string& directory() const { return options_.directory; }

  void seal(uint64_t term) override;
  Result<bool> take(uint64_t from_lsn, uint64_t bytes_max, replicate::LogEntry& entry) override;
  uint64_t end_lsn() const override;
  replicate::Waits waits() const override;
  void tell_quorum(Position position) override;
  void tell_durable(Position position) override;
  void tell_leader(const std::optional<replicate::Server>& leader, uint64_t term) override;
  void tell_leading_until(int64_t ns) override;
  uint64_t confirm_asked() const override;
  void tell_confirmed(uint64_t asked) override;
  void quarantine(const std::optional<replicate::Divergence>& divergence) override;

 private:
  struct Arena {
    std::shared_ptr<api::Core> core;
    std::unique_ptr<replicate::Replica> replica;
    std::optional<log::Follower> follower;
  };
  Result<void> open_arena(Arena& arena) const;
  Result<void> begin_following();
  Result<void> create() const;
  // The seeded bug: the arena that is there is taken back to the beginning.
  void undo_in_place();

  const SimHostOptions options_;
  Arena arena_;
  replicate::Digests digests_;
};

}  // namespace casbook::test
