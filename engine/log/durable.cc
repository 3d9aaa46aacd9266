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

void publish_durable(const commit::Store& store, Position position) {
  base::AtomicU64& durable = store.control().durable;
  // Bounded: it only grows.
  for (uint64_t seen = durable.load_relaxed(); seen < position.value; seen = durable.load_relaxed())
    // [durable] Release: the records it tells of are on disk.
    if (durable.cas_acq_rel(seen, position.value)) break;
  arena::notify(store.own_event(arena::kDurableEvent));
}

Position durable_position(const commit::Store& store) {
  return {store.control().durable.load_acquire()};  // [durable]
}

}  // namespace casbook::log
