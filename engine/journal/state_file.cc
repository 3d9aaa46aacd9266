#include "journal/state_file.h"

#include "journal/block_file.h"

namespace casbook::journal {

namespace {

constexpr BlockFile kFile{.name = "state",
                          .magic = 0x54534b4f4f4243,  // "CBOOKST"
                          .format = 1,
                          .what = "journal's state",
                          .keeps_room = true};

// One block.
struct StateBlock {
  uint64_t magic;
  uint32_t format, bytes;
  uint64_t journal_id, reserved_term;
  uint64_t cluster, node, voted_for;
  uint64_t storage_id;
  uint64_t checksum;  // of the bytes above
};
static_assert(sizeof(StateBlock) == 72);

}  // namespace

Result<JournalState> read_state(const Storage& storage) {
  const auto block = read_block_of<StateBlock>(storage, kFile);
  if (!block) return block.error();
  if (block->journal_id == 0) return damaged_block(storage, kFile);
  return JournalState{block->journal_id, block->reserved_term, block->cluster, block->node,
                      block->voted_for, block->storage_id};
}

Result<void> write_state(Storage& storage, const JournalState& state) {
  StateBlock block{};
  block.bytes = sizeof block;
  block.journal_id = state.journal_id, block.reserved_term = state.reserved_term;
  block.cluster = state.cluster, block.node = state.node, block.voted_for = state.voted_for;
  block.storage_id = state.storage_id;
  return write_block_of(storage, kFile, block);
}

}  // namespace casbook::journal
