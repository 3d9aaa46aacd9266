// The log ring and the record index: two slots per retained LSN.
//
// A log slot at index lsn mod R is empty for LSN p exactly when its lsn is p - R. Claiming it, by
// one 16-byte CAS, is the commit point, the LSN and the serialisation order at once; so the log is
// dense. The record index says where the copied record of an LSN lies, once it is copied.
//
// Content is a reference (descriptor instance) or a mark (top bit clear): epoch << 8 | kind.
#pragma once

#include <casbook/types.h>

#include "commit/descriptor.h"

namespace casbook::commit {

using LogSlot = base::AtomicPair;    // lo = lsn, hi = content
using IndexSlot = base::AtomicPair;  // lo = lsn, hi = block << 32 | offset in it

static_assert(sizeof(Entry) == 32 && std::has_unique_object_representations_v<Entry> &&
              std::has_unique_object_representations_v<Descriptor>);
static_assert(sizeof(LogSlot) == 16 && alignof(LogSlot) == 16);
static_assert(offsetof(LogSlot, lo) == 0 && offsetof(LogSlot, hi) == 8);
static_assert(std::has_unique_object_representations_v<LogSlot>);

constexpr uint64_t make_mark(Kind kind, uint64_t epoch) {
  return epoch << 8 | static_cast<uint64_t>(kind);
}
constexpr Kind mark_kind(uint64_t mark) { return static_cast<Kind>(mark & 0xff); }
constexpr uint64_t mark_epoch(uint64_t mark) { return mark >> 8; }
// SEAL(E) ends epoch E; OPEN(E) ends every epoch before E.
constexpr bool mark_ends(uint64_t mark, uint64_t epoch) {
  return mark_kind(mark) == Kind::seal ? epoch <= mark_epoch(mark) : epoch < mark_epoch(mark);
}

constexpr uint64_t kFirstLsn = 1;
constexpr Position kFirstPosition = Position::of(1, kFirstLsn);
// The content of slot i in a fresh ring of R slots whose first commit will be at `first`: empty for
// the next LSN that falls on it.
constexpr uint64_t fresh_slot_lsn(uint64_t i, uint64_t ring_slots, uint64_t first) {
  const uint64_t next = first + ((i - first) & (ring_slots - 1));
  return next - ring_slots;  // may wrap below zero; only equality is ever asked
}
static_assert(fresh_slot_lsn(0, 64, 1) == 0 && fresh_slot_lsn(1, 64, 1) == uint64_t{1} - 64);
static_assert(fresh_slot_lsn(6, 64, 70) == 6 && fresh_slot_lsn(5, 64, 70) == 69);

}  // namespace casbook::commit
