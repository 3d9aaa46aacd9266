#include "log/block_space.h"

#include "commit/retention.h"
#include "log/record.h"

namespace casbook::log {

using arena::Region;
using base::FaultPoint;
using base::Mutant;

namespace {
constexpr uint64_t kCandidatesMax = 64;
constexpr uint64_t kNoBlock = UINT64_MAX;
constexpr bool is_owned(uint64_t state) { return state & 1; }
}  // namespace

BlockSpace::BlockSpace(const commit::Store& store, uint32_t session)
    : store_(store),
      slot_(store.session(session)),
      states_(store.mapping().region<base::AtomicU64>(Region::block_states)),
      blocks_(store.mapping().region<std::byte>(Region::blocks)),
      block_count_(store.mapping().geometry().blocks),
      block_bytes_(store.mapping().geometry().block_bytes),
      owned_state_(uint64_t{session + 1} << 1 | 1) {
  const auto is_ours = [&](uint64_t block) {
    return block < block_count_ && states_[block].load_relaxed() == owned_state_;
  };
  const uint64_t open = slot_.open_block.load_relaxed();
  const uint64_t claiming = slot_.claiming_block.load_relaxed();
  if (open != 0 && is_ours((open >> 32) - 1)) {
    open_ = (open >> 32) - 1, used_ = open & 0xffffffff, has_open_ = true;
  }
  if (claiming != 0 && is_ours(claiming - 1) && !(has_open_ && open_ == claiming - 1))
    open_empty(claiming - 1);  // B3
}

BlockHead& BlockSpace::head(uint64_t block) const {
  return *reinterpret_cast<BlockHead*>(blocks_ + block * block_bytes_);
}

void BlockSpace::set_open(uint64_t block, uint64_t used) {
  slot_.open_block.store_relaxed((block + 1) << 32 | used);  // ours alone; read after our death
  open_ = block, used_ = used, has_open_ = true;
}

BlockSpace::Room BlockSpace::reserve(uint32_t bytes, uint64_t lsn) {
  if ((!has_open_ || used_ + bytes > block_bytes_) && !take_block()) return {};
  const uint64_t offset = used_;
  set_open(open_, used_ + bytes);
  // Ours alone until the block is retired; then it says when the block may be overwritten.
  if (head(open_).newest_lsn.load_relaxed() < lsn) head(open_).newest_lsn.store_relaxed(lsn);
  base::fault_point(FaultPoint::record_after_reserve);
  return {reinterpret_cast<base::AtomicU64*>(blocks_ + open_ * block_bytes_ + offset),
          open_ << 32 | offset};
}

void BlockSpace::give_back(uint32_t bytes) { set_open(open_, used_ - bytes); }

bool BlockSpace::take_block() {
  if (has_open_) {
    // [block] Release: what is in the block is complete for whoever takes it later.
    states_[open_].store_release(head(open_).newest_lsn.load_relaxed() << 1);
    has_open_ = false;
    base::fault_point(FaultPoint::block_after_retire);  // B1
  }
  // Progress: a failed attempt means that another session took the block.
  for (uint64_t attempt = 0; attempt < block_count_ + kCandidatesMax; ++attempt) {
    const uint64_t block = find_block(store_.control().retention.lo.load_acquire());  // [floor]
    if (block == kNoBlock) return false;
    if (own_block(block)) return true;
  }
  return false;
}

// A retired block whose records are all below the floor; else the one that needs the least raise
// of the floor. kNoBlock: a follower needs what is in all of them.
uint64_t BlockSpace::find_block(uint64_t floor) {
  base::AtomicU64& cursor = store_.control().block_cursor;
  uint64_t best = kNoBlock, best_newest = UINT64_MAX;
  uint64_t seen = 0;
  for (uint64_t i = 0; i < block_count_; ++i) {
    const uint64_t block = cursor.load_relaxed() % block_count_;  // a hint: where to look
    cursor.add_relaxed(1);
    const uint64_t state = states_[block].load_acquire();  // [block]
    if (is_owned(state)) continue;
    const uint64_t newest = state >> 1;
    if (newest < floor || base::mutated(Mutant::block_reused_above_floor)) return block;
    if (newest < best_newest) best = block, best_newest = newest;
    if (++seen >= kCandidatesMax && commit::Retention(store_).keep() > best_newest) break;
  }
  if (best == kNoBlock) return kNoBlock;
  // A little further than needed, so that the next blocks are found at the first look.
  const uint64_t needed = best_newest + 1, generous = needed + store_.ring_slots() / 256;
  const uint64_t end = store_.control().tail.load_acquire();  // [tail]
  if (generous < end && commit::Retention::raise_floor(store_, generous)) return best;
  return commit::Retention::raise_floor(store_, needed) ? best : kNoBlock;
}

bool BlockSpace::own_block(uint64_t block) {
  const uint64_t state = states_[block].load_acquire();  // [block]
  if (is_owned(state)) return false;
  // Still below the floor as of now: the state may have changed since it was found.
  if (state >> 1 >= store_.control().retention.lo.load_acquire() &&  // [floor]
      !base::mutated(Mutant::block_reused_above_floor))
    return false;
  slot_.claiming_block.store_relaxed(block + 1);
  base::fault_point(FaultPoint::block_after_intent);  // B2
  // [block] The intent above is visible to whoever adopts this slot; the floor was raised before.
  if (!states_[block].cas_acq_rel(state, owned_state_)) return false;
  base::fault_point(FaultPoint::block_after_own);  // B3
  open_empty(block);
  return true;
}

void BlockSpace::open_empty(uint64_t block) {
  // [floor] Fence: the floor before the bytes. A reader that sees new bytes sees the new floor.
  base::release_fence();
  head(block).newest_lsn.store_relaxed(0);
  set_open(block, sizeof(BlockHead));
}

const base::AtomicU64* find_record_words(const commit::Store& store, uint64_t where,
                                         uint64_t& words_max) {
  const uint64_t block_bytes = store.mapping().geometry().block_bytes;
  const uint64_t block = where >> 32, offset = where & 0xffffffff;
  if (block >= store.mapping().geometry().blocks || offset % 8 != 0 || offset < sizeof(BlockHead) ||
      offset + kRecordHeadWords * 8 > block_bytes)
    return nullptr;
  words_max = (block_bytes - offset) / 8;
  return reinterpret_cast<const base::AtomicU64*>(
      store.mapping().region<std::byte>(Region::blocks) + block * block_bytes + offset);
}

}  // namespace casbook::log
