// Descriptors: what a commit is going to do, so that anybody can bring it to its end.
//
// Only the owner stores to a descriptor's body; helpers change `status` and `agreed`, by CAS.
//
//   status.lo = sequence << 2 | state       status.hi = position (committed) or reason (aborted)
//
//   initial --owner publishes--> undecided --claim in the log--> committed
//      ^                             \-----conflict, refusal, seal-----> aborted
//      |                                                        |
//      +----------- owner reuses it, sequence + 1 --------------+
//
// A committed descriptor is reused only when its record is copied or its LSN is below the floor.
#pragma once

#include <type_traits>

#include "commit/cell.h"

namespace casbook::commit {

enum class State : uint64_t { initial = 0, undecided = 1, committed = 2, aborted = 3 };

// Why an instance was aborted; `refused` carries the entry's index above the low byte.
enum class AbortReason : uint64_t { conflict = 0, sealed = 1, refused = 2 };

constexpr uint64_t make_status(uint64_t sequence, State state) {
  return sequence << 2 | static_cast<uint64_t>(state);
}
constexpr State status_state(uint64_t status) { return static_cast<State>(status & 3); }
constexpr uint64_t status_sequence(uint64_t status) { return status >> 2; }
constexpr bool is_instance(uint64_t status, uint64_t sequence) {
  return (status_sequence(status) & kSequenceMask) == sequence;
}

// What an entry does to its cell. Strict modes expect a version of the cell; any-version modes lock
// it at whatever version it has and judge once all cells are locked. A cell is all strict or all
// any-version within one write set.
enum class Mode : uint8_t {
  set = 0,    // strict: write `b`; a = expected cell version, c = the value read (for the record)
  guard = 1,  // strict: change nothing; a = expected cell version
  add = 2,    // any: write value + a; refused unless b <= value + a <= c
  check = 3,  // any: change nothing; refused unless the word's version is a
  deny = 4,   // any: change nothing; refused unless value + a is outside [b, c] (records a refusal)
};
constexpr bool is_strict(Mode mode) { return mode <= Mode::guard; }
// Whether the executors have to agree on the old value.
constexpr bool is_agreed(Mode mode) { return mode == Mode::add || mode == Mode::deny; }

struct EntryValue {
  uint64_t where, a, b, c;

  Unit unit() const { return where >> 8; }
  uint32_t word() const { return (where >> 3) & 31; }
  Mode mode() const { return static_cast<Mode>(where & 7); }
};
constexpr uint32_t kNoWord = 31;  // of a guard: the whole cell
constexpr uint64_t make_where(Unit unit, uint32_t word, Mode mode) {
  return unit << 8 | uint64_t{word} << 3 | static_cast<uint64_t>(mode);
}

struct Entry {
  base::AtomicU64 where, a, b, c;
};
static_assert(sizeof(Entry) == 32 && sizeof(EntryValue) == 32, "copied as runs of words");

// What a commit is, for whoever reads the log. The number is part of the format.
enum class Kind : uint8_t {
  none = 0,
  open_ledger = 1,
  open_account = 2,
  set_limits = 3,
  close_account = 4,
  payment = 5,
  refusal = 6,  // of a payment, recorded under its id
  move_horizon = 7,
  lease_acquire = 8,
  lease_renew = 9,
  lease_release = 10,
  seal = 64,
  open = 65,
};

//   +0     status     16   owner, helpers by CAS
//   +16    head        8   entries | note words << 8 | kind << 16 | (event + 1) << 32
//   +24    epoch       8   the gate's epoch at publication: the term of the commit
//   +32    time_ms     8   book time
//   +40    reserved   24
//   +64    entries  1536   sorted by cell and word
//   +1600  agreed    768   of add and deny: {old value, sequence << 1 | set}, agreed by CAS
//   +2368  note      256   words that only the layer above understands
struct alignas(64) Descriptor {
  base::AtomicPair status;
  base::AtomicU64 head, epoch, time_ms;
  base::AtomicU64 reserved[3];
  Entry entries[kEntriesMax];
  base::AtomicPair agreed[kEntriesMax];
  base::AtomicU64 note[kNoteWordsMax];
};
static_assert(offsetof(Descriptor, entries) == 64 && offsetof(Descriptor, agreed) == 1600);
static_assert(offsetof(Descriptor, note) == 2368 && sizeof(Descriptor) == 2624);
static_assert(std::is_standard_layout_v<Descriptor> &&
              std::is_trivially_destructible_v<Descriptor>);

constexpr uint64_t make_head(uint32_t entries, uint32_t note_words, Kind kind, uint32_t event_1) {
  return entries | uint64_t{note_words} << 8 | static_cast<uint64_t>(kind) << 16 |
         uint64_t{event_1} << 32;
}

}  // namespace casbook::commit
