#include "log/durable.h"

namespace casbook::log {

bool is_journaled(const commit::Store& store) {
  // Relaxed: written before the file has its name.
  return store.control().journal.lo.load_relaxed() != 0;
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
