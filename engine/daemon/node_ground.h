// What a node of a cluster begins with: its identity, its log, what memory has of its book.
#pragma once

#include "daemon/catch_up.h"
#include "daemon/hosted_arena.h"
#include "replicate/raft_log.h"

namespace casbook::daemon {

struct Ground {
  journal::JournalState state;
  std::unique_ptr<HostedArena> arena;
  std::unique_ptr<replicate::RaftLog> log;
  journal::BookShape shape{};
  uint64_t applied = 0;
  bool needs_rebuild = false;
  bool is_quarantined = false;  // the arena; it stays as it is
};

// Of a directory that is empty, the beginning of a log. Errors: foreign_journal: it is of another
// node or cluster; those of the log and of the arena.
Result<Ground> find_ground(const Config& config, journal::Storage& storage);

// The members that a log begins with.
replicate::Configuration configuration_of(const ClusterConfig& cluster);

// A new node that has no journal yet gets a copy of another's. False: told to stop before it had
// one. Errors: those of join_cluster().
Result<bool> join_if_new(const Config& config, journal::Storage& storage,
                         const replicate::ClusterKeys& keys, const StopSignal& stop);

}  // namespace casbook::daemon
