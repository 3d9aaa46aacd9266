// Crash windows of write_checkpoint(), in order. Whatever is left behind, the older checkpoints are
// as they were until the new one is synced under its name.
//   K1 checkpoint_cells_written      a temporary file: the next checkpoint removes it
//   K2 checkpoint_before_rename      the same, complete and synced
//   K3 checkpoint_after_rename       the name is there, perhaps not after a loss of power
//   K4 checkpoint_before_clean_up    three checkpoints: the next one removes the oldest
#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "journal/cell_item.h"
#include "journal/chunk_writer.h"
#include "log/log_reader.h"
#include "log/record.h"

namespace casbook::journal {

namespace {

using arena::CellTable;
using base::fault_point;
using base::FaultPoint;

constexpr size_t kCheckpointsKept = 2;

// One checkpoint on its way into its file.
class CheckpointWriter {
 public:
  CheckpointWriter(const commit::Store& store, File& file, const CheckpointRequest& request)
      : store_(store),
        file_(file),
        request_(request),
        chunks_(file, kBlockBytes, request.journal_id) {}

  Result<CheckpointInfo> write();

 private:
  Result<void> copy_cells();
  void prefetch_written(commit::Unit unit, uint64_t step) const;
  Result<void> copy_table(CellTable table);
  Result<void> copy_records(uint64_t end);
  Result<Position> position_before(uint64_t end);
  Result<void> take_record(std::span<const uint64_t> words, uint64_t end);
  Result<void> look_around() const;
  Result<void> write_header();

  const commit::Store& store_;
  File& file_;
  const CheckpointRequest& request_;
  ChunkWriter chunks_;
  uint64_t start_ = 0;  // S0
  uint64_t cells_ = 0, records_ = 0;
  uint64_t newest_ = 0;          // version of the cells
  Position position_;            // of the last record, where there is one
  std::vector<Position> terms_;  // that began in the records
};

// The end of the log, such that every mark before it has been noted where terms begin: a log read
// up to its very end may hold one that has not.
uint64_t noted_log_end(const commit::Store& store) {
  const uint64_t tail = store.control().tail.load_acquire();  // [tail]
  return std::min(tail, log::log_end(store));
}

Result<CheckpointInfo> CheckpointWriter::write() {
  start_ = noted_log_end(store_);
  if (auto copied = copy_cells(); !copied) return copied.error();
  const uint64_t end = log::log_end(store_);
  if (base::mutated(base::Mutant::checkpoint_skips_redo)) start_ = end;
  if (auto copied = copy_records(end); !copied) return copied.error();
  auto position = position_before(end);
  if (!position) return position.error();
  position_ = *position;
  if (newest_ > position_.value)
    return Error{.code = Code::damaged,
                 .detail = "a cell is of position " + std::to_string(newest_) +
                           ", the log ends at " + std::to_string(position_.value) + "; run fsck"};
  auto file_bytes = chunks_.finish(position_, cells_, records_);
  if (!file_bytes) return file_bytes.error();
  fault_point(FaultPoint::checkpoint_cells_written);
  if (auto written = write_header(); !written) return written.error();
  if (!base::mutated(base::Mutant::checkpoint_not_synced))
    if (auto synced = file_.sync(); !synced) return synced.error();
  return CheckpointInfo{.name = checkpoint_name(position_),
                        .position = position_,
                        .bytes = *file_bytes,
                        .cells = cells_,
                        .records = records_};
}

Result<void> CheckpointWriter::look_around() const {
  if (chunks_.has_failed()) return {};  // finish() will tell
  if (request_.must_stop && request_.must_stop())
    return Error{.code = Code::wait_cancelled, .detail = "checkpoint: it was to stop"};
  return {};
}

Result<void> CheckpointWriter::copy_cells() {
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t)
    if (auto copied = copy_table(static_cast<CellTable>(t)); !copied) return copied;
  return {};
}

// The other lines of a cell whose first is there already; of most there is no more to see.
void CheckpointWriter::prefetch_written(commit::Unit unit, uint64_t step) const {
  const commit::Cell& cell = store_.cell(unit);
  if (cell.state.load_relaxed() == 0) return;  // a hint
  for (uint64_t line = 1; line < step; ++line)
    __builtin_prefetch(reinterpret_cast<const std::byte*>(&cell) + line * commit::kUnitBytes);
}

Result<void> CheckpointWriter::copy_table(CellTable table) {
  // Cells ahead whose first line is asked for, and whose others are.
  constexpr uint64_t kAhead = 24, kNear = 8;
  constexpr uint64_t kCellsBetweenLooks = 1 << 16;
  const arena::CellTableExtent& extent = store_.mapping().cells(table);
  const uint32_t words = commit::kTableWords[static_cast<uint32_t>(table)];
  const uint64_t step = commit::units_of(words);
  commit::Unit unit = extent.first_unit;
  for (uint64_t i = 0; i < extent.count; ++i, unit += step) {
    if (i % kCellsBetweenLooks == 0)
      if (auto looked = look_around(); !looked) return looked;
    if (i + kAhead < extent.count) __builtin_prefetch(&store_.cell(unit + kAhead * step));
    if (step > 1 && i + kNear < extent.count) prefetch_written(unit + kNear * step, step);
    uint64_t* const item = chunks_.reserve(ChunkKind::cells, unit, kCellItemWordsMax + 1);
    const uint32_t count = encode_cell(store_, unit, words, item);
    if (count > kCellItemWordsMax)
      return Error{.code = Code::damaged,
                   .detail = "cell " + std::to_string(unit) +
                             ": its version is not that of its newest word; run fsck"};
    if (count == 0) continue;
    newest_ = std::max(newest_, item[2]);
    chunks_.add(count);
    ++cells_;
  }
  return {};
}

Result<void> CheckpointWriter::take_record(std::span<const uint64_t> words, uint64_t end) {
  const uint64_t lsn = start_ + records_;
  const Position position{words.size() < log::kRecordHeadWords ? 0 : words[2]};
  if (position.lsn() != lsn || lsn >= end || !log::is_record(words))
    return Error{.code = Code::damaged,
                 .detail = "journal: record " + std::to_string(lsn) + " is not where it should be"};
  const auto kind = static_cast<log::Kind>(words[1] >> 32 & 0xff);
  if (kind == log::Kind::open) terms_.push_back(position);
  const auto count = static_cast<uint32_t>(words.size());
  std::memcpy(chunks_.reserve(ChunkKind::records, lsn, count), words.data(), words.size_bytes());
  chunks_.add(count);
  ++records_;
  position_ = position;
  return {};
}

// Even where there is none of them: what was copied may not be synced yet, and the source waits.
Result<void> CheckpointWriter::copy_records(uint64_t end) {
  Result<void> taken;
  const auto sink = [&](std::span<const uint64_t> words) {
    if (taken) taken = take_record(words, end);
    if (taken && records_ % 4096 == 0) taken = look_around();
  };
  if (auto got = request_.records(start_, end, sink); !got) return got;
  if (!taken) return taken;
  if (records_ != end - start_)
    return Error{.code = Code::damaged,
                 .detail = "journal: records " + std::to_string(start_ + records_) + " to " +
                           std::to_string(end - 1) + " are missing"};
  return {};
}

Result<Position> CheckpointWriter::position_before(uint64_t end) {
  if (records_ > 0) return position_;
  if (end <= commit::kFirstLsn) return Position{};
  log::Record record;
  if (log::fetch(store_, end - 1, record) == log::Fetch::got) return record.position;
  // Before everything that this arena holds: it was rebuilt, and nothing was committed since.
  Position position;
  const auto sink = [&](std::span<const uint64_t> words) { position.value = words[2]; };
  if (auto got = request_.records(end - 1, end, sink); !got) return got.error();
  if (position.lsn() != end - 1) return Error{.code = Code::overrun, .detail = "checkpoint"};
  return position;
}

Result<void> CheckpointWriter::write_header() {
  CheckpointHeader header{};
  header.magic = kCheckpointMagic, header.format = kCheckpointFormat;
  header.header_bytes = sizeof header;
  header.journal_id = request_.journal_id;
  header.position = position_.value, header.start_lsn = start_;
  header.index = position_.value == 0 ? 0 : request_.index_of(position_.lsn());
  header.created_ms = static_cast<uint64_t>(base::wall_clock_ms());
  header.book_time_ms = store_.control().book_time.load_acquire();  // [time]
  for (uint32_t i = 0; i < kTermStarts; ++i) {
    const Position start{store_.control().term_starts[i].load_relaxed()};
    if (start <= position_) header.term_starts[i] = start.value;  // a later one is not part of it
  }
  for (const Position start : terms_) header.term_starts[start.term() % kTermStarts] = start.value;
  header.shape = request_.shape;
  seal(header);
  alignas(kBlockBytes) std::byte block[kBlockBytes] = {};
  std::memcpy(block, &header, sizeof header);
  return file_.write(0, block);
}

Result<void> remove_if_there(Storage& storage, const std::string& name) {
  auto removed = storage.remove(name);
  if (!removed && removed.error().code == Code::book_missing) return {};
  return removed;
}

Result<void> remove_older(Storage& storage) {
  const auto names = list_checkpoints(storage);
  if (!names) return names.error();
  for (size_t i = kCheckpointsKept; i < names->size(); ++i)
    if (auto removed = remove_if_there(storage, (*names)[i]); !removed) return removed;
  return {};
}

Result<void> publish(Storage& storage, const std::string& name) {
  fault_point(FaultPoint::checkpoint_before_rename);
  if (auto renamed = storage.rename(kCheckpointTemporaryName, name); !renamed) return renamed;
  fault_point(FaultPoint::checkpoint_after_rename);
  if (auto synced = storage.sync_directory(); !synced) return synced;
  fault_point(FaultPoint::checkpoint_before_clean_up);
  return remove_older(storage);
}

}  // namespace

Result<CheckpointInfo> write_checkpoint(const commit::Store& store, Storage& storage,
                                        const CheckpointRequest& request) {
  if (auto removed = remove_if_there(storage, kCheckpointTemporaryName); !removed)
    return removed.error();
  auto file = storage.create(kCheckpointTemporaryName);
  if (!file) return file.error();
  auto written = CheckpointWriter(store, **file, request).write();
  if (!written) {
    file->reset();
    (void)!storage.remove(kCheckpointTemporaryName);  // else the next one removes it
    return written;
  }
  if (auto published = publish(storage, written->name); !published) return published.error();
  return written;
}

}  // namespace casbook::journal
