// Proof of life. An attachment is a process's place in the arena, a session one thread's.
//
// A false verdict of death is the one thing that corrupts, so it is never by pid and never by
// time-out. An attachment holds an OFD lock on a file description that is mapped (one page,
// MADV_DONTFORK) and whose descriptor is closed at once: the lock ends with the mapping, that is
// with the process or its exec, not by any close in the host program, and no forked child keeps it.
//
//   free(g) --claim, holding the life lock--> live(g+1) --detach--> free(g+1)
//                                                |
//                                   lock gone: anybody marks
//                                                v
//                                             dead(g+1) --all its sessions freed--> free(g+1)
//
// Crash windows: A1 lock held, slot free: the lock goes with the process, nothing is left.
// A2 live, no session: the next one that needs a slot marks it dead and frees it. T1 marked dead,
// T2 some sessions freed: whoever comes next goes on; running a descriptor twice is harmless and
// every state word carries a generation, so a late taker-over's CAS fails.
// S1 session claimed, nothing done with it: freed with its attachment. D1 some sessions of a detach
// freed, slot live: the lock goes with the process, then as for T2.
//
// Generations: 48 bits of a reference. A slot attached to 10,000 times a second repeats one after
// 892 years.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <casbook/result.h>

#include "arena/arena.h"
#include "arena/life_lock.h"

namespace casbook::arena {

enum class SlotState : uint64_t { free = 0, live = 1, dead = 2 };  // 3 is damage: never claimed

constexpr uint64_t slot_word(uint64_t generation, SlotState state) {
  return generation << 2 | static_cast<uint64_t>(state);
}
constexpr SlotState slot_state(uint64_t word) { return static_cast<SlotState>(word & 3); }
constexpr uint64_t slot_generation(uint64_t word) { return word >> 2; }

// One cache line per process. Writer: its process; state also by whoever takes it over.
struct alignas(64) AttachmentSlot {
  base::AtomicU64 state;       // generation << 2 | SlotState
  base::AtomicU64 pid;         // for people only, never for a verdict
  base::AtomicU64 started_ms;  // wall clock of the attach
  base::AtomicU64 reserved[5];
};
static_assert(sizeof(AttachmentSlot) == 64 && offsetof(AttachmentSlot, started_ms) == 16);
static_assert(std::is_standard_layout_v<AttachmentSlot> &&
              std::has_unique_object_representations_v<AttachmentSlot>);

// Two cache lines per session. Writer: its session; state also by whoever takes it over. All but
// `owner` and `waiting_on` outlives the owner: the next one goes on where the last one stopped.
struct alignas(128) SessionSlot {
  base::AtomicPair owner;          // {generation << 2 | SlotState, AttachmentRef}: claimed as one
  base::AtomicU64 next;            // which descriptor comes next
  base::AtomicU64 open_block;      // block + 1 << 32 | bytes used; 0 = none
  base::AtomicU64 claiming_block;  // block + 1 named before it is owned; 0 = none
  base::AtomicU64 waiting_on;      // lease cell + 1 it sleeps on; 0 = none
  base::AtomicU64 reserved[2];
  // Counters, for people: payments executed; refused and recorded so; and of all kinds of commits.
  base::AtomicU64 commits, conflicts, refusals, helps, leftovers, slow_lane, payments, denials;
};
static_assert(sizeof(SessionSlot) == 128 && offsetof(SessionSlot, next) == 16);
static_assert(offsetof(SessionSlot, waiting_on) == 40 && offsetof(SessionSlot, commits) == 64);
static_assert(std::is_standard_layout_v<SessionSlot> &&
              std::has_unique_object_representations_v<SessionSlot>);

// Who holds an attachment: index and generation, in one word as cells and session slots keep it.
struct AttachmentRef {
  uint64_t value = 0;  // index << 48 | generation; generations begin at 1, so 0 is nobody
  uint32_t index() const { return static_cast<uint32_t>(value >> 48); }
  uint64_t generation() const { return value & ((uint64_t{1} << 48) - 1); }
  static constexpr AttachmentRef of(uint32_t index, uint64_t generation) {
    return {static_cast<uint64_t>(index) << 48 | (generation & ((uint64_t{1} << 48) - 1))};
  }
  bool operator==(const AttachmentRef&) const = default;
};

// Runs what a dead session left undecided; given by the layer that knows descriptors. Idempotent.
using RunSession = std::function<void(uint32_t session)>;

// Its methods may be called by any thread of the process, several at once; the destructor when no
// session of it is in use any more. The mapping must outlive it. Nothing here waits: the loops walk
// slots, and a CAS that fails lost to another process's success (lock-free).
class Attachment {
 public:
  // Claims a slot; when none is free, takes dead ones over first. Errors: attachments_full,
  // read_only, forked, book_missing (the path names another file by now), no_permission, io_error.
  // `run` must stay callable while the attachment lives.
  static Result<std::unique_ptr<Attachment>> open(Mapping& mapping, RunSession run);
  // Frees its sessions (running their descriptors) and its slot, then drops the lock.
  // In a forked child: does nothing.
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  AttachmentRef ref() const { return ref_; }
  // Claims a session slot, lowest first. When none is free: takes the dead over, then tries again.
  // Errors: sessions_full, forked.
  Result<uint32_t> open_session();
  // Runs its descriptors and frees it. A session that is not (or no longer) ours: no effect.
  void close_session(uint32_t session);

  // Whether the attachment `ref` names is still the live one. False is a proof of death or detach.
  // True may be stale by the time it is returned, and is the answer whenever death cannot be
  // proven. Marks the slot of a dead one. About 2 us when the slot says live.
  bool is_alive(AttachmentRef ref) const;
  // Takes over every dead attachment: runs and frees its sessions, frees its slot. Returns how
  // many it was that freed the slot. Any number of processes at once; each may be killed anywhere.
  // One look at the path (2 us), and one system call per live attachment.
  uint32_t take_over_the_dead();

 private:
  Attachment(Mapping& mapping, RunSession run);
  Result<bool> try_claim();
  bool try_claim(uint32_t index);
  std::optional<uint32_t> try_open_session();
  void free_sessions_of_dead(AttachmentRef dead);
  bool take_over(uint32_t index, const LifeProbe& probe);

  Mapping& mapping_;
  RunSession run_;
  AttachmentRef ref_;
  LifeLock life_lock_;
};

// The owner word of `slot` while `ref` holds it live, with its generation; else nothing.
std::optional<base::Pair> ownership_of(const SessionSlot& slot, AttachmentRef ref);
// Frees a session under the generation seen by ownership_of(); fails harmlessly when that is over.
void free_session(SessionSlot& slot, base::Pair ownership);

// As Attachment::is_alive for observers too: needs only a mapping, and marks nothing.
bool is_attachment_alive(const Mapping& mapping, AttachmentRef ref);

}  // namespace casbook::arena
