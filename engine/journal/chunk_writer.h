// Writing the chunks of a checkpoint: they are filled in memory, and written in pieces of several
// MiB by a thread of its own while the next ones are filled. That thread is nearly always in the
// kernel, so payments lose little by it.
//
// After an error everything else is as if it had succeeded; finish() tells.
#pragma once

#include <cstdlib>
#include <future>
#include <memory>

#include "journal/checkpoint_format.h"

namespace casbook::journal {

class ChunkWriter {
 public:
  // Chunks begin at `offset` of `file`.
  ChunkWriter(File& file, uint64_t offset, uint64_t journal_id);
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  // Room for one more item of at most `words` words; `first` is what the header of a chunk says
  // when this is its first item. Begins a chunk where the last one is full or of another kind.
  // Room that is not used up by add() is given away again.
  uint64_t* reserve(ChunkKind kind, uint64_t first, uint32_t words) {
    const auto room = static_cast<uint64_t>(chunk_limit_ - chunk_end_);
    if (kind != kind_ || words * sizeof(uint64_t) > room) begin(kind);
    if (items_ == 0) first_ = first;
    return reinterpret_cast<uint64_t*>(chunk_end_);
  }
  // The item there is complete.
  void add(uint32_t words) {
    chunk_end_ += words * sizeof(uint64_t);
    ++items_;
  }

  // The end chunk, and all that is not written yet. Returns where the file ends.
  Result<uint64_t> finish(Position position, uint64_t cells, uint64_t records);
  bool has_failed() const { return !result_; }
  uint64_t chunks() const { return checksums_.size(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  using Buffer = std::unique_ptr<std::byte[], Free>;

  void begin(ChunkKind kind);
  void end_chunk();
  void write_piece();
  void await_piece();

  File& file_;
  uint64_t offset_;  // of the piece that is being filled
  const uint64_t journal_id_;
  Buffer filling_, written_;
  std::future<void> writing_;  // `written_`, into piece_
  Result<void> piece_, result_;
  std::byte* chunk_ = nullptr;        // header of the open chunk
  std::byte* chunk_end_ = nullptr;    // behind its last item
  std::byte* chunk_limit_ = nullptr;  // behind its room
  ChunkKind kind_{};                  // {}: none is open
  uint32_t items_ = 0;
  uint64_t first_ = 0;
  std::vector<uint64_t> checksums_;
};

}  // namespace casbook::journal
