#include "replicate/peer_disks.h"

#include <algorithm>

#include "base/probe.h"
#include "journal/block_file.h"

namespace casbook::replicate {

using journal::Storage;

namespace {

constexpr journal::BlockFile kFile{.name = "peers",
                                   .magic = 0x45504b4f4f4243,  // "CBOOKPE"
                                   .format = 1,
                                   .what = "list of peers"};

struct Peer {
  uint64_t node, storage_id;
};
// One block.
struct PeersBlock {
  uint64_t magic;
  uint32_t format, count;
  Peer peers[PeerDisks::kMax];  // by ascending node
  uint64_t checksum;            // of the bytes above
};
static_assert(sizeof(PeersBlock) == 16 + 16 * PeerDisks::kMax + 8);

}  // namespace

Result<PeerDisks> PeerDisks::open(Storage& storage) {
  PeerDisks disks(storage);
  const auto block = journal::read_block_of<PeersBlock>(storage, kFile);
  if (!block && block.error().code == Code::book_missing) return disks;
  if (!block) return block.error();
  if (block->count > kMax) return journal::damaged_block(storage, kFile);
  for (uint32_t i = 0; i < block->count; ++i)
    disks.disks_[block->peers[i].node] = block->peers[i].storage_id;
  return disks;
}

Result<void> PeerDisks::save() const {
  PeersBlock block{};
  for (const auto& [node, storage_id] : disks_) block.peers[block.count++] = {node, storage_id};
  return journal::write_block_of(*storage_, kFile, block);
}

bool PeerDisks::admit(uint64_t node, uint64_t storage_id) {
  if (storage_id == 0 || base::mutated(base::Mutant::disk_pin_ignored)) return true;
  const auto found = disks_.find(node);
  if (found != disks_.end()) return found->second == storage_id;
  if (failure_ || disks_.size() == kMax) return false;
  disks_[node] = storage_id;
  auto saved = save();
  if (saved) return true;
  disks_.erase(node);
  failure_ = saved.error();
  return false;
}

uint64_t PeerDisks::known(uint64_t node) const {
  const auto found = disks_.find(node);
  return found == disks_.end() ? 0 : found->second;
}

Result<void> PeerDisks::keep_only(std::span<const uint64_t> nodes) {
  const size_t forgotten = std::erase_if(
      disks_, [&](const auto& disk) { return std::ranges::find(nodes, disk.first) == nodes.end(); });
  return forgotten ? save() : Result<void>();
}

}  // namespace casbook::replicate
