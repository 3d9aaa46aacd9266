#include "journal/replay.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include <oneapi/tbb/parallel_pipeline.h>

#include "journal/record_replay.h"

namespace casbook::journal {

namespace {

// Entries are handed over in batches: a small one is not worth the hand-over.
constexpr size_t kBatchBytes = 512 << 10;
constexpr size_t kBatchesUnderWay = 8;

// Entries, their bodies one behind the other.
struct Batch {
  struct Place {
    EntryHeader header;
    uint64_t segment, offset;
    size_t first_word, words;
  };
  std::vector<Place> entries;
  std::vector<uint64_t> words;  // as long as the longest so far
  size_t words_used = 0;

  void clear() {
    entries.clear();
    words_used = 0;
  }
  void add(const Entry& entry) {
    const size_t count = entry.body.size() / sizeof(uint64_t);
    if (words.size() < words_used + count) words.resize(words_used + count);
    if (count) std::memcpy(&words[words_used], entry.body.data(), entry.body.size());
    entries.push_back({entry.header, entry.segment, entry.offset, words_used, count});
    words_used += count;
  }
};

class Replay {
 public:
  Replay(const commit::Store& store, const Storage& storage, std::vector<Segment> segments,
         uint64_t from_lsn, uint64_t to_lsn)
      : storage_(storage),
        reader_(storage, std::move(segments)),
        from_lsn_(from_lsn),
        to_lsn_(to_lsn),
        cells_(store) {}

  Result<Replayed> run();

 private:
  bool has_failed() const { return failed_.load_relaxed() != 0; }  // only to stop early
  void fail(uint64_t index, Error error);
  Error damage(uint64_t segment, uint64_t offset, const std::string& what) const;
  Batch* take_batch();
  void give_back(Batch* batch);
  // The serial half. Null: there are no more, or something is wrong.
  Batch* next();
  void fill(Batch& batch);
  // The parallel half.
  void apply(const Batch& batch);

  const Storage& storage_;
  EntryReader reader_;
  const uint64_t from_lsn_, to_lsn_;
  const RebuiltCells cells_;
  bool is_over_ = false;

  base::AtomicU64 failed_{};
  std::mutex mutex_;  // what follows
  uint64_t failed_index_ = UINT64_MAX;
  Error error_{};  // the first in the order of the journal, of those that were seen
  Replayed replayed_;
  std::vector<std::unique_ptr<Batch>> batches_;
  std::vector<Batch*> free_;
};

void Replay::fail(uint64_t index, Error error) {
  const std::lock_guard lock(mutex_);
  failed_.store_relaxed(1);
  if (index > failed_index_) return;
  failed_index_ = index;
  error_ = std::move(error);
}

Error Replay::damage(uint64_t segment, uint64_t offset, const std::string& what) const {
  return {.code = Code::damaged,
          .detail = storage_.describe() + "/" + segment_name(segment) + ": at offset " +
                    std::to_string(offset) + ": " + what};
}

Batch* Replay::take_batch() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return batches_.emplace_back(std::make_unique<Batch>()).get();
  Batch* const batch = free_.back();
  free_.pop_back();
  batch->clear();
  return batch;
}

void Replay::give_back(Batch* batch) {
  const std::lock_guard lock(mutex_);
  free_.push_back(batch);
}

Result<Replayed> Replay::run() {
  namespace tbb = oneapi::tbb;
  const auto read_in_order = tbb::make_filter<void, Batch*>(
      tbb::filter_mode::serial_in_order, [this](tbb::flow_control& control) {
        Batch* const batch = has_failed() ? nullptr : next();
        if (!batch) control.stop();
        return batch;
      });
  const auto apply_at_once =
      tbb::make_filter<Batch*, void>(tbb::filter_mode::parallel, [this](Batch* batch) {
        apply(*batch);
        give_back(batch);
      });
  tbb::parallel_pipeline(kBatchesUnderWay, read_in_order & apply_at_once);
  if (has_failed()) return error_;
  std::sort(replayed_.terms.begin(), replayed_.terms.end());
  if (to_lsn_ != UINT64_MAX) return std::move(replayed_);
  replayed_.end = reader_.end();
  replayed_.was_torn = reader_.was_torn();
  if (replayed_.end.segment != 0 && replayed_.end.next_lsn < from_lsn_)
    return damage(replayed_.end.segment, replayed_.end.offset,
                  "the journal ends before lsn " + std::to_string(from_lsn_));
  return std::move(replayed_);
}

Batch* Replay::next() {
  if (is_over_) return nullptr;
  Batch* const batch = take_batch();
  fill(*batch);
  if (!batch->entries.empty()) return batch;
  give_back(batch);
  return nullptr;
}

void Replay::fill(Batch& batch) {
  while (batch.words_used * sizeof(uint64_t) < kBatchBytes) {
    auto entry = reader_.next();
    if (!entry) fail(UINT64_MAX - 1, entry.error());
    is_over_ = !entry || !*entry;
    if (is_over_) return;
    const EntryHeader& header = (*entry)->header;
    is_over_ = header.first_lsn > to_lsn_;
    if (is_over_) return;
    if (header.first_lsn + header.count <= from_lsn_) continue;
    const char* fault = nullptr;
    if (is_of_consensus(header)) continue;
    if (static_cast<EntryType>(header.type) != EntryType::records)
      fault = "an entry of a type that this program does not know";
    else if ((*entry)->body.size() % sizeof(uint64_t) != 0)
      fault = "an entry whose body is no whole number of words";
    if (fault) fail(header.index, damage((*entry)->segment, (*entry)->offset, fault));
    is_over_ = fault != nullptr;
    if (is_over_) return;
    batch.add(**entry);
    // No further: what stands behind it may be being written.
    is_over_ = header.first_lsn + header.count > to_lsn_;
    if (is_over_) return;
  }
}

void Replay::apply(const Batch& batch) {
  Replayed part;
  for (const Batch::Place& entry : batch.entries) {
    const EntryHeader& header = entry.header;
    const RunResult result =
        replay_run({.words = {batch.words.data() + entry.first_word, entry.words},
                    .first_lsn = header.first_lsn,
                    .count = header.count,
                    .term = header.term,
                    .from_lsn = from_lsn_},
                   cells_.map(), &cells_);
    if (result.fault)
      return fail(header.index,
                  damage(entry.segment, entry.offset,
                         std::string(result.fault) + ", at lsn " + std::to_string(result.lsn)));
    ++part.entries;
    part.records += result.applied;
    part.newest_ms = std::max(part.newest_ms, result.newest_ms);
    if (result.applied != 0) part.last = std::max(part.last, Position{result.last_position});
    part.terms.insert(part.terms.end(), result.terms.begin(), result.terms.end());
  }
  const std::lock_guard lock(mutex_);
  replayed_.entries += part.entries;
  replayed_.records += part.records;
  replayed_.newest_ms = std::max(replayed_.newest_ms, part.newest_ms);
  replayed_.last = std::max(replayed_.last, part.last);
  replayed_.terms.insert(replayed_.terms.end(), part.terms.begin(), part.terms.end());
}

}  // namespace

Result<void> apply_record(const commit::Store& store, std::span<const uint64_t> words) {
  const Position position{words.size() < log::kRecordHeadWords ? 0 : words[2]};
  const char* fault = "no record, or its checksum does not fit";
  if (log::is_record(words)) {
    const RebuiltCells cells(store);
    fault = replay_record(words.data(), cells.map(), &cells);
  }
  if (!fault) return {};
  return Error{.code = Code::damaged,
               .detail = "record of position " + std::to_string(position.value) + ": " + fault};
}

Result<Replayed> replay(const commit::Store& store, const Storage& storage, uint64_t journal_id,
                        uint64_t from_lsn, uint64_t to_lsn) {
  auto segments = list_segments(storage, journal_id, from_lsn);
  if (!segments) return segments.error();
  return Replay(store, storage, std::move(*segments), from_lsn, to_lsn).run();
}

}  // namespace casbook::journal
