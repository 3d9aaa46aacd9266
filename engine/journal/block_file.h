// The small files of one block in a journal's directory: state, peers, configuration, the mark of
// an installation. Each begins with its magic and format, says what it says, has a checksum, and is
// zeros up to the block's end (FORMAT.md). One is replaced whole: written under a temporary name,
// synced, renamed, the directory synced; a crash leaves the former or the next, and perhaps the
// temporary one.
#pragma once

#include <cstring>
#include <type_traits>

#include "base/hash.h"
#include "journal/format.h"
#include "journal/storage.h"

namespace casbook::journal {

struct BlockFile {
  const char* name;
  uint64_t magic;    // seeds the checksum too
  uint32_t format;   // the only one that is known
  const char* what;  // as in "it is no ..."
  // The temporary file is left, allocated, so that the next one can be written on a disk that is
  // full by then.
  bool keeps_room = false;
};

// The first bytes of the file. Errors: book_missing: there is none; damaged: too short, or not of
// that magic; format_older, format_newer; those of the storage. The checksum is the caller's.
Result<void> read_block(const Storage& storage, const BlockFile& file, std::span<std::byte> bytes);
// `bytes`: up to a block.
Result<void> replace_block(Storage& storage, const BlockFile& file,
                           std::span<const std::byte> bytes);
Error error_in(const Storage& storage, const BlockFile& file, Code code, const std::string& what);
// Its checksum does not fit.
Error damaged_block(const Storage& storage, const BlockFile& file);

// --- of a plain struct that is all of it: magic and format first, last the checksum of the bytes
// above

template <class Block>
uint64_t checksum_of(const Block& block) {
  static_assert(std::has_unique_object_representations_v<Block> && sizeof(Block) <= kBlockBytes);
  static_assert(offsetof(Block, magic) == 0 && offsetof(Block, format) == 8 &&
                offsetof(Block, checksum) == sizeof(Block) - 8);
  return base::hash_bytes(&block, offsetof(Block, checksum), block.magic);
}

template <class Block>
Result<Block> read_block_of(const Storage& storage, const BlockFile& file) {
  Block block{};
  auto read = read_block(storage, file, std::as_writable_bytes(std::span(&block, 1)));
  if (!read) return read.error();
  if (block.checksum != checksum_of(block)) return damaged_block(storage, file);
  return block;
}

template <class Block>
Result<void> write_block_of(Storage& storage, const BlockFile& file, Block block) {
  block.magic = file.magic, block.format = file.format;
  block.checksum = checksum_of(block);
  return replace_block(storage, file, std::as_bytes(std::span(&block, 1)));
}

}  // namespace casbook::journal
