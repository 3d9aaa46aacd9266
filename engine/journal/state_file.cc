#include "journal/state_file.h"

#include <cstring>
#include <vector>

#include "base/hash.h"

namespace casbook::journal {

namespace {

constexpr const char* kName = "state";
constexpr const char* kTemporaryName = "state.new";
constexpr uint64_t kMagic = 0x54534b4f4f4243;  // "CBOOKST"
constexpr uint32_t kFormat = 1;

// One block.
struct StateBlock {
  uint64_t magic;
  uint32_t format, bytes;
  uint64_t journal_id, reserved_term;
  uint64_t cluster, node, voted_for;
  uint64_t storage_id;
  uint64_t checksum;  // of the bytes above
};
static_assert(sizeof(StateBlock) == 72 && std::has_unique_object_representations_v<StateBlock>);

uint64_t checksum_of(const StateBlock& block) {
  return base::hash_bytes(&block, offsetof(StateBlock, checksum), kMagic);
}

Error error_in(const Storage& storage, Code code, const std::string& what) {
  return {.code = code, .detail = storage.describe() + "/" + kName + ": " + what};
}

// The room for the next one, so that a term and a vote can be written on a disk that is full by
// then. A failure is that of the next one.
void reserve_next(Storage& storage) {
  if (auto file = storage.create(kTemporaryName)) (void)(*file)->allocate(kBlockBytes);
}

}  // namespace

Result<JournalState> read_state(const Storage& storage) {
  auto file = storage.open(kName, Storage::Access::read);
  if (!file) return file.error();
  StateBlock block{};
  if (auto read = (*file)->read(0, std::as_writable_bytes(std::span(&block, 1))); !read)
    return read.error().code == Code::truncated
               ? error_in(storage, Code::damaged, "it is too short")
               : read.error();
  if (block.magic != kMagic) return error_in(storage, Code::damaged, "it is no journal's state");
  if (block.format != kFormat)
    return error_in(storage, block.format > kFormat ? Code::format_newer : Code::format_older,
                    "format " + std::to_string(block.format) + ", this program knows " +
                        std::to_string(kFormat));
  if (block.checksum != checksum_of(block) || block.journal_id == 0)
    return error_in(storage, Code::damaged, "its checksum does not fit");
  return JournalState{block.journal_id, block.reserved_term, block.cluster, block.node,
                      block.voted_for, block.storage_id};
}

Result<void> write_state(Storage& storage, const JournalState& state) {
  StateBlock block{};
  block.magic = kMagic, block.format = kFormat, block.bytes = sizeof block;
  block.journal_id = state.journal_id, block.reserved_term = state.reserved_term;
  block.cluster = state.cluster, block.node = state.node, block.voted_for = state.voted_for;
  block.storage_id = state.storage_id;
  block.checksum = checksum_of(block);
  alignas(kBlockBytes) std::byte bytes[kBlockBytes] = {};
  std::memcpy(bytes, &block, sizeof block);
  auto file = storage.open(kTemporaryName, Storage::Access::write);
  if (!file && file.error().code == Code::book_missing) file = storage.create(kTemporaryName);
  if (!file) return file.error();
  if (auto done = (*file)->write(0, bytes); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = storage.rename(kTemporaryName, kName); !done) return done;
  if (auto done = storage.sync_directory(); !done) return done;
  reserve_next(storage);
  return {};
}

}  // namespace casbook::journal
