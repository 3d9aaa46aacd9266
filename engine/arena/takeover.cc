// Verdicts of death, and what follows from them. The proof and the crash windows T1, T2 stand in
// attachment.h.
#include "arena/attachment.h"

namespace casbook::arena {
namespace {

AttachmentSlot* slot_of(const Mapping& mapping, AttachmentRef ref) {
  // A reference may come from a damaged cell.
  if (ref.index() >= mapping.geometry().attachments || ref.generation() == 0) return nullptr;
  return &mapping.region<AttachmentSlot>(Region::attachments)[ref.index()];
}

bool is_live(uint64_t word, AttachmentRef ref) {
  return word == slot_word(ref.generation(), SlotState::live);
}

// The word of the slot when its attachment is dead, marking it if that is news.
std::optional<uint64_t> dead_word(AttachmentSlot& slot, uint32_t index, const LifeProbe& probe) {
  // [life] Acquire: `live` was written under the lock, so the probe below comes after the lock was
  // taken. Pairs with Attachment::try_claim().
  const uint64_t word = slot.state.load_acquire();
  if (slot_state(word) == SlotState::dead) return word;
  if (slot_state(word) != SlotState::live || !probe.is_provably_free(index)) return std::nullopt;

  // [life] The CAS tells death from a detach: that changes the word before it drops the lock.
  const uint64_t dead = slot_word(slot_generation(word), SlotState::dead);
  if (slot.state.cas_acq_rel(word, dead)) {
    base::fault_point(base::FaultPoint::takeover_after_mark);
    return dead;
  }
  // Somebody else marked it: both go on, since either may be killed. [life]
  const uint64_t now = slot.state.load_acquire();
  return slot_state(now) == SlotState::dead ? std::optional(now) : std::nullopt;
}

}  // namespace

bool is_attachment_alive(const Mapping& mapping, AttachmentRef ref) {
  if (mapping.is_forked()) return true;  // nothing can be proven from here
  const AttachmentSlot* slot = slot_of(mapping, ref);
  // [life] Acquire: as in dead_word(); the lock seen free after `live` proves death or detach.
  if (!slot || !is_live(slot->state.load_acquire(), ref)) return false;
  return !LifeProbe(mapping).is_provably_free(ref.index());
}

bool Attachment::is_alive(AttachmentRef ref) const {
  if (ref == ref_ || is_attachment_alive(mapping_, ref)) return true;
  AttachmentSlot* slot = slot_of(mapping_, ref);
  // [life] The proof holds for this generation, whoever looks: so mark it, if nobody has.
  if (slot && is_live(slot->state.load_acquire(), ref) &&
      slot->state.cas_acq_rel(slot_word(ref.generation(), SlotState::live),
                              slot_word(ref.generation(), SlotState::dead)))
    base::fault_point(base::FaultPoint::takeover_after_mark);
  return false;
}

uint32_t Attachment::take_over_the_dead() {
  if (mapping_.is_forked()) return 0;
  const LifeProbe probe(mapping_);
  uint32_t taken = 0;
  for (uint32_t index = 0; index < mapping_.geometry().attachments; ++index)
    if (take_over(index, probe)) ++taken;
  return taken;
}

// True when it was this call that freed the slot.
bool Attachment::take_over(uint32_t index, const LifeProbe& probe) {
  AttachmentSlot& slot = mapping_.region<AttachmentSlot>(Region::attachments)[index];
  const std::optional<uint64_t> dead = dead_word(slot, index, probe);
  if (!dead) return false;
  const uint64_t generation = slot_generation(*dead);
  free_sessions_of_dead(AttachmentRef::of(index, generation));
  // [life] Release: every session is free before the slot is. The dead claim nothing any more, so
  // one walk over the sessions met all of them.
  if (!slot.state.cas_acq_rel(*dead, slot_word(generation, SlotState::free))) return false;
  mapping_.control().takeovers.add_relaxed(1);  // a figure for people
  return true;
}

void Attachment::free_sessions_of_dead(AttachmentRef dead) {
  SessionSlot* const slots = mapping_.region<SessionSlot>(Region::sessions);
  for (uint32_t session = 0; session < mapping_.geometry().sessions; ++session) {
    const std::optional<base::Pair> ownership = ownership_of(slots[session], dead);
    if (!ownership) continue;
    run_(session);
    base::fault_point(base::FaultPoint::takeover_after_run);
    free_session(slots[session], *ownership);
    base::fault_point(base::FaultPoint::takeover_after_session);
  }
}

}  // namespace casbook::arena
