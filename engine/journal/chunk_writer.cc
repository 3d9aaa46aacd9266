#include "journal/chunk_writer.h"

#include <cstring>

#include "base/assert.h"

namespace casbook::journal {

namespace {

constexpr uint64_t kPieceBytes = 4ull << 20;
static_assert(kPieceBytes >= 2 * kChunkBytesMax && kPieceBytes % kBlockBytes == 0);

std::byte* aligned_memory() {
  void* const memory = std::aligned_alloc(kBlockBytes, kPieceBytes);
  CASBOOK_ASSERT(memory != nullptr);
  return static_cast<std::byte*>(memory);
}

}  // namespace

ChunkWriter::ChunkWriter(File& file, uint64_t offset, uint64_t journal_id)
    : file_(file),
      offset_(offset),
      journal_id_(journal_id),
      filling_(aligned_memory()),
      written_(aligned_memory()),
      chunk_(filling_.get()),
      chunk_end_(chunk_),
      chunk_limit_(chunk_) {}

ChunkWriter::~ChunkWriter() { await_piece(); }

void ChunkWriter::await_piece() {
  if (!writing_.valid()) return;
  writing_.get();
  if (result_) result_ = piece_;
}

void ChunkWriter::begin(ChunkKind kind) {
  end_chunk();
  if (static_cast<uint64_t>(chunk_ - filling_.get()) + kChunkBytesMax > kPieceBytes) write_piece();
  kind_ = kind, items_ = 0;
  chunk_end_ = chunk_ + sizeof(ChunkHeader);
  chunk_limit_ = chunk_ + kChunkBytesMax;
}

// Seals the open chunk and fills up its last block; without an item there is none.
void ChunkWriter::end_chunk() {
  const ChunkKind kind = std::exchange(kind_, ChunkKind{});
  if (kind == ChunkKind{} || items_ == 0) return;
  const auto bytes = static_cast<uint64_t>(chunk_end_ - chunk_);
  ChunkHeader header{};
  header.magic = kChunkMagic, header.kind = static_cast<uint32_t>(kind);
  header.bytes = static_cast<uint32_t>(bytes), header.items = items_;
  header.sequence = checksums_.size(), header.first = first_;
  header.checksum =
      checksum_of(header, {chunk_ + sizeof header, bytes - sizeof header}, journal_id_);
  std::memcpy(chunk_, &header, sizeof header);
  checksums_.push_back(header.checksum);
  const uint64_t padded = round_up_to_block(bytes);
  std::memset(chunk_end_, 0, padded - bytes);
  chunk_ += padded;
  chunk_end_ = chunk_limit_ = chunk_;
}

void ChunkWriter::write_piece() {
  await_piece();
  std::swap(filling_, written_);
  const uint64_t bytes = static_cast<uint64_t>(chunk_ - written_.get());
  const uint64_t offset = std::exchange(offset_, offset_ + bytes);
  // Deferred to await_piece() where the system has no thread to spare.
  if (result_ && bytes > 0)
    writing_ = std::async(std::launch::async | std::launch::deferred, [this, offset, bytes] {
      piece_ = file_.write(offset, {written_.get(), bytes});
    });
  chunk_ = chunk_end_ = chunk_limit_ = filling_.get();
}

Result<uint64_t> ChunkWriter::finish(Position position, uint64_t cells, uint64_t records) {
  end_chunk();
  const CheckpointEnd end{.position = position.value,
                          .chunks = checksums_.size(),
                          .cells = cells,
                          .records = records,
                          .digest = digest_of(checksums_, journal_id_)};
  constexpr uint32_t kWords = sizeof end / sizeof(uint64_t);
  std::memcpy(reserve(ChunkKind::end, 0, kWords), &end, sizeof end);
  add(kWords);
  end_chunk();
  write_piece();
  await_piece();
  if (!result_) return result_.error();
  return offset_;
}

}  // namespace casbook::journal
