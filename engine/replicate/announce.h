// What the daemon of a cluster tells those who pay, wait and look on, in the arena's
// ReplicationLines. Quorum and durable positions: log/durable.h.
//
// One writer. Nothing is decided by these words: who believes a stale one is refused by the gate,
// or answered from the position.
#pragma once

#include <string_view>

#include "commit/store.h"

namespace casbook::replicate {

// `address` up to 64 bytes; more is cut. {}: none is known.
struct KnownLeader {
  uint64_t node = 0, term = 0;
  std::string_view address;
};

void announce_cluster(const commit::Store& store, uint64_t cluster, uint64_t node);
void announce_role(const commit::Store& store, arena::ReplicaRole role);
void announce_leader(const commit::Store& store, const KnownLeader& leader);
// CLOCK_MONOTONIC; sessions of this host refuse from then on. A follower announces 1: long over.
void announce_leading_until(const commit::Store& store, uint64_t ns);
// A majority answered `round` of the leader, or a later one. Only grows; wakes who waits for it.
void announce_confirmed(const commit::Store& store, uint64_t round);
// The newest round that somebody waits for.
uint64_t asked_round(const commit::Store& store);
// What callers of this host wait for now. Errs towards more where a waiter gave up. Who was told by
// the demand event sees the one that rang it.
enum class Waits { for_nothing, for_majority, for_disk, for_both };
Waits what_is_waited_for(const commit::Store& store);
// This book is another than the cluster's, as was found at that position: who reads is refused.
void announce_diverged(const commit::Store& store, Position position);
// Another file has, or is about to have, this book's name. Wakes all who wait here: they go there.
void announce_retired(const commit::Store& store);

}  // namespace casbook::replicate
