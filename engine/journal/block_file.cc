#include "journal/block_file.h"

#include "base/assert.h"

namespace casbook::journal {

namespace {

std::string temporary_name(const BlockFile& file) { return std::string(file.name) + ".new"; }

// A file that was left is written over where it is room for this one, else it is made anew.
Result<std::unique_ptr<File>> open_temporary(Storage& storage, const BlockFile& file) {
  const std::string name = temporary_name(file);
  if (file.keeps_room) {
    auto kept = storage.open(name, Storage::Access::write);
    if (kept || kept.error().code != Code::book_missing) return kept;
  } else if (auto removed = storage.remove(name);
             !removed && removed.error().code != Code::book_missing) {
    return removed.error();
  }
  return storage.create(name);
}

}  // namespace

Error error_in(const Storage& storage, const BlockFile& file, Code code, const std::string& what) {
  return {.code = code, .detail = storage.describe() + "/" + file.name + ": " + what};
}

Error damaged_block(const Storage& storage, const BlockFile& file) {
  return error_in(storage, file, Code::damaged, "its checksum does not fit");
}

Result<void> read_block(const Storage& storage, const BlockFile& file, std::span<std::byte> bytes) {
  CASBOOK_ASSERT(bytes.size() >= sizeof(uint64_t) + sizeof(uint32_t));
  auto opened = storage.open(file.name, Storage::Access::read);
  if (!opened) return opened.error();
  if (auto read = (*opened)->read(0, bytes); !read)
    return read.error().code == Code::truncated
               ? error_in(storage, file, Code::damaged, "it is too short")
               : read.error();
  uint64_t magic;
  uint32_t format;
  std::memcpy(&magic, bytes.data(), sizeof magic);
  std::memcpy(&format, bytes.data() + sizeof magic, sizeof format);
  if (magic != file.magic)
    return error_in(storage, file, Code::damaged, std::string("it is no ") + file.what);
  if (format != file.format)
    return error_in(
        storage, file, format > file.format ? Code::format_newer : Code::format_older,
        "format " + std::to_string(format) + ", this program knows " + std::to_string(file.format));
  return {};
}

Result<void> replace_block(Storage& storage, const BlockFile& file,
                           std::span<const std::byte> bytes) {
  CASBOOK_ASSERT(bytes.size() <= kBlockBytes);
  alignas(kBlockBytes) std::byte block[kBlockBytes] = {};
  std::memcpy(block, bytes.data(), bytes.size());
  auto temporary = open_temporary(storage, file);
  if (!temporary) return temporary.error();
  if (auto done = (*temporary)->write(0, block); !done) return done;
  if (auto done = (*temporary)->sync(); !done) return done;
  if (auto done = storage.rename(temporary_name(file), file.name); !done) return done;
  if (auto done = storage.sync_directory(); !done) return done;
  // A failure of this is that of the next one.
  if (file.keeps_room)
    if (auto room = storage.create(temporary_name(file))) (void)(*room)->allocate(kBlockBytes);
  return {};
}

}  // namespace casbook::journal
