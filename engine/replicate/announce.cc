#include "replicate/announce.h"

#include <cstring>
#include <iterator>

namespace casbook::replicate {

namespace {
arena::ReplicationLines& lines_of(const commit::Store& store) {
  return store.mapping().replication();
}

// Whatever they wait for: they look at how things stand.
void wake_all(const commit::Store& store) {
  arena::notify(store.own_event(arena::kDurableEvent));
  arena::notify(store.own_event(arena::kQuorumEvent));
}
}  // namespace

void announce_cluster(const commit::Store& store, uint64_t cluster, uint64_t node) {
  lines_of(store).cluster.store_relaxed(cluster);
  lines_of(store).node.store_relaxed(node);
}

void announce_role(const commit::Store& store, arena::ReplicaRole role) {
  lines_of(store).role.store_relaxed(static_cast<uint64_t>(role));
}

// A reader takes the address for that of the node only where it sees the same node before and
// after.
void announce_leader(const commit::Store& store, const KnownLeader& leader) {
  arena::ReplicationLines& lines = lines_of(store);
  lines.leader.store_relaxed(0);
  base::release_fence();  // [leader] The address changes only when nobody is named.
  char text[sizeof lines.leader_address] = {};
  leader.address.copy(text, sizeof text);
  for (size_t i = 0; i < std::size(lines.leader_address); ++i) {
    uint64_t word;
    std::memcpy(&word, text + 8 * i, 8);
    lines.leader_address[i].store_relaxed(word);
  }
  lines.leader_term.store_relaxed(leader.term);
  lines.leader.store_release(leader.node);  // [leader]
}

void announce_leading_until(const commit::Store& store, uint64_t ns) {
  lines_of(store).leading_until_ns.store_relaxed(ns);  // a courtesy: nothing is ordered by it
}

void announce_confirmed(const commit::Store& store, uint64_t round) {
  base::AtomicU64& shared = lines_of(store).confirmed;
  // Bounded: it only grows.
  for (uint64_t seen = shared.load_relaxed(); seen < round; seen = shared.load_relaxed())
    // [confirm] Release: what a majority had when it answered is published.
    if (shared.cas_acq_rel(seen, round)) break;
  arena::notify(store.own_event(arena::kQuorumEvent));
}

uint64_t asked_round(const commit::Store& store) {
  return lines_of(store).confirm_asked.load_acquire();  // [confirm]
}

Waits what_is_waited_for(const commit::Store& store) {
  const bool is_for_majority = arena::is_awaited(store.own_event(arena::kQuorumEvent));
  if (arena::is_awaited(store.own_event(arena::kDurableEvent)))
    return is_for_majority ? Waits::for_both : Waits::for_disk;
  return is_for_majority ? Waits::for_majority : Waits::for_nothing;
}

void announce_diverged(const commit::Store& store, Position position) {
  lines_of(store).diverged.store_relaxed(position.value);  // nothing else is read by it
  wake_all(store);
}

void announce_retired(const commit::Store& store) {
  lines_of(store).retired.store_relaxed(1);  // who sees it goes by the name, which says the rest
  wake_all(store);
}

}  // namespace casbook::replicate
