#include "support/memory_arena.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include <sys/mman.h>
#include <unistd.h>

#include "arena/header.h"
#include "arena/mapping_access.h"
#include "log/follower.h"

namespace casbook::test {

namespace {

using arena::Region;

arena::CreateRequest request_of(const ArenaShape& shape) {
  arena::CreateRequest request;
  request.name = "test";
  request.geometry.sessions = shape.sessions;
  request.geometry.attachments = 1;
  request.geometry.records = shape.ring;
  request.geometry.blocks = shape.blocks;
  request.geometry.block_bytes = shape.block_bytes;
  const auto bytes = [&](Region region) -> uint64_t& {
    return request.region_bytes[static_cast<uint32_t>(region)];
  };
  bytes(Region::followers) = kFollowersMax * sizeof(log::FollowerSlot);
  bytes(Region::log_slots) = shape.ring * sizeof(commit::LogSlot);
  bytes(Region::record_index) = shape.ring * sizeof(commit::IndexSlot);
  bytes(Region::descriptors) = shape.sessions * kDescriptorsPerSession * sizeof(commit::Descriptor);
  bytes(Region::block_states) = shape.blocks * sizeof(base::AtomicU64);
  bytes(Region::blocks) = shape.blocks * shape.block_bytes;
  bytes(Region::cells) = shape.accounts * commit::kUnitBytes;
  request.cell_tables[static_cast<uint32_t>(arena::CellTable::accounts)] = {0, shape.accounts};
  return request;
}

// The words of the head one by one, then entries, agreed values, notes.
constexpr uint64_t kAgreedField = 9;
constexpr uint64_t field_of_descriptor(uint64_t offset) {
  if (offset < offsetof(commit::Descriptor, entries)) return offset / 8;
  if (offset < offsetof(commit::Descriptor, agreed)) return kAgreedField - 1;
  return offset < offsetof(commit::Descriptor, note) ? kAgreedField : kAgreedField + 1;
}
static_assert(offsetof(commit::Descriptor, entries) == 64, "kinds of words would collide");

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "memory arena: %s failed\n", what);
  std::abort();
}

}  // namespace

MemoryArena::MemoryArena(const ArenaShape& shape) : shape_(shape) {
  const auto header = arena::lay_out(request_of(shape), arena::kPageBytes);
  if (!header) give_up("lay_out");
  arena::OsFile file(memfd_create("casbook.test", MFD_CLOEXEC));
  if (ftruncate(file.fd(), static_cast<off_t>(header->file_bytes)) != 0) give_up("ftruncate");
  auto mapped = arena::MappingAccess::map(file, "/memory", arena::Access::read_write, *header);
  if (!mapped) give_up("map");
  mapping_ = std::move(*mapped);
  // A mutant runs in a forked child, which an arena otherwise keeps out.
  madvise(base(), header->file_bytes, MADV_DOFORK);
  store_.emplace(*mapping_);
}

MemoryArena& MemoryArena::of_shape(const ArenaShape& shape) {
  static std::map<ArenaShape, std::unique_ptr<MemoryArena>> arenas;
  auto& arena = arenas[shape];
  if (!arena) arena = std::make_unique<MemoryArena>(shape);
  return *arena;
}

void MemoryArena::format(bool gate_open, uint64_t available, Position first) {
  std::memset(&mapping_->control(), 0, sizeof(arena::ControlLines));
  const auto request = request_of(shape_);
  for (uint32_t i = 0; i < arena::kRegionCount; ++i)
    std::memset(base() + mapping_->header().regions[i].offset, 0, request.region_bytes[i]);
  std::memset(mapping_->region<std::byte>(Region::sessions), 0,
              shape_.sessions * sizeof(arena::SessionSlot));
  // Attached once and for all; its life lock cannot be probed, so nobody is ever proven dead.
  mapping_->region<arena::AttachmentSlot>(Region::attachments)
      ->state.initialise(arena::slot_word(1, arena::SlotState::live));
  commit::Store::format(*mapping_, gate_open, first);
  for (uint32_t i = 0; i < shape_.accounts; ++i)
    store_->cell(account(i)).word(0).lo.initialise(available);
}

uint32_t MemoryArena::kind_of(const void* address) const {
  const auto offset = static_cast<uint64_t>(static_cast<const std::byte*>(address) - base());
  if (offset >= mapping_->header().file_bytes) return 0;
  if (offset < arena::kPageBytes) return static_cast<uint32_t>(offset / 64);
  uint32_t region = arena::kRegionCount - 1;
  while (offset < mapping_->header().regions[region].offset) --region;
  const uint64_t inside = offset - mapping_->header().regions[region].offset;
  uint64_t field = 0;
  switch (static_cast<Region>(region)) {
    case Region::descriptors:
      field = field_of_descriptor(inside % sizeof(commit::Descriptor));
      break;
    case Region::cells:
      field = inside % 64 == 0 ? 0 : 1;  // state, words
      break;
    case Region::sessions:
      field = inside % sizeof(arena::SessionSlot) / 8;
      break;
    case Region::followers:
      field = inside % sizeof(log::FollowerSlot) / 8;
      break;
    default:
      field = inside % 16 / 8;
  }
  return 64 * (region + 1) + static_cast<uint32_t>(field);
}

bool MemoryArena::is_contended(const void* address) const {
  const uint32_t kind = kind_of(address);
  if (kind == 0) return false;
  if (kind < 64) return true;
  const auto region = static_cast<Region>(kind / 64 - 1);
  const uint32_t field = kind % 64;
  if (region == Region::descriptors) return field < 2 || field == kAgreedField;
  return region == Region::log_slots || region == Region::cells || region == Region::followers ||
         region == Region::block_states;
}

}  // namespace casbook::test
