#include "log/terms.h"

#include "log/log_reader.h"

namespace casbook::log {

Standing standing_of(const commit::Store& store, Position position) {
  // [gate] Acquire: the starts of all terms up to it.
  const uint64_t term = store.control().gate.load_acquire() >> 1;
  const auto start_of = [&](uint64_t t) {
    return Position{store.control().term_starts[t % kTermStarts].load_relaxed()};
  };
  if (position.term() == 0) return Standing::undone;
  if (position.term() > term) {
    // Alone, or behind what is committed here, nothing of a later term can be. But a cluster's later
    // terms come to this node by being applied, and what a deposed leader claimed in one may be
    // committed yet.
    const bool may_come = store.mapping().replication().cluster.load_relaxed() != 0 &&
                          position.lsn() >= log_end(store);
    return may_come ? Standing::held : Standing::undone;
  }
  const Position start = start_of(position.term());
  const bool has_begun = start.term() == position.term();
  if (has_begun ? position.lsn() < start.lsn() : term - position.term() < kTermStarts)
    return Standing::undone;
  if (position.term() == term) return Standing::held;
  // The next term that began: some are promised and never opened. Bounded by kTermStarts.
  if (term - position.term() > kTermStarts) return Standing::unknown;
  uint64_t next = position.term() + 1;
  while (next < term && start_of(next).term() != next) ++next;
  if (start_of(next).term() != next) return Standing::unknown;
  return position.lsn() < start_of(next).lsn() ? Standing::held : Standing::undone;
}

}  // namespace casbook::log
