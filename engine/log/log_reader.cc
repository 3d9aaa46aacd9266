#include "log/log_reader.h"

#include "log/block_space.h"
#include "log/durable.h"

namespace casbook::log {

namespace {

enum class Try { got, moved, damaged };

bool is_above_floor(const commit::Store& store, uint64_t lsn) {
  if (base::mutated(base::Mutant::reader_skips_floor)) return true;
  // [floor] Acquire: who raised the floor did so before it overwrote a byte.
  return store.control().retention.lo.load_acquire() <= lsn;
}

// From its block. `moved`: overwritten while it was copied.
Try fetch_copy(const commit::Store& store, uint64_t lsn, uint64_t where, EncodedRecord& record) {
  uint64_t words_max = 0;
  const base::AtomicU64* source = find_record_words(store, where, words_max);
  if (!source) return is_above_floor(store, lsn) ? Try::damaged : Try::moved;
  uint64_t* const words = record.words;
  words[0] = source[0].load_relaxed();
  words[1] = source[1].load_relaxed();
  const uint32_t count = encoded_words(words[1]);
  const bool fits = count != 0 && count <= words_max;
  for (uint32_t i = 2; fits && i < count; ++i) words[i] = source[i].load_relaxed();
  // [floor] Fence: the bytes before the floor.
  base::acquire_fence();
  if (!is_above_floor(store, lsn)) return Try::moved;
  record.count = count;
  if (!fits || !is_record(record.span()) || record.position().lsn() != lsn) return Try::damaged;
  return Try::got;
}

// From the descriptor that the log slot names. `moved`: recycled, so a copy exists by now.
Try fetch_descriptor(const commit::Store& store, uint64_t lsn, uint64_t reference,
                     EncodedRecord& encoded) {
  const commit::Descriptor* descriptor = store.find_descriptor(reference);
  if (!descriptor) return Try::damaged;
  const uint64_t sequence = commit::reference_sequence(reference);
  // [publish] Acquire: the body, and the agreed values that precede every claim.
  if (!commit::is_instance(descriptor->status.lo.load_acquire(), sequence)) return Try::moved;
  Record record;
  read_descriptor(*descriptor, lsn, record);
  // [recycle] Fence: the body before the second look.
  base::acquire_fence();
  if (!commit::is_instance(descriptor->status.lo.load_relaxed(), sequence)) return Try::moved;
  encode(image_of(record), encoded);
  return Try::got;
}

// Slot or index of the LSN hold a later one: the floor was raised before that.
Fetch lapped(const commit::Store& store, uint64_t lsn) {
  return is_above_floor(store, lsn) ? Fetch::damaged : Fetch::overrun;
}

void make_mark_record(uint64_t lsn, uint64_t mark, EncodedRecord& encoded) {
  Record record;
  record.position = Position::of(commit::mark_epoch(mark), lsn);
  record.kind = commit::mark_kind(mark);
  encode(image_of(record), encoded);
}

}  // namespace

Fetch fetch_encoded(const commit::Store& store, uint64_t lsn, EncodedRecord& record) {
  bool was_recycled = false;
  // Progress: another round means that the record was copied or the floor passed it meanwhile.
  for (;;) {
    if (!is_above_floor(store, lsn)) return Fetch::overrun;
    commit::IndexSlot& index = store.index(lsn);
    // [record] Acquire, place between two looks at the LSN.
    const uint64_t indexed = index.lo.load_acquire();
    const uint64_t where = index.hi.load_relaxed();
    base::acquire_fence();  // [record]
    if (index.lo.load_relaxed() != indexed) continue;
    if (indexed > lsn && !base::mutated(base::Mutant::reader_skips_floor))
      return lapped(store, lsn);
    if (indexed == lsn) {
      const Try result = fetch_copy(store, lsn, where, record);
      if (result == Try::moved) return Fetch::overrun;
      return result == Try::got ? Fetch::got : Fetch::damaged;
    }
    commit::LogSlot& slot = store.slot(lsn);
    // [claim] LSN, content, LSN.
    const uint64_t slot_lsn = slot.lo.load_acquire();
    const uint64_t content = slot.hi.load_relaxed();
    base::acquire_fence();  // [claim]
    if (slot.lo.load_relaxed() != slot_lsn) continue;
    if (slot_lsn == lsn - store.ring_slots()) return Fetch::end;
    // Signed: a slot that was never claimed holds a number below zero.
    if (slot_lsn != lsn)
      return static_cast<int64_t>(slot_lsn - lsn) < 0 ? Fetch::end : lapped(store, lsn);
    if (!commit::is_reference(content)) {
      make_mark_record(lsn, content, record);
      return Fetch::got;
    }
    const Try result = fetch_descriptor(store, lsn, content, record);
    if (result == Try::got) return Fetch::got;
    // Recycled: so it is in the index, or the floor has passed it. Neither, at the second look:
    // lost.
    if (result == Try::damaged || was_recycled) return Fetch::damaged;
    was_recycled = true;
    base::acquire_fence();  // [recycle] who sees the descriptor recycled sees the index
  }
}

Fetch fetch(const commit::Store& store, uint64_t lsn, Record& record) {
  EncodedRecord encoded;
  const Fetch result = fetch_encoded(store, lsn, encoded);
  if (result == Fetch::got) unpack(encoded.span(), record);
  return result;
}

uint64_t log_end(const commit::Store& store) {
  // Bounded by the commits of others while we look; another round: by a lap of them.
  uint64_t last = 0;
  for (uint32_t idle_rounds = 0;; ++idle_rounds) {
    // [tail] Acquire: everything below is claimed.
    uint64_t p = store.control().tail.load_acquire();
    if (p != last) idle_rounds = 0;
    last = p;
    uint64_t found = store.slot(p).lo.load_acquire();                 // [claim]
    for (; found == p; found = store.slot(p).lo.load_acquire()) ++p;  // [claim]
    if (found == p - store.ring_slots()) return p;
    if (idle_rounds > kIdleRoundsMax) return commit::kFirstLsn;  // the tail is damaged
  }
}

Result<Position> position_of(const commit::Store& store, uint64_t lsn) {
  Record record;
  const Fetch result = fetch(store, lsn, record);
  if (result == Fetch::got) return record.position;
  if (result == Fetch::damaged) return Code::damaged;
  const Position durable = durable_position(store);
  if (durable.lsn() == lsn) return durable;
  return Code::overrun;
}

Position last_position(const commit::Store& store) {
  // Bounded by the commits of others: the last record may be overrun while we look. An end that
  // stands still and has no record is damaged.
  uint64_t last = 0;
  for (uint32_t idle_rounds = 0; idle_rounds < kIdleRoundsMax; ++idle_rounds) {
    const uint64_t end = log_end(store);
    if (end != last) idle_rounds = 0;
    last = end;
    if (end == commit::kFirstLsn) return {};
    const auto position = position_of(store, end - 1);
    if (position) return *position;
    if (position.error().code == Code::damaged) return {};
  }
  return {};
}

uint64_t log_floor(const commit::Store& store) {
  return store.control().retention.lo.load_acquire();  // [floor]
}

}  // namespace casbook::log
