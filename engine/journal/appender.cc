#include "journal/appender.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/assert.h"
#include "base/clock.h"
#include "base/trace.h"
#include "journal/directory_storage.h"

namespace casbook::journal {

using base::FaultPoint;
using base::Mutant;

namespace {

constexpr const char* kSpareName = "segment.new";
// While a sync is under way, an entry is worth its own write from so many records on.
constexpr uint64_t kRecordsWorthAWrite = 512;
constexpr uint64_t kSyncToken = uint64_t{1} << 63;
constexpr size_t kCompletionsMax = 16;
constexpr uint64_t kZerosBytes = 256 << 10;

}  // namespace

// Room for one write: entries, each padded to whole blocks.
struct Appender::Buffer {
  struct FreeMemory {
    void operator()(std::byte* taken) const { std::free(taken); }
  };
  using Memory = std::unique_ptr<std::byte, FreeMemory>;

  static Memory aligned_memory(uint64_t bytes) {
    Memory memory(static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, bytes)));
    CASBOOK_ASSERT(memory);
    std::memset(memory.get(), 0, bytes);
    return memory;
  }

  Memory memory = aligned_memory(kEntryBytesMax);
  uint64_t bytes = 0;  // of finished entries, padded
  bool is_free = true;
  // The entry that is being collected, behind them.
  EntryHeader header{};
  uint64_t body_bytes = 0;

  std::span<const std::byte> blocks() const { return {memory.get(), bytes}; }
  std::byte* body() { return memory.get() + bytes + sizeof(EntryHeader); }
  uint64_t left() const { return kEntryBytesMax - bytes; }
  void begin() { bytes = body_bytes = 0, header = {}; }
  void add(std::span<const std::byte> part) {
    std::copy(part.begin(), part.end(), body() + body_bytes);
    body_bytes += part.size();
  }
  void add(const log::EncodedRecord& record) {
    if (header.count == 0)
      header.first_lsn = record.position().lsn(),
      header.term = static_cast<uint16_t>(record.position().term());
    ++header.count;
    add(std::as_bytes(record.span()));
  }
  // Index, chain and the rest of the header are set.
  void finish(uint64_t seed) {
    header.magic = kEntryMagic;
    header.bytes = static_cast<uint32_t>(sizeof header + body_bytes);
    seal(header, {body(), body_bytes}, seed);
    std::byte* const at = memory.get() + bytes;
    std::memcpy(at, &header, sizeof header);
    const uint64_t padded = round_up_to_block(header.bytes);
    std::memset(at + header.bytes, 0, padded - header.bytes);
    bytes += padded;
    body_bytes = 0;
  }
};

Appender::Appender(Storage& storage, uint64_t journal_id, const BookShape& shape,
                   const JournalEnd& end, const AppenderOptions& options)
    : storage_(storage), journal_id_(journal_id), shape_(shape), options_(options), end_(end) {
  if (end_.next_lsn == 0) end_.next_lsn = 1;
  written_index_ = synced_index_ = end_.index;
  durable_ = end_.position();
  for (uint32_t i = 0; i < options.buffers; ++i) buffers_.push_back(std::make_unique<Buffer>());
}

// Before the buffers: what is under way is still read from them.
Appender::~Appender() { queue_.reset(); }

Result<std::unique_ptr<Appender>> Appender::open(Storage& storage, uint64_t journal_id,
                                                 const BookShape& shape, const JournalEnd& end,
                                                 const AppenderOptions& options,
                                                 WrittenAgain* again) {
  CASBOOK_ASSERT(options.segment_bytes % kBlockBytes == 0 &&
                 options.segment_bytes >= 2 * kBlockBytes && options.buffers > 0);
  auto appender = std::unique_ptr<Appender>(new Appender(storage, journal_id, shape, end, options));
  auto queue = storage.open_queue(2 * options.buffers);
  if (!queue) return queue.error();
  appender->queue_ = std::move(*queue);
  if (auto removed = storage.remove(kSpareName);
      !removed && removed.error().code != Code::book_missing)
    return removed.error();
  if (auto synced = appender->sync_end(); !synced) return synced.error();
  if (end.segment == 0) appender->end_.segment = options.segments_before;
  if (auto prepared = appender->prepare_spare(); !prepared) return prepared.error();
  if (auto begun = appender->begin_segment(again); !begun) return begun.error();
  return appender;
}

// A6. The header of the next segment says that all before it is there.
Result<void> Appender::sync_end() {
  if (end_.segment == 0 || base::mutated(Mutant::journal_end_unsynced)) return {};
  auto file = storage_.open(segment_name(end_.segment), Storage::Access::write);
  if (!file) return file.error();
  return (*file)->sync();
}

// --- preparer ---

bool Appender::wants_spare() const {
  const std::lock_guard lock(mutex_);
  return !spare_ && !is_naming_ && !failure_;
}

// Written with zeros and synced, so that a sync of what is written there later has no metadata to
// write: half the time (perf/README.md).
Result<void> Appender::prepare_spare() {
  if (!wants_spare()) return {};
  if (auto removed = storage_.remove(kSpareName);
      !removed && removed.error().code != Code::book_missing)
    return removed;
  auto file = storage_.create(kSpareName);
  if (!file) return file.error();
  base::fault_point(FaultPoint::segment_after_create);  // S1
  const auto fill = [&]() -> Result<void> {
    if (auto done = (*file)->allocate(options_.segment_bytes); !done) return done;
    const Buffer::Memory zeros = Buffer::aligned_memory(kZerosBytes);
    for (uint64_t at = 0; at < options_.segment_bytes; at += kZerosBytes) {
      const uint64_t bytes = std::min(kZerosBytes, options_.segment_bytes - at);
      if (auto done = (*file)->write(at, {zeros.get(), bytes}); !done) return done;
      pause_preparing();
    }
    return (*file)->sync();
  };
  if (auto filled = fill(); !filled) {
    (void)storage_.remove(kSpareName);  // gives back what room it took
    return filled;
  }
  const std::lock_guard lock(mutex_);
  spare_ = std::move(*file);
  return {};
}

void Appender::pause_preparing() const {
  if (options_.prepare_pause.count() == 0) return;
  {
    const std::lock_guard lock(mutex_);
    if (segment_bytes_used_ > options_.segment_bytes / 8) return;
  }
  std::this_thread::sleep_for(options_.prepare_pause);
}

// --- collector ---

Appender::Buffer* Appender::free_buffer() {
  for (const auto& buffer : buffers_)
    if (buffer->is_free) return buffer.get();
  return nullptr;
}

// Under the mutex.
bool Appender::is_busy(const commit::Store& store) {
  if (!free_buffer()) return true;
  if (!syncing_) return false;
  // [tail] A hint, at most some commits behind.
  const uint64_t tail = store.control().tail.load_acquire();
  return tail < end_.next_lsn + kRecordsWorthAWrite;
}

Result<Appender::Taken> Appender::take(const commit::Store& store) {
  Buffer* buffer = nullptr;
  uint64_t synced_index = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    if (is_busy(store)) return Taken::busy;
    buffer = free_buffer();
    synced_index = synced_index_;
  }
  const uint64_t room = options_.segment_bytes - end_.offset;
  auto has_any = collect(store, std::min(room, kEntryBytesMax), *buffer);
  if (!has_any) return has_any.error();
  if (buffer->header.count != 0) {
    const EntryHeader& header = buffer->header;
    place({.index = end_.index + 1,
           .first_lsn = header.first_lsn,
           .count = header.count,
           .term = header.term},
          *buffer, synced_index);
    if (auto submitted = submit(*buffer); !submitted) return submitted.error();
    return Taken::submitted;
  }
  return *has_any ? begin_segment() : Taken::nothing;
}

// As many records of one term as there are and fit. False: the log has no more; true with an empty
// buffer: the next one does not fit.
Result<bool> Appender::collect(const commit::Store& store, uint64_t room, Buffer& buffer) {
  buffer.begin();
  log::EncodedRecord record;
  for (uint64_t lsn = end_.next_lsn;; ++lsn) {
    switch (log::fetch_encoded(store, lsn, record)) {
      case log::Fetch::end:
        return false;
      case log::Fetch::overrun:
        return Error{.code = Code::overrun,
                     .detail = "the record at lsn " + std::to_string(lsn) +
                               " left the ring before it was journaled"};
      case log::Fetch::damaged:
        return Error{.code = Code::damaged,
                     .detail = "the record at lsn " + std::to_string(lsn) + " of the book"};
      case log::Fetch::got:
        break;
    }
    const bool is_other_term =
        buffer.header.count != 0 && record.position().term() != buffer.header.term;
    const uint64_t bytes = sizeof(EntryHeader) + buffer.body_bytes + record.count * 8;
    if (is_other_term || bytes > room) return true;
    buffer.add(record);
  }
}

// A4. All that was written has to be synced: complete() does that by itself.
Result<Appender::Taken> Appender::begin_segment(WrittenAgain* again) {
  std::unique_ptr<File> spare;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    if (!flights_.empty() || syncing_) return Taken::busy;
    if (!spare_) return Taken::no_segment;
    spare = std::move(spare_);
    is_naming_ = true;
  }
  alignas(kBlockBytes) std::byte block[kBlockBytes] = {};
  SegmentHeader header{};
  header.magic = kSegmentMagic, header.format = kJournalFormat;
  header.header_bytes = sizeof header;
  header.journal_id = journal_id_, header.number = end_.segment + 1;
  header.bytes = options_.segment_bytes;
  header.created_ms = static_cast<uint64_t>(base::wall_clock_ms());
  header.first_index = end_.index + 1, header.next_lsn = end_.next_lsn;
  header.chain = end_.chain, header.term = end_.term;
  header.shape = shape_;
  seal(header);
  std::memcpy(block, &header, sizeof header);
  seed_ = seed_of(journal_id_, header.number);
  end_.segment = header.number, end_.offset = kBlockBytes;
  const auto name = [&]() -> Result<void> {
    if (auto done = spare->write(0, block); !done) return done;
    if (again)
      if (auto done = write_again(*spare, *again); !done) return done;
    if (auto done = spare->sync(); !done) return done;
    base::fault_point(FaultPoint::segment_before_rename);  // S2
    if (auto done = storage_.rename(kSpareName, segment_name(header.number)); !done) return done;
    base::fault_point(FaultPoint::segment_after_rename);  // S3
    if (base::mutated(Mutant::journal_rename_unsynced)) return {};
    return storage_.sync_directory();
  };
  if (auto named = name(); !named) return fail(named.error());
  file_ = std::move(spare);
  const std::lock_guard lock(mutex_);
  is_naming_ = false;
  segment_bytes_used_ = end_.offset - kBlockBytes;
  if (again) written_index_ = synced_index_ = end_.index, durable_ = end_.position();
  ++counts_.segments;
  return Taken::submitted;
}

// Nothing is under way: the segment has no name yet.
Result<void> Appender::write_again(File& file, WrittenAgain& again) {
  const uint64_t synced_index = end_.index;
  Buffer& buffer = *buffers_.front();
  for (const EntryImage& entry : again.entries) {
    CASBOOK_ASSERT(entry.index == end_.index + 1 && entry.first_lsn == end_.next_lsn);
    if (entry_bytes(entry) > options_.segment_bytes - end_.offset)
      return Error{.code = Code::no_space,
                   .detail = storage_.describe() +
                             ": what has to be written again does not fit into "
                             "a segment of " +
                             std::to_string(options_.segment_bytes) + " bytes"};
    const uint64_t offset = end_.offset;
    buffer.begin();
    buffer.add(entry.body);
    place(entry, buffer, synced_index);
    again.ends.push_back(end_);
    if (auto done = file.write(offset, buffer.blocks()); !done) return done;
  }
  return {};
}

// Numbers and seals the entry that was collected.
void Appender::place(const EntryImage& entry, Buffer& buffer, uint64_t synced_index) {
  EntryHeader& header = buffer.header;
  header.index = entry.index, header.first_lsn = entry.first_lsn, header.count = entry.count;
  header.term = entry.term, header.type = static_cast<uint8_t>(entry.type);
  header.chain = end_.chain, header.synced_index = synced_index;
  buffer.finish(seed_);
  end_.offset += round_up_to_block(header.bytes);
  end_.index = header.index, end_.chain = header.checksum, end_.term = header.term;
  end_.next_lsn = header.first_lsn + header.count;
}

// What end_ says now is behind the entries of the buffer.
Result<void> Appender::submit(Buffer& buffer) {
  bool is_alone = false;
  {
    const std::lock_guard lock(mutex_);
    buffer.is_free = false;
    is_alone = !syncing_ && flights_.empty();
    flights_.push_back({end_.index, end_.position(), &buffer});
    if (is_alone) syncing_ = end_.index, sync_started_ns_ = base::monotonic_ns();
    ++counts_.entries;
    counts_.bytes += buffer.bytes;
    segment_bytes_used_ += buffer.bytes;
  }
  const uint64_t offset = end_.offset - buffer.bytes;
  base::fault_point(FaultPoint::entry_before_write);
  auto submitted = is_alone ? queue_->write_and_sync(*file_, offset, buffer.blocks(), end_.index,
                                                     end_.index | kSyncToken)
                            : queue_->write(*file_, offset, buffer.blocks(), end_.index);
  if (!submitted) return fail(submitted.error());
  return {};
}

bool Appender::is_worth_a_write(std::span<const EntryImage> entries) const {
  uint64_t records = 0;
  for (const EntryImage& entry : entries) records += entry.count;
  return records >= kRecordsWorthAWrite;
}

Result<Appender::Taken> Appender::append(std::span<const EntryImage> entries,
                                         std::vector<JournalEnd>& ends) {
  if (entries.empty()) return Taken::nothing;
  Buffer* buffer = nullptr;
  uint64_t synced_index = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    buffer = free_buffer();
    if (!buffer || (syncing_ && !is_worth_a_write(entries))) return Taken::busy;
    synced_index = synced_index_;
  }
  buffer->begin();
  for (const EntryImage& entry : entries) {
    CASBOOK_ASSERT(entry.index == end_.index + 1 && entry.first_lsn == end_.next_lsn);
    const uint64_t room = std::min(options_.segment_bytes - end_.offset, buffer->left());
    if (entry_bytes(entry) > room) break;
    buffer->add(entry.body);
    place(entry, *buffer, synced_index);
    ends.push_back(end_);
  }
  if (buffer->bytes == 0) return Taken::no_segment;
  if (auto submitted = submit(*buffer); !submitted) return submitted.error();
  return Taken::submitted;
}

Result<Appender::Taken> Appender::cut(const JournalEnd& end) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    if (!flights_.empty() || syncing_) return Taken::busy;
    if (!spare_) return Taken::no_segment;
    written_index_ = synced_index_ = end.index;
    durable_ = end.position();
  }
  const uint64_t segment = end_.segment;  // the next one follows it
  end_ = end;
  end_.segment = segment;
  return begin_segment();
}

// --- completer ---

Error Appender::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(error);
  return *failure_;
}

void Appender::completed(const Completion& completion) {
  const bool is_sync = completion.token & kSyncToken;
  if (completion.error_number != 0 && !base::mutated(Mutant::journal_ignores_errors)) {
    // Of a write and the sync behind it the write says what happened.
    const bool is_follow_up = completion.error_number == ECANCELED;
    if (!failure_ && !is_follow_up)
      failure_ = disk_error(completion.error_number, is_sync ? "sync" : "write",
                            storage_.describe() + "/" + segment_name(end_.segment));
    return;
  }
  if (is_sync) {
    synced_index_ = *std::exchange(syncing_, {});
    ++counts_.syncs;
    sync_time_ = {counts_.syncs, base::monotonic_ns() - sync_started_ns_};
    CASBOOK_TRACE(sync, synced_index_, sync_time_.last_ns);
    return;
  }
  for (Flight& flight : flights_)
    if (flight.index == completion.token) std::exchange(flight.buffer, nullptr)->is_free = true;
}

// Under the mutex. One sync for all that is written.
Result<void> Appender::submit_sync() {
  if (syncing_ || written_index_ == synced_index_) return {};
  syncing_ = written_index_;
  sync_started_ns_ = base::monotonic_ns();
  return queue_->sync(*file_, written_index_ | kSyncToken);
}

Result<void> Appender::complete() {
  Completion completions[kCompletionsMax];
  const size_t count = queue_->wait(completions);
  base::fault_point(FaultPoint::entry_after_complete);
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < count; ++i) completed(completions[i]);
  if (failure_) return *failure_;
  for (const Flight& flight : flights_) {
    if (flight.buffer) break;
    written_index_ = std::max(written_index_, flight.index);
  }
  while (!flights_.empty() && flights_.front().index <= acknowledged_index() &&
         !flights_.front().buffer) {
    durable_ = flights_.front().last;
    flights_.pop_front();
  }
  if (auto submitted = submit_sync(); !submitted) {
    failure_ = submitted.error();
    return *failure_;
  }
  return {};
}

Position Appender::durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

uint64_t Appender::acknowledged_index() const {
  return base::mutated(Mutant::journal_acknowledges_unsynced) ? written_index_ : synced_index_;
}

uint64_t Appender::synced_index() const {
  const std::lock_guard lock(mutex_);
  return acknowledged_index();
}

bool Appender::is_settled() const {
  const std::lock_guard lock(mutex_);
  return flights_.empty() && !syncing_;
}

AppenderCounts Appender::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

Appender::SyncTime Appender::sync_time() const {
  const std::lock_guard lock(mutex_);
  return sync_time_;
}

}  // namespace casbook::journal
