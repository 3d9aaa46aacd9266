#include "journal/installation.h"

#include "base/probe.h"
#include "journal/block_file.h"
#include "journal/checkpoint.h"
#include "journal/format.h"

namespace casbook::journal {

using base::FaultPoint;
using base::Mutant;

namespace {

constexpr BlockFile kMark{.name = "install",
                          .magic = 0x4e494b4f4f4243,  // "CBOOKIN"
                          .format = 1,
                          .what = "mark of a copy"};

struct MarkBlock {
  uint64_t magic;
  uint32_t format, bytes;
  uint64_t first_segment, checkpoint, last_index, last_term;
  uint64_t reserved;
  uint64_t checksum;  // of the bytes above
};
static_assert(sizeof(MarkBlock) == 64);

Result<void> write_mark(Storage& storage, const Installation& installation) {
  MarkBlock block{};
  block.bytes = sizeof block;
  block.first_segment = installation.first_segment, block.checkpoint = installation.checkpoint;
  block.last_index = installation.last_index, block.last_term = installation.last_term;
  return write_block_of(storage, kMark, block);
}

// Nothing: nothing is marked.
Result<std::optional<Installation>> read_mark(const Storage& storage) {
  const auto block = read_block_of<MarkBlock>(storage, kMark);
  if (!block && block.error().code == Code::book_missing) return std::optional<Installation>{};
  if (!block) return block.error();
  return std::optional(Installation{.first_segment = block->first_segment,
                                    .checkpoint = block->checkpoint,
                                    .last_index = block->last_index,
                                    .last_term = block->last_term});
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
  if (auto removed = storage.remove(kMark.name); !removed) return removed;
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
        name != std::string(kMark.name) + ".new")
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
