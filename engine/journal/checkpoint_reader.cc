// One thread after the other reads chunks in order and checks how they follow each other; what is
// in them is checked, and stored, by all threads at once.
#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include <oneapi/tbb/parallel_pipeline.h>

#include "journal/cell_item.h"
#include "journal/checkpoint_format.h"
#include "journal/record_replay.h"

namespace casbook::journal {

namespace {

// Chunks under way at once: two for each of many threads, 16 MiB of memory.
constexpr size_t kChunksUnderWay = 16;

Error error_in(const Storage& storage, const std::string& name, Code code,
               const std::string& what) {
  return {.code = code, .detail = storage.describe() + "/" + name + ": " + what};
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{}; });
}

struct Chunk {
  ChunkHeader header{};
  uint64_t offset = 0;
  std::vector<uint64_t> memory;  // header and body

  std::span<const uint64_t> words() const {
    return {memory.data() + sizeof(ChunkHeader) / sizeof(uint64_t),
            (header.bytes - sizeof(ChunkHeader)) / sizeof(uint64_t)};
  }
};

// What there is of the zeros behind a chunk.
uint64_t padding_of(const ChunkHeader& header, uint64_t bytes_there) {
  return std::min<uint64_t>(round_up_to_block(header.bytes), bytes_there) - header.bytes;
}

class CheckpointReader {
 public:
  // `cells` null: nothing is stored.
  CheckpointReader(const Storage& storage, const std::string& name, const CheckpointHeader& header,
                   std::unique_ptr<File> file, const RebuiltCells* cells)
      : storage_(storage),
        name_(name),
        header_(header),
        position_{header.position},
        file_(std::move(file)),
        map_(header.shape.header),
        cells_(cells),
        next_lsn_(header.start_lsn) {}

  Result<CheckpointInfo> read();

 private:
  bool has_failed() const { return failed_.load_relaxed() != 0; }  // only to stop early
  void fail(uint64_t sequence, Error error);
  void fail(const Chunk& chunk, uint64_t in_chunk, const std::string& what);
  Chunk* take_chunk();
  void give_back(Chunk* chunk);
  // The serial half. Null: there are no more, or something is wrong.
  Chunk* next();
  bool read_next(Chunk& chunk);
  const char* fault_in_order(const ChunkHeader& header);
  const char* fault_of_end(const Chunk& chunk) const;
  // The parallel half.
  void take(const Chunk& chunk);
  void take_cells(const Chunk& chunk);
  void take_records(const Chunk& chunk);
  const char* take_cell(const CellItem& item) const;

  const Storage& storage_;
  const std::string& name_;
  const CheckpointHeader& header_;
  const Position position_;
  const std::unique_ptr<File> file_;
  const CellMap map_;
  const RebuiltCells* const cells_;
  // Serial.
  uint64_t offset_ = kBlockBytes;
  uint64_t next_lsn_, next_unit_ = 0;
  uint64_t cells_seen_ = 0, records_seen_ = 0;
  std::vector<uint64_t> checksums_;
  bool is_over_ = false;

  base::AtomicU64 failed_{};
  std::mutex mutex_;  // what follows
  uint64_t failed_sequence_ = UINT64_MAX;
  Error error_{};  // the first in the order of the file, of those that were seen
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<Chunk*> free_;
};

void CheckpointReader::fail(uint64_t sequence, Error error) {
  const std::lock_guard lock(mutex_);
  failed_.store_relaxed(1);
  if (sequence > failed_sequence_) return;
  failed_sequence_ = sequence;
  error_ = std::move(error);
}

void CheckpointReader::fail(const Chunk& chunk, uint64_t in_chunk, const std::string& what) {
  fail(chunk.header.sequence,
       error_in(storage_, name_, Code::damaged,
                "chunk " + std::to_string(chunk.header.sequence) + " at offset " +
                    std::to_string(chunk.offset) + ", byte " + std::to_string(in_chunk) +
                    " of it: " + what));
}

Chunk* CheckpointReader::take_chunk() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    chunks_.push_back(std::make_unique<Chunk>());
    chunks_.back()->memory.resize(kChunkBytesMax / sizeof(uint64_t));
    return chunks_.back().get();
  }
  Chunk* const chunk = free_.back();
  free_.pop_back();
  return chunk;
}

void CheckpointReader::give_back(Chunk* chunk) {
  const std::lock_guard lock(mutex_);
  free_.push_back(chunk);
}

Result<CheckpointInfo> CheckpointReader::read() {
  namespace tbb = oneapi::tbb;
  const auto read_in_order = tbb::make_filter<void, Chunk*>(
      tbb::filter_mode::serial_in_order, [this](tbb::flow_control& control) {
        Chunk* const chunk = has_failed() ? nullptr : next();
        if (!chunk) control.stop();
        return chunk;
      });
  const auto take_at_once =
      tbb::make_filter<Chunk*, void>(tbb::filter_mode::parallel, [this](Chunk* chunk) {
        take(*chunk);
        give_back(chunk);
      });
  tbb::parallel_pipeline(kChunksUnderWay, read_in_order & take_at_once);
  if (has_failed()) return error_;
  return CheckpointInfo{.name = name_,
                        .position = position_,
                        .bytes = file_->bytes(),
                        .cells = cells_seen_,
                        .records = records_seen_};
}

Chunk* CheckpointReader::next() {
  if (is_over_) return nullptr;
  Chunk* const chunk = take_chunk();
  if (read_next(*chunk)) return chunk;
  give_back(chunk);
  return nullptr;
}

bool CheckpointReader::read_next(Chunk& chunk) {
  const uint64_t sequence = checksums_.size();
  chunk.offset = offset_;
  chunk.header = {.sequence = sequence};
  const uint64_t bytes =
      std::min(kChunkBytesMax, file_->bytes() - std::min(offset_, file_->bytes()));
  if (bytes < sizeof(ChunkHeader)) {
    fail(sequence, error_in(storage_, name_, Code::truncated,
                            "it ends at offset " + std::to_string(offset_) + ", where chunk " +
                                std::to_string(sequence) + " should stand"));
    return false;
  }
  const auto memory = std::as_writable_bytes(std::span(chunk.memory)).first(bytes);
  if (auto got = file_->read(offset_, memory); !got) {
    fail(sequence, got.error());
    return false;
  }
  std::memcpy(&chunk.header, memory.data(), sizeof chunk.header);
  const char* fault = fault_in_order(chunk.header);
  if (!fault && chunk.header.bytes > bytes) fault = "it does not fit into the file";
  if (!fault && !is_zero(memory.subspan(chunk.header.bytes, padding_of(chunk.header, bytes))))
    fault = "something stands between it and the next chunk";
  if (!fault && is_over_) fault = fault_of_end(chunk);
  if (fault) {
    chunk.header.sequence = sequence;
    fail(chunk, 0, fault);
    return false;
  }
  checksums_.push_back(chunk.header.checksum);
  offset_ += round_up_to_block(chunk.header.bytes);
  return true;
}

// Whether this chunk is the one that follows. Sets is_over_ at the end chunk.
const char* CheckpointReader::fault_in_order(const ChunkHeader& header) {
  if (header.magic != kChunkMagic) return "no chunk begins here";
  if (header.sequence != checksums_.size()) return "another chunk's number";
  if (header.bytes < sizeof(ChunkHeader) || header.bytes > kChunkBytesMax ||
      header.bytes % sizeof(uint64_t) != 0 || header.items == 0)
    return "its header contradicts itself";
  switch (static_cast<ChunkKind>(header.kind)) {
    case ChunkKind::cells:
      if (header.first < next_unit_ || records_seen_ > 0) return "cells out of order";
      next_unit_ = header.first + 1;
      cells_seen_ += header.items;
      return nullptr;
    case ChunkKind::records:
      if (header.first != next_lsn_) return "records that do not follow";
      next_lsn_ += header.items;
      records_seen_ += header.items;
      return nullptr;
    case ChunkKind::end:
      is_over_ = true;
      return nullptr;
  }
  return "a chunk of an unknown kind";
}

const char* CheckpointReader::fault_of_end(const Chunk& chunk) const {
  CheckpointEnd end;
  if (chunk.words().size_bytes() != sizeof end) return "an end chunk of the wrong length";
  std::memcpy(&end, chunk.words().data(), sizeof end);
  if (end.position != header_.position) return "the end of another checkpoint";
  if (end.chunks != checksums_.size() || end.cells != cells_seen_ || end.records != records_seen_ ||
      next_lsn_ != position_.lsn() + 1)
    return "the totals do not fit what is there";
  if (end.digest != digest_of(checksums_, header_.journal_id))
    return "these chunks were not written together";
  if (file_->bytes() != chunk.offset + round_up_to_block(chunk.header.bytes))
    return "the file goes on behind its end";
  return nullptr;
}

void CheckpointReader::take(const Chunk& chunk) {
  if (checksum_of(chunk.header, std::as_bytes(chunk.words()), header_.journal_id) !=
      chunk.header.checksum)
    return fail(chunk, 0, "its checksum does not fit");
  const auto kind = static_cast<ChunkKind>(chunk.header.kind);
  if (kind == ChunkKind::cells) take_cells(chunk);
  if (kind == ChunkKind::records) take_records(chunk);
}

const char* CheckpointReader::take_cell(const CellItem& item) const {
  if (item.words_needed() > map_.words_of(item.unit)) return "a cell that is not there";
  if (item.version > position_.value) return "a cell that is newer than the checkpoint";
  if (!cells_) return nullptr;
  size_t value = 0, version = 0;
  for (uint32_t left = item.written; left != 0; left &= left - 1) {
    const auto word = static_cast<uint32_t>(std::countr_zero(left));
    const bool is_own = item.own >> word & 1;
    cells_->raise_word(item.unit, word, item.values[value++],
                       is_own ? item.versions[version++] : item.version);
  }
  cells_->raise_state(item.unit, item.version);
  return nullptr;
}

void CheckpointReader::take_cells(const Chunk& chunk) {
  const auto words = chunk.words();
  size_t at = 0;
  uint64_t last_unit = chunk.header.first;
  for (uint32_t i = 0; i < chunk.header.items; ++i) {
    CellItem item;
    const char* fault = parse_cell(words.subspan(at), item) ? take_cell(item) : "no cell";
    const bool follows = i == 0 ? item.unit == last_unit : item.unit > last_unit;
    if (!fault && !follows) fault = "a cell out of order";
    if (fault) return fail(chunk, sizeof(ChunkHeader) + at * sizeof(uint64_t), fault);
    last_unit = item.unit;
    at += item.words();
  }
  if (at != words.size()) fail(chunk, sizeof(ChunkHeader) + at * sizeof(uint64_t), "no cell");
}

void CheckpointReader::take_records(const Chunk& chunk) {
  const RecordRun run{
      .words = chunk.words(), .first_lsn = chunk.header.first, .count = chunk.header.items};
  const RunResult result = replay_run(run, map_, cells_);
  if (result.fault)
    return fail(chunk, 0, std::string(result.fault) + ", at lsn " + std::to_string(result.lsn));
  const bool is_last = result.lsn == position_.lsn() + 1;
  if (result.last_position > position_.value ||
      (is_last && result.last_position != position_.value))
    fail(chunk, 0, "its records end at another position than the checkpoint");
}

struct OpenCheckpoint {
  std::unique_ptr<File> file;
  CheckpointHeader header{};
};

Result<OpenCheckpoint> open_checkpoint(const Storage& storage, const std::string& name) {
  auto file = storage.open(name, Storage::Access::read);
  if (!file) return file.error();
  OpenCheckpoint opened{std::move(*file), {}};
  if (opened.file->bytes() < kBlockBytes)
    return error_in(storage, name, Code::truncated, "it ends inside its header");
  CheckpointHeader& header = opened.header;
  std::array<std::byte, kBlockBytes> block;
  if (auto got = opened.file->read(0, block); !got) return got.error();
  std::memcpy(&header, block.data(), sizeof header);
  if (auto checked = check(header); !checked)
    return error_in(storage, name, checked.error().code, checked.error().detail);
  if (!is_zero(std::span(block).subspan(sizeof header)))
    return error_in(storage, name, Code::damaged, "something stands behind its header");
  if (checkpoint_position(name) != Position{header.position})
    return error_in(storage, name, Code::damaged,
                    "its header says that it is of position " + std::to_string(header.position));
  return opened;
}

}  // namespace

Result<CheckpointHeader> read_checkpoint_header(const Storage& storage, const std::string& name) {
  auto opened = open_checkpoint(storage, name);
  if (!opened) return opened.error();
  return opened->header;
}

Result<CheckpointInfo> verify_checkpoint(const Storage& storage, const std::string& name) {
  auto opened = open_checkpoint(storage, name);
  if (!opened) return opened.error();
  return CheckpointReader(storage, name, opened->header, std::move(opened->file), nullptr).read();
}

Result<CheckpointInfo> load_checkpoint(const Storage& storage, const std::string& name,
                                       const commit::Store& store) {
  auto opened = open_checkpoint(storage, name);
  if (!opened) return opened.error();
  const auto& tables = opened->header.shape.header.cell_tables;
  if (std::memcmp(tables, store.mapping().header().cell_tables, sizeof tables) != 0)
    return error_in(storage, name, Code::damaged, "its book has other tables of cells");
  const RebuiltCells cells(store);
  return CheckpointReader(storage, name, opened->header, std::move(opened->file), &cells).read();
}

}  // namespace casbook::journal
