#include "journal/installation.h"

#include <cstring>

#include "base/hash.h"
#include "base/probe.h"
#include "journal/checkpoint.h"
#include "journal/format.h"

namespace casbook::journal {

using base::FaultPoint;
using base::Mutant;

namespace {

constexpr const char* kMarkName = "install";
constexpr const char* kMarkTemporaryName = "install.new";
constexpr uint64_t kMagic = 0x4e494b4f4f4243;  // "CBOOKIN"
constexpr uint32_t kFormat = 1;

struct MarkBlock {
  uint64_t magic;
  uint32_t format, bytes;
  uint64_t first_segment, checkpoint, last_index, last_term;
  uint64_t reserved;
  uint64_t checksum;  // of the bytes above
};
static_assert(sizeof(MarkBlock) == 64 && std::has_unique_object_representations_v<MarkBlock>);

uint64_t checksum_of(const MarkBlock& block) {
  return base::hash_bytes(&block, offsetof(MarkBlock, checksum), kMagic);
}

Result<void> remove_if_there(Storage& storage, const std::string& name) {
  auto removed = storage.remove(name);
  return removed || removed.error().code == Code::book_missing ? Result<void>() : removed;
}

Result<void> write_mark(Storage& storage, const Installation& installation) {
  MarkBlock block{};
  block.magic = kMagic, block.format = kFormat, block.bytes = sizeof block;
  block.first_segment = installation.first_segment, block.checkpoint = installation.checkpoint;
  block.last_index = installation.last_index, block.last_term = installation.last_term;
  block.checksum = checksum_of(block);
  alignas(kBlockBytes) std::byte bytes[kBlockBytes] = {};
  std::memcpy(bytes, &block, sizeof block);
  if (auto removed = remove_if_there(storage, kMarkTemporaryName); !removed) return removed;
  auto file = storage.create(kMarkTemporaryName);
  if (!file) return file.error();
  if (auto done = (*file)->write(0, bytes); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = storage.rename(kMarkTemporaryName, kMarkName); !done) return done;
  return storage.sync_directory();
}

Error error_in(const Storage& storage, Code code, const std::string& what) {
  return {.code = code, .detail = storage.describe() + "/" + kMarkName + ": " + what};
}

// Nothing: nothing is marked.
Result<std::optional<Installation>> read_mark(const Storage& storage) {
  auto file = storage.open(kMarkName, Storage::Access::read);
  if (!file && file.error().code == Code::book_missing) return std::optional<Installation>{};
  if (!file) return file.error();
  MarkBlock block{};
  if (auto read = (*file)->read(0, std::as_writable_bytes(std::span(&block, 1))); !read)
    return read.error();
  if (block.magic != kMagic) return error_in(storage, Code::damaged, "it is no mark of a copy");
  if (block.format > kFormat)
    return error_in(storage, Code::format_newer,
                    "format " + std::to_string(block.format) + ", this program knows " +
                        std::to_string(kFormat));
  if (block.format != kFormat || block.checksum != checksum_of(block))
    return error_in(storage, Code::damaged, "its checksum does not fit");
  return std::optional(Installation{.first_segment = block.first_segment,
                                    .checkpoint = block.checkpoint,
                                    .last_index = block.last_index,
                                    .last_term = block.last_term});
}

// Of the journal that the copy takes the place of.
bool is_old(const std::string& name, const Installation& installation) {
  if (const auto number = segment_number(name)) return *number < installation.first_segment;
  if (const auto position = checkpoint_position(name))
    return position->value != installation.checkpoint;
  return false;
}

// Each of them, and the directory is synced once behind all.
Result<void> remove_old(Storage& storage, const Installation& installation) {
  const auto names = storage.list();
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (!is_old(name, installation)) continue;
    if (auto removed = storage.remove(name); !removed) return removed;
    base::fault_point(FaultPoint::copy_after_remove);  // I2
  }
  return storage.sync_directory();
}

Result<void> move_in(Storage& storage) {
  const std::string prefix = kIncomingPrefix;
  const auto names = storage.list();
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (!name.starts_with(prefix)) continue;
    if (auto moved = storage.rename(name, name.substr(prefix.size())); !moved) return moved;
    base::fault_point(FaultPoint::copy_after_move);  // I3
  }
  return storage.sync_directory();
}

Result<void> put_in_place(Storage& storage, const Installation& installation) {
  if (auto removed = remove_old(storage, installation); !removed) return removed;
  if (auto moved = move_in(storage); !moved) return moved;
  base::fault_point(FaultPoint::copy_before_unmark);  // I4
  if (auto removed = storage.remove(kMarkName); !removed) return removed;
  return storage.sync_directory();
}

}  // namespace

Result<void> install(Storage& storage, const Installation& installation) {
  if (auto marked = write_mark(storage, installation); !marked) return marked;
  base::fault_point(FaultPoint::copy_marked);  // I1
  return put_in_place(storage, installation);
}

Result<bool> finish_installation(Storage& storage) {
  const auto mark = read_mark(storage);
  if (!mark) return mark.error();
  if (*mark) {
    if (auto placed = put_in_place(storage, **mark); !placed) return placed.error();
    return true;
  }
  if (auto discarded = discard_copy(storage); !discarded) return discarded.error();
  return false;
}

Result<void> discard_copy(Storage& storage) {
  const auto names = storage.list();
  if (!names) return names.error();
  bool has_any = false;
  for (const std::string& name : *names) {
    if (!name.starts_with(kIncomingPrefix) && !name.starts_with(kReceivedPrefix) &&
        name != kMarkTemporaryName)
      continue;
    has_any = true;
    if (auto removed = storage.remove(name); !removed) return removed;
  }
  return has_any ? storage.sync_directory() : Result<void>();
}

bool may_install(const OfferedLog& copy, const OwnLog& own) {
  if (base::mutated(Mutant::copy_installed_unruled)) return true;
  const bool is_up_to_date = copy.last_term > own.last_term ||
                             (copy.last_term == own.last_term && copy.last_index >= own.last_index);
  return is_up_to_date &&
         (copy.committed_index >= own.last_index || copy.last_term >= own.current_term);
}

}  // namespace casbook::journal
