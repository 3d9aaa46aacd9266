#include "arena/attachment.h"

#include <utility>

#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

namespace casbook::arena {

Attachment::Attachment(Mapping& mapping, RunSession run) : mapping_(mapping), run_(std::move(run)) {
  CASBOOK_ASSERT(run_ != nullptr);
}

Result<std::unique_ptr<Attachment>> Attachment::open(Mapping& mapping, RunSession run) {
  if (mapping.is_forked()) return Code::forked;
  if (mapping.access() == Access::read_only) return Code::read_only;
  std::unique_ptr<Attachment> attachment(new Attachment(mapping, std::move(run)));
  for (const bool is_retry : {false, true}) {
    if (is_retry) attachment->take_over_the_dead();
    Result<bool> claimed = attachment->try_claim();
    if (!claimed) return claimed.error();
    if (*claimed) return attachment;
  }
  return Code::attachments_full;
}

// False: no slot is free.
Result<bool> Attachment::try_claim() {
  const ForkPause pause;
  if (Result<void> opened = life_lock_.open(mapping_); !opened) return opened.error();
  for (uint32_t index = 0; index < mapping_.geometry().attachments; ++index) {
    if (!try_claim(index)) continue;
    life_lock_.seal();
    return true;
  }
  life_lock_.drop();
  return false;
}

bool Attachment::try_claim(uint32_t index) {
  AttachmentSlot& slot = mapping_.region<AttachmentSlot>(Region::attachments)[index];
  // Relaxed: saves two system calls where the slot is taken; the lock and the CAS decide.
  if (slot_state(slot.state.load_relaxed()) != SlotState::free) return false;
  if (!life_lock_.try_hold(index)) return false;
  base::fault_point(base::FaultPoint::attach_after_lock);

  // [life] Acquire, and the release of the CAS: the lock is held before anybody can read `live`,
  // and until `live` is gone. So live(g) seen, the lock seen free, and live(g) still there in the
  // CAS of a taker-over: only death explains it. Pairs with take_over() and is_attachment_alive().
  const uint64_t word = slot.state.load_acquire();
  const uint64_t generation = slot_generation(word) + 1;
  if (slot_state(word) != SlotState::free ||
      !slot.state.cas_acq_rel(word, slot_word(generation, SlotState::live))) {
    life_lock_.release(index);
    return false;
  }
  base::fault_point(base::FaultPoint::attach_after_claim);
  ref_ = AttachmentRef::of(index, generation);
  // Relaxed: shown to people.
  slot.pid.store_relaxed(static_cast<uint64_t>(getpid()));
  slot.started_ms.store_relaxed(static_cast<uint64_t>(base::wall_clock_ms()));
  return true;
}

Attachment::~Attachment() {
  if (mapping_.is_forked()) {
    life_lock_.forget();
    return;
  }
  if (ref_.value == 0) return;
  for (uint32_t session = 0; session < mapping_.geometry().sessions; ++session)
    close_session(session);
  // [life] Release: our sessions are free before the slot is. The lock is dropped after this, by
  // its destructor: whoever sees it free finds `live` gone too. A failure is a damaged slot, and
  // then somebody else's to judge.
  AttachmentSlot& slot = mapping_.region<AttachmentSlot>(Region::attachments)[ref_.index()];
  (void)slot.state.cas_acq_rel(slot_word(ref_.generation(), SlotState::live),
                               slot_word(ref_.generation(), SlotState::free));
}

Result<uint32_t> Attachment::open_session() {
  if (mapping_.is_forked()) return Code::forked;
  if (const std::optional<uint32_t> session = try_open_session()) return *session;
  take_over_the_dead();
  if (const std::optional<uint32_t> session = try_open_session()) return *session;
  return Code::sessions_full;
}

std::optional<uint32_t> Attachment::try_open_session() {
  SessionSlot* const slots = mapping_.region<SessionSlot>(Region::sessions);
  for (uint32_t session = 0; session < mapping_.geometry().sessions; ++session) {
    SessionSlot& slot = slots[session];
    // Round again when the CAS fails: a claim or a release of others succeeded in between, or the
    // two halves were read around one. Each round is somebody's progress.
    for (;;) {
      // [session] Acquire: all that the last owner wrote into the slot and its descriptors, and
      // what a taker-over repaired, is visible to this owner. Pairs with free_session().
      const uint64_t word = slot.owner.lo.load_acquire();
      // Relaxed: the CAS compares it.
      const uint64_t last_owner = slot.owner.hi.load_relaxed();
      if (slot_state(word) != SlotState::free) break;
      // [session] One CAS for state and owner: there is no live session whose owner is unknown,
      // so none is lost when this process dies at any instruction.
      const uint64_t claimed = slot_word(slot_generation(word) + 1, SlotState::live);
      if (!slot.owner.cas16_acq_rel({word, last_owner}, {claimed, ref_.value})) continue;
      base::fault_point(base::FaultPoint::session_after_claim);
      // Relaxed: a reader who still sees the last owner's wait looks at that lease in vain.
      slot.waiting_on.store_relaxed(0);
      return session;
    }
  }
  return std::nullopt;
}

void Attachment::close_session(uint32_t session) {
  if (mapping_.is_forked()) return;
  CASBOOK_ASSERT(session < mapping_.geometry().sessions);
  SessionSlot& slot = mapping_.region<SessionSlot>(Region::sessions)[session];
  const std::optional<base::Pair> ownership = ownership_of(slot, ref_);
  if (!ownership) return;
  run_(session);
  free_session(slot, *ownership);
}

std::optional<base::Pair> ownership_of(const SessionSlot& slot, AttachmentRef ref) {
  // [session] Acquire: a taker-over reads what the owner wrote before it claimed. The halves may be
  // of two moments: the CAS of free_session() then fails, and running a session that was claimed
  // anew meanwhile is a help to it.
  const base::Pair seen{slot.owner.lo.load_acquire(), slot.owner.hi.load_relaxed()};
  if (slot_state(seen.lo) != SlotState::live || seen.hi != ref.value) return std::nullopt;
  return seen;
}

void free_session(SessionSlot& slot, base::Pair ownership) {
  const uint64_t free_word = slot_word(slot_generation(ownership.lo), SlotState::free);
  // [session] Release: what was run and written under this owner is there before the next claim.
  (void)slot.owner.cas16_acq_rel(ownership, {free_word, ownership.hi});
}

}  // namespace casbook::arena
