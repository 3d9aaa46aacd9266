// The arena that a node serves, and its exchange for another when the node has led and was deposed.
//
//   none --rebuild()--> following --promote()--> leading --seal()--> sealed
//                           ^-------------------- rebuild() ------------|
//
// HostedBook's functions are called by any thread, under the node's mutex; apply(), promote() and
// rebuild() by the one that does the book's work, without it. Whoever uses an arena while it is
// exchanged holds it: it is unmapped when the last lets it go.
#pragma once

#include <mutex>

#include "api/core.h"
#include "daemon/checkpoints.h"
#include "daemon/config.h"
#include "daemon/lock_file.h"
#include "daemon/metrics.h"
#include "journal/state_file.h"
#include "replicate/replica.h"
#include "replicate/replicator.h"

namespace casbook::daemon {

class HostedArena : public replicate::HostedBook {
 public:
  HostedArena(const Config& config, journal::Storage& storage, const journal::JournalState& state);
  ~HostedArena() override;

  // What memory has, if it is this journal's and never led since it was built; false: there is no
  // such arena. Errors: already_served, foreign_journal, no_permission and the like.
  Result<bool> attach();
  // A new one from checkpoint and journal, up to `committed` if the journal's checkpoints do not
  // have more; it takes the place of the one that is there.
  Result<void> rebuild(Position committed);
  Result<void> apply(const replicate::LogEntry& entry);
  // Opens the term, gives all leases their whole TTL.
  Result<void> promote(uint64_t term);
  replicate::Digest make_digest(const replicate::DigestPlan& plan, replicate::RaftLog& log);
  replicate::Comparison compare(const replicate::Digest& digest, replicate::RaftLog& log);
  // By whomever and whenever; the gate is shut.
  bool is_quarantined() const;
  // Of the cell or entry, in the words of this book's tables.
  std::string where(const replicate::Divergence& divergence) const;
  // All that was committed is in the journal: the next daemon may go on with this arena.
  void mark_clean();
  // Ends a promotion that waits for room, and the checkpoint that is being taken: the node ends.
  void stop();
  // Up to where this node's own journal is synced; asked by checkpoints. Before any is taken.
  void set_journal_end(std::function<uint64_t()> synced_lsn);
  // Segments that somebody reads stay. Before any checkpoint is taken.
  void spare_segments(const journal::SegmentHolds* holds);

  uint64_t next_lsn() const;  // of the arena's log
  Position position() const;
  journal::BookShape shape() const;
  // Sleeps until somebody has asked for something since the demand was prepared, or for so long.
  struct Demand {
    std::shared_ptr<void> keep;
    arena::EventLine* event = nullptr;
    uint64_t ticket = 0;
  };
  Demand prepare_demand() const;
  static void wait_for_demand(const Demand& demand, std::chrono::nanoseconds at_most);
  void wake_demand();
  void tell_journal(arena::JournalState state, Code code = {});
  // Takes checkpoints when they are due or asked for.
  void keep_checkpoints(uint64_t bytes_written);
  // Entries up to here are needed for no checkpoint any more; 0: all are.
  uint64_t superfluous_index() const;
  // Removes the segments of those that the log forgot, up to `log_base`. Until this is called none
  // is removed. `segments_begun`: the lines say anew what is kept when it has changed.
  void keep_segments(uint64_t log_base, uint64_t segments_begun);
  // The lines for people and metrics, of the arena as it is now.
  struct Lines {
    std::shared_ptr<void> keep;
    arena::JournalLines* journal = nullptr;
    arena::ReplicationLines* replication = nullptr;
  };
  Lines lines() const;

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
  struct Arena;
  std::shared_ptr<Arena> current() const;
  Result<std::shared_ptr<Arena>> open_arena();
  static Result<void> begin_following(Arena& arena);
  bool must_stop() const;
  void install(std::shared_ptr<Arena> arena);
  void equip(Checkpoints& checkpoints) const;
  void introduce(Arena& arena);
  Result<uint64_t> lsn_to_build(Position committed) const;

  const Config& config_;
  journal::Storage& storage_;
  const journal::JournalState state_;
  replicate::Digests digests_;  // of the thread that applies
  std::function<uint64_t()> synced_lsn_{};
  const journal::SegmentHolds* holds_ = nullptr;
  mutable std::mutex mutex_;  // of what follows
  std::shared_ptr<Arena> arena_;
  bool is_clean_ = false, is_stopping_ = false;
  struct Looked {
    uint64_t log_base = 0, segments_begun = 0, held_from = 0;
    bool operator==(const Looked&) const = default;
  };
  Looked looked_;  // when segments were removed last
};

// Derived from the cluster's name, so that all nodes come to the same.
uint64_t cluster_number(const ClusterConfig& cluster);
uint64_t journal_id_of(const ClusterConfig& cluster);
// A digest of what has to be equal on all nodes for records to fit.
uint64_t digest_of(const journal::BookShape& shape);

}  // namespace casbook::daemon
