// The commit layer's view of a mapped arena: typed pointers, bounds, and nothing else.
// What is read from the arena is input: indices go through the checked accessors.
#pragma once

#include "arena/arena.h"
#include "arena/attachment.h"
#include "arena/event.h"
#include "base/clock.h"
#include "commit/log_slot.h"

namespace casbook::commit {

class Store {
 public:
  explicit Store(const arena::Mapping& mapping);

  arena::ControlLines& control() const { return *control_; }
  LogSlot& slot(uint64_t lsn) const { return slots_[lsn & ring_mask_]; }
  IndexSlot& index(uint64_t lsn) const { return index_[lsn & ring_mask_]; }
  uint64_t ring_slots() const { return ring_mask_ + 1; }
  uint32_t sessions() const { return sessions_; }
  arena::SessionSlot& session(uint32_t index) const { return session_slots_[index]; }
  arena::EventLine& event(uint32_t index) const { return events_[index % kEventLines]; }
  arena::EventLine& own_event(arena::OwnEvent event) const { return events_[kEventLines + event]; }
  Descriptor& descriptor(uint32_t session, uint32_t index) const {
    return descriptors_[session * kDescriptorsPerSession + index];
  }
  // Null when the reference names a session that does not exist.
  Descriptor* find_descriptor(uint64_t reference) const {
    const uint64_t slot = reference_slot(reference);
    return slot < uint64_t{sessions_} * kDescriptorsPerSession ? descriptors_ + slot : nullptr;
  }
  // For units computed by us; asserted in development builds.
  Cell& cell(Unit unit) const { return *reinterpret_cast<Cell*>(cells_ + unit * kUnitBytes); }
  // For units read from the arena.
  bool is_cell(Unit unit, uint32_t word) const;
  uint32_t word_count(Unit unit) const;
  uint64_t units() const { return units_; }

  const arena::Mapping& mapping() const { return mapping_; }

  arena::ReplicationLines& replication() const { return *replication_; }
  // A cluster keeps this book.
  bool is_replicated() const {
    return replication_->role.load_relaxed() != static_cast<uint64_t>(arena::ReplicaRole::none);
  }
  // This host may commit, as far as a cluster is asked: it has none, or leads it as of now. One load
  // where there is none. A courtesy that ends before another host leads; safety is the gate.
  bool is_leading() const {
    const uint64_t until = replication_->leading_until_ns.load_relaxed();
    return until == 0 || static_cast<uint64_t>(base::monotonic_ns()) <= until;
  }

  // Why nothing was committed: asked by whoever found the gate shut, or another host leading. It may
  // be otherwise by now: of an open gate the epoch before was the shut one.
  Code closed_code() const {
    const uint64_t gate = control_->gate.load_acquire();  // [gate]
    if (is_replicated() && gate & 1) return Code::not_leader;
    const uint64_t shut = (gate >> 1) - (gate & 1);
    // [quarantine] Acquire: raised before the SEAL that shut the gate.
    if (control_->quarantine.load_acquire() >= shut) return Code::quarantined;
    return is_replicated() ? Code::not_leader : Code::book_closed;
  }

  // Null when what the header says fits this layer and those above: the arena layer checks only that
  // regions and tables lie within the file.
  static const char* fault_of(const arena::Mapping& mapping);

  // Format of a fresh arena: log slots, gate, retention, and the word counts of all cells. The first
  // commit will be at `first`, in its term.
  static void format(arena::Mapping& mapping, bool gate_open, Position first = kFirstPosition);
  // The two halves of it, for who fills the cells before it knows where the log goes on.
  static void format_cells(arena::Mapping& mapping);
  static void format_log(arena::Mapping& mapping, bool gate_open, Position first);

 private:
  const arena::Mapping& mapping_;
  arena::ControlLines* control_;
  arena::ReplicationLines* replication_;
  LogSlot* slots_;
  IndexSlot* index_;
  uint64_t ring_mask_;
  uint32_t sessions_;
  arena::SessionSlot* session_slots_;
  arena::EventLine* events_;
  Descriptor* descriptors_;
  std::byte* cells_;
  uint64_t units_;
};

// Words of a cell in each table.
constexpr uint32_t kTableWords[arena::kCellTableCount] = {15, 7, 15, 3, 15, 15, 31};

}  // namespace casbook::commit
