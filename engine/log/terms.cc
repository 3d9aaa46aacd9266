#include "log/terms.h"

namespace casbook::log {

Standing standing_of(const commit::Store& store, Position position) {
  // [gate] Acquire: the starts of all terms up to it.
  const uint64_t term = store.control().gate.load_acquire() >> 1;
  const auto start_of = [&](uint64_t t) {
    return Position{store.control().term_starts[t % kTermStarts].load_relaxed()};
  };
  if (position.term() == 0 || position.term() > term) return Standing::undone;
  const Position start = start_of(position.term());
  if (start.term() == position.term() && position.lsn() < start.lsn()) return Standing::undone;
  if (position.term() == term) return Standing::held;
  const Position next = start_of(position.term() + 1);
  if (next.term() != position.term() + 1) return Standing::unknown;
  return position.lsn() < next.lsn() ? Standing::held : Standing::undone;
}

}  // namespace casbook::log
