#include "log/follower.h"

#include <algorithm>
#include <cstring>

namespace casbook::log {

namespace {

using base::FaultPoint;

enum : uint64_t { kFree = 0, kClaiming = 1, kActive = 2 };
constexpr uint64_t state_of(uint64_t claim) { return claim & 3; }
constexpr uint64_t with_state(uint64_t claim, uint64_t state) {
  return (claim & ~uint64_t{3}) | state;
}
constexpr uint64_t next_generation(uint64_t claim) { return (claim & ~uint64_t{3}) + 4; }
constexpr uint64_t generation_of(uint64_t claim) { return claim >> 2; }

FollowerSlot* slots(const commit::Store& store) {
  return store.mapping().region<FollowerSlot>(arena::Region::followers);
}

struct Name {
  uint64_t words[4] = {};
  explicit Name(std::string_view text) { std::memcpy(words, text.data(), text.size()); }
  bool is_of(const FollowerSlot& slot) const {
    for (int i = 0; i < 4; ++i)
      if (slot.name[i].load_relaxed() != words[i]) return false;
    return true;
  }
};

// The lowest position that any active follower needs.
uint64_t lowest_needed(const commit::Store& store) {
  uint64_t lowest = UINT64_MAX;
  for (uint32_t i = 0; i < kFollowersMax; ++i) {
    FollowerSlot& slot = slots(store)[i];
    // [follower] Acquire: its position was written before the slot became active.
    if (state_of(slot.claim.lo.load_acquire()) == kActive)
      lowest = std::min(lowest, slot.next.lo.load_relaxed());
  }
  return lowest;
}

void recompute(const commit::Store& store) {
  commit::Retention::recompute_keep(store, [&] { return lowest_needed(store); });
}

// The index of the lowest active slot of that name, below `limit`; `limit`: none.
uint32_t find_active(const commit::Store& store, const Name& name, uint32_t limit) {
  for (uint32_t i = 0; i < limit; ++i) {
    FollowerSlot& slot = slots(store)[i];
    if (state_of(slot.claim.lo.load_acquire()) == kActive && name.is_of(slot))  // [follower]
      return i;
  }
  return limit;
}

base::Pair load_claim(const FollowerSlot& slot) {
  const uint64_t claim = slot.claim.lo.load_acquire();  // [follower]
  return {claim, slot.claim.hi.load_acquire()};         // [follower]
}

// Puts the position under the generation of `claim`: a former owner's CAS fails from here on. It
// becomes `lsn`, or stays where it is when that is null. Returns it. A later generation stays: we
// are superseded then. Bounded by what former owners of the slot still had under way.
uint64_t take_position(FollowerSlot& slot, uint64_t claim, const uint64_t* lsn) {
  for (;;) {
    const base::Pair seen{slot.next.lo.load_relaxed(), slot.next.hi.load_relaxed()};
    if (seen.hi > generation_of(claim)) return seen.lo;
    const uint64_t next = lsn ? *lsn : seen.lo;
    // [follower] The pair at once: position and who says so.
    if (slot.next.cas16_acq_rel(seen, {next, generation_of(claim)})) return next;
  }
}

// Lowers keep to the position of an active slot, and returns it. One below the floor was never held
// (F2), so nobody has read from it either: it begins at the floor. Bounded: the floor only rises
// while nobody holds it, and each round starts from it.
uint64_t hold_position(const commit::Store& store, FollowerSlot& slot, uint64_t claim,
                       uint64_t next) {
  while (!commit::Retention::hold(store, next)) {
    next = log_floor(store);
    take_position(slot, claim, &next);
  }
  return next;
}

// Frees the other slots of that name, which a registration at the same time as ours has taken, live
// or dead; what they held is held by ours. Returns our position. Bounded by the slots.
uint64_t absorb_twins(const commit::Store& store, const Name& name, uint32_t index, uint64_t claim,
                      uint64_t next) {
  for (uint32_t i = index + 1; i < kFollowersMax; ++i) {
    FollowerSlot& twin = slots(store)[i];
    const base::Pair seen = load_claim(twin);
    if (state_of(seen.lo) != kActive || !name.is_of(twin)) continue;
    const uint64_t needed = twin.next.lo.load_relaxed();
    if (needed < next) {
      take_position(slots(store)[index], claim, &needed);
      next = hold_position(store, slots(store)[index], claim, needed);
    }
    // [follower] Its owner, if it lives, sees that the claim is another.
    twin.claim.cas16_acq_rel(seen, {with_state(next_generation(seen.lo), kFree), 0});
    recompute(store);
  }
  return next;
}

bool is_takeable(const commit::Store& store, uint64_t claim, uint64_t owner) {
  return state_of(claim) == kFree ||
         (state_of(claim) == kClaiming &&
          !arena::is_attachment_alive(store.mapping(), arena::AttachmentRef{owner}));
}

}  // namespace

Result<Follower> Follower::open(const commit::Store& store, arena::AttachmentRef owner,
                                std::string_view text, FullPolicy policy, Start start) {
  if (text.empty() || text.size() > kFollowerNameBytesMax)
    return Error{Code::bad_argument, false, 0, 0, "follower name: expected 1 to 32 bytes"};
  const Name name(text);
  // Progress: another round means that somebody else registered, resumed or removed this name.
  for (;;) {
    const uint32_t active = find_active(store, name, kFollowersMax);
    if (active != kFollowersMax) {
      auto resumed = resume(store, active, owner.value);
      if (!resumed) continue;
      resumed->next_ = absorb_twins(store, name, active, resumed->claim_, resumed->next_);
      return resumed;
    }
    auto claimed = claim_slot(store, owner.value, text, policy);
    if (!claimed) return claimed;
    if (start == Start::end) {
      claimed->next_ = log_end(store);
      claimed->release();
    }
    // Several may have registered one name at once: the lowest slot stays.
    if (find_active(store, name, claimed->slot_) != claimed->slot_) {
      claimed->remove();
      continue;
    }
    claimed->next_ = absorb_twins(store, name, claimed->slot_, claimed->claim_, claimed->next_);
    return claimed;
  }
}

// overrun: somebody was faster.
Result<Follower> Follower::resume(const commit::Store& store, uint32_t index, uint64_t owner) {
  FollowerSlot& slot = slots(store)[index];
  const base::Pair seen = load_claim(slot);
  if (state_of(seen.lo) != kActive) return Code::overrun;
  const uint64_t claim = with_state(next_generation(seen.lo), kActive);
  // [follower] The owner changes, the position stays.
  if (!slot.claim.cas16_acq_rel(seen, {claim, owner})) return Code::overrun;
  base::fault_point(FaultPoint::follower_after_claim);  // F3
  const uint64_t next = take_position(slot, claim, nullptr);
  return Follower(store, index, claim, hold_position(store, slot, claim, next));
}

Result<Follower> Follower::claim_slot(const commit::Store& store, uint64_t owner,
                                      std::string_view text, FullPolicy policy) {
  const Name name(text);
  for (uint32_t i = 0; i < kFollowersMax; ++i) {
    FollowerSlot& slot = slots(store)[i];
    const base::Pair seen = load_claim(slot);
    if (!is_takeable(store, seen.lo, seen.hi)) continue;
    const uint64_t claim = with_state(next_generation(seen.lo), kClaiming);
    // [follower] Claimed.
    if (!slot.claim.cas16_acq_rel(seen, {claim, owner})) continue;
    base::fault_point(FaultPoint::follower_after_claim);  // F1
    for (int w = 0; w < 4; ++w) slot.name[w].store_relaxed(name.words[w]);
    slot.policy.store_relaxed(static_cast<uint64_t>(policy));
    // Conservative until the true start is known: it can only hold too much.
    uint64_t next = log_floor(store);
    take_position(slot, claim, &next);
    const uint64_t active = with_state(claim, kActive);
    // [follower] Release: name and position before the slot counts.
    if (!slot.claim.cas16_acq_rel({claim, owner}, {active, owner})) continue;
    next = hold_position(store, slot, active, next);
    base::fault_point(FaultPoint::follower_after_keep);
    return Follower(store, i, active, next);
  }
  return Code::followers_full;
}

bool Follower::is_current() const {
  // [follower] Dropped, removed or superseded by somebody else: nothing is held for us any more.
  return slots(*store_)[slot_].claim.lo.load_acquire() == claim_;
}

Fetch Follower::next(Record& record) {
  if (!is_current()) return Fetch::overrun;
  const Fetch result = fetch(*store_, next_, record);
  if (result == Fetch::got) ++next_;
  return result;
}

void Follower::store_position() {
  FollowerSlot& slot = slots(*store_)[slot_];
  const uint64_t generation = generation_of(claim_);
  const uint64_t seen = slot.next.lo.load_relaxed();  // errs on the low side when read late
  // [follower] Fails when the slot is another's by now, and then the position is not ours.
  slot.next.cas16_acq_rel({seen, generation}, {next_, generation});
}

void Follower::release() {
  store_position();
  recompute(*store_);
}

void Follower::remove() {
  FollowerSlot& slot = slots(*store_)[slot_];
  const uint64_t owner = slot.claim.hi.load_acquire();                        // [follower]
  slot.claim.cas16_acq_rel({claim_, owner}, {with_state(claim_, kFree), 0});  // [follower]
  recompute(*store_);
}

bool drop_laggards(const commit::Store& store) {
  const uint64_t before = commit::Retention(store).keep();
  if (before == UINT64_MAX) return false;
  recompute(store);
  const uint64_t keep = commit::Retention(store).keep();
  if (keep > before) return true;
  bool dropped = false;
  for (uint32_t i = 0; i < kFollowersMax; ++i) {
    FollowerSlot& slot = slots(store)[i];
    const base::Pair seen = load_claim(slot);
    if (state_of(seen.lo) != kActive || slot.next.lo.load_relaxed() > keep ||
        static_cast<FullPolicy>(slot.policy.load_relaxed()) != FullPolicy::drop_follower)
      continue;
    // [follower] Its next() sees that the claim is another.
    dropped |= slot.claim.cas16_acq_rel(seen, {with_state(next_generation(seen.lo), kFree), 0});
  }
  if (dropped) recompute(store);
  return dropped;
}

std::vector<FollowerInfo> list_followers(const commit::Store& store) {
  std::vector<FollowerInfo> list;
  const uint64_t end = log_end(store);
  for (uint32_t i = 0; i < kFollowersMax; ++i) {
    FollowerSlot& slot = slots(store)[i];
    const uint64_t claim = slot.claim.lo.load_acquire();  // [follower]
    if (state_of(claim) != kActive) continue;
    char name[kFollowerNameBytesMax + 1] = {};
    for (int w = 0; w < 4; ++w) {
      const uint64_t word = slot.name[w].load_relaxed();
      std::memcpy(name + 8 * w, &word, 8);
    }
    const uint64_t next = slot.next.lo.load_relaxed();
    const arena::AttachmentRef owner{slot.claim.hi.load_acquire()};  // [follower]
    list.push_back({name, next, end > next ? end - next : 0,
                    static_cast<FullPolicy>(slot.policy.load_relaxed()),
                    arena::is_attachment_alive(store.mapping(), owner)});
  }
  return list;
}

bool is_followed(const commit::Store& store, std::string_view name) {
  const uint32_t index = find_active(store, Name(name), kFollowersMax);
  if (index == kFollowersMax) return false;
  const arena::AttachmentRef owner{slots(store)[index].claim.hi.load_acquire()};  // [follower]
  return arena::is_attachment_alive(store.mapping(), owner);
}

}  // namespace casbook::log
