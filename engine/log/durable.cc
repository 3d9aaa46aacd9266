#include "log/durable.h"

namespace casbook::log {

bool is_journaled(const commit::Store& store) { return journal_of(store).id != 0; }

JournalIdentity journal_of(const commit::Store& store) {
  const base::AtomicPair& journal = store.control().journal;
  // [journal] The id first: where it is seen, the promise is at least what was stored with it.
  const uint64_t id = journal.lo.load_acquire();
  return {id, journal.hi.load_acquire()};  // [journal]
}

void set_journal(const commit::Store& store, const JournalIdentity& journal) {
  base::AtomicPair& shared = store.control().journal;
  // Bounded: nobody else writes it.
  for (;;) {
    const base::Pair seen{shared.lo.load_relaxed(), shared.hi.load_relaxed()};
    // [journal] Release: term and id are on disk.
    if (shared.cas16_acq_rel(seen, {journal.id, journal.promised_term})) return;
  }
}

namespace {

// Only grows, and wakes all who wait for that. Bounded: a failed CAS means that it grew.
void publish(const commit::Store& store, base::AtomicU64& shared, Position position,
             arena::OwnEvent event) {
  for (uint64_t seen = shared.load_relaxed(); seen < position.value; seen = shared.load_relaxed())
    // [durable] Release: the records it tells of are where it says.
    if (shared.cas_acq_rel(seen, position.value)) break;
  arena::notify(store.own_event(event));
}

}  // namespace

void publish_durable(const commit::Store& store, Position position) {
  publish(store, store.control().durable, position, arena::kDurableEvent);
}

Position durable_position(const commit::Store& store) {
  return {store.control().durable.load_acquire()};  // [durable]
}

void publish_quorum(const commit::Store& store, Position position) {
  publish(store, store.mapping().replication().quorum, position, arena::kQuorumEvent);
}

Position quorum_position(const commit::Store& store) {
  return {store.mapping().replication().quorum.load_acquire()};  // [durable]
}

}  // namespace casbook::log
