#include "replicate/peer_disks.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/probe.h"

namespace casbook::replicate {

using journal::Storage;

namespace {

constexpr const char* kName = "peers";
constexpr const char* kTemporaryName = "peers.new";
constexpr uint64_t kMagic = 0x45504b4f4f4243;  // "CBOOKPE"
constexpr uint32_t kFormat = 1;

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
static_assert(sizeof(PeersBlock) <= journal::kBlockBytes);
static_assert(std::has_unique_object_representations_v<PeersBlock>);

uint64_t checksum_of(const PeersBlock& block) {
  return base::hash_bytes(&block, offsetof(PeersBlock, checksum), kMagic);
}

Error error_in(const Storage& storage, Code code, const std::string& what) {
  return {.code = code, .detail = storage.describe() + "/" + kName + ": " + what};
}

}  // namespace

Result<PeerDisks> PeerDisks::open(Storage& storage) {
  PeerDisks disks(storage);
  auto file = storage.open(kName, Storage::Access::read);
  if (!file && file.error().code == Code::book_missing) return disks;
  if (!file) return file.error();
  PeersBlock block{};
  if (auto read = (*file)->read(0, std::as_writable_bytes(std::span(&block, 1))); !read)
    return read.error().code == Code::truncated
               ? error_in(storage, Code::damaged, "it is too short")
               : read.error();
  if (block.magic != kMagic) return error_in(storage, Code::damaged, "it is no list of peers");
  if (block.format > kFormat)
    return error_in(storage, Code::format_newer,
                    "format " + std::to_string(block.format) + ", this program knows " +
                        std::to_string(kFormat));
  if (block.format != kFormat || block.count > kMax || block.checksum != checksum_of(block))
    return error_in(storage, Code::damaged, "its checksum does not fit");
  for (uint32_t i = 0; i < block.count; ++i)
    disks.disks_[block.peers[i].node] = block.peers[i].storage_id;
  return disks;
}

Result<void> PeerDisks::save() const {
  PeersBlock block{};
  block.magic = kMagic, block.format = kFormat;
  for (const auto& [node, storage_id] : disks_) block.peers[block.count++] = {node, storage_id};
  block.checksum = checksum_of(block);
  alignas(journal::kBlockBytes) std::byte bytes[journal::kBlockBytes] = {};
  std::memcpy(bytes, &block, sizeof block);
  if (auto removed = storage_->remove(kTemporaryName);
      !removed && removed.error().code != Code::book_missing)
    return removed;
  auto file = storage_->create(kTemporaryName);
  if (!file) return file.error();
  if (auto done = (*file)->write(0, bytes); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = storage_->rename(kTemporaryName, kName); !done) return done;
  return storage_->sync_directory();
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
