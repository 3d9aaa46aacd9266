// Room for copied records. The blocks region is cut into blocks of 16 KiB; a session writes only
// into the block that it owns, so a copier that is stopped and wakes late harms nothing, and one
// that never wakes costs one block.
//
//   block state    retired: newest LSN in it << 1        owned: (session + 1) << 1 | 1
//
//   retired, newest < floor --CAS--> owned by a session --full--> retired, newest
//
// A block belongs to the session slot: the slot's next owner goes on writing where the last one
// stopped. Crash windows (the next owner of the slot repairs, in adopt()):
//   B1 after retire    open_block names a block that is not ours any more: forgotten
//   B2 after intent    claiming_block names a block that is not ours: forgotten
//   B3 after own       claiming_block names a block that is ours and not open: opened, empty
#pragma once

#include <casbook/result.h>

#include "commit/store.h"

namespace casbook::log {

// The first words of each block, written by its owner before a record in it is published.
struct BlockHead {
  base::AtomicU64 newest_lsn;
  base::AtomicU64 reserved[7];
};
static_assert(sizeof(BlockHead) == 64);

class BlockSpace {
 public:
  // Adopts what the session slot's former owner left.
  BlockSpace(const commit::Store& store, uint32_t session);

  struct Room {
    base::AtomicU64* words = nullptr;
    uint64_t where = 0;  // as the record index keeps it
  };
  // Room for `bytes`, reserved before it is returned: a crash wastes it, nobody writes it twice.
  // Null words: every block holds records that a follower still needs.
  Room reserve(uint32_t bytes, uint64_t lsn);
  // Takes the last reservation back, when its record was not published.
  void give_back(uint32_t bytes);

 private:
  bool take_block();
  uint64_t find_block(uint64_t floor);
  bool own_block(uint64_t block);
  BlockHead& head(uint64_t block) const;
  void open_empty(uint64_t block);
  void set_open(uint64_t block, uint64_t used);

  const commit::Store& store_;
  arena::SessionSlot& slot_;
  base::AtomicU64* states_;
  std::byte* blocks_;
  uint64_t block_count_;
  uint64_t block_bytes_;
  uint64_t owned_state_;
  uint64_t open_ = 0, used_ = 0;  // mirror of slot_.open_block
  bool has_open_ = false;
};

// A pointer to the words at `where`, or null when that lies outside the region.
const base::AtomicU64* find_record_words(const commit::Store& store, uint64_t where,
                                         uint64_t& words_max);

}  // namespace casbook::log
