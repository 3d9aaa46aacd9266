// Group commit: takes records from a book's log, makes entries of them, writes and syncs these, and
// says how far the log is on disk.
//
// A state machine without threads of its own, so that the tests run it over a disk that lies. In
// the daemon three threads drive it, each on its own side:
//
//   collector  take(): records -> one entry -> a write, linked to a sync when nothing is under way
//   completer  complete(): what is done; one sync for all that was written meanwhile; durable()
//   preparer   prepare_spare(): the next segment, allocated and zeroed
//
//   A1  One sync is under way at most; it covers the entries whose writes had completed when it was
//       submitted, and those before them. durable() is the last record of the entries covered.
//   A2  While a sync is under way small entries wait for it: all who come meanwhile share the next.
//   A3  A block that was written is never written again. What a crash or a failure left behind the
//       end is cut off by the header of the next segment.
//   A4  A segment is left only when all of it is synced. Its successor gets its name when its
//   header
//       is synced, and is written to when the directory is.
//   A5  After a failed write or sync nothing is ever written or acknowledged again: what the page
//       cache or the disk made of it is not known. A new Appender goes on, in a new segment, from
//       what was acknowledged.
//   A6  What open() goes on from may have been read and never synced: by a daemon that died. It is
//       synced before anything says that it is there.
//
// Crash windows: S1 spare made, not filled; S2 header written, not renamed: the next open() removes
// it. S3 renamed, directory not synced: it is there or not, and has no entry yet.
#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "journal/format.h"
#include "log/log_reader.h"

namespace casbook::journal {

struct AppenderOptions {
  uint64_t segment_bytes = kSegmentBytesDefault;
  uint32_t buffers = 8;  // entries being written at one time, 1 MiB each
  // Of a journal that begins: the number of its first segment is one more.
  uint64_t segments_before = 0;
  // Between pieces of the next segment while the current one is nearly empty, so that syncs come
  // through.
  std::chrono::microseconds prepare_pause{0};
};

// An entry that somebody else numbered: of a log that a cluster agrees on. Follows the one before.
struct EntryImage {
  uint64_t index = 0, first_lsn = 0;
  uint32_t count = 0;
  uint16_t term = 0;
  EntryType type = EntryType::records;
  std::span<const std::byte> body{};
};
// With header and padding.
constexpr uint64_t entry_bytes(const EntryImage& entry) {
  return round_up_to_block(sizeof(EntryHeader) + entry.body.size());
}

struct WrittenAgain {
  std::vector<EntryImage> entries;
  std::vector<JournalEnd> ends;  // behind each of them, once it is written
};

struct AppenderCounts {
  uint64_t entries = 0, bytes = 0, syncs = 0, segments = 0;  // segments: begun
};

class Appender {
 public:
  // Begins a new segment behind `end`. The LSNs go on at end.next_lsn. Errors: those of the
  // storage.
  //
  // `again`: entries behind `end` that were read and may never have been synced. They stand in the
  // new segment, synced, before it has its name and so ends what is before it: at no moment are they
  // in neither. no_space: they do not fit into a segment of this size.
  static Result<std::unique_ptr<Appender>> open(Storage& storage, uint64_t journal_id,
                                                const BookShape& shape, const JournalEnd& end,
                                                const AppenderOptions& options = {},
                                                WrittenAgain* again = nullptr);
  ~Appender();

  enum class Taken {
    submitted,   // an entry is on its way: there may be more
    nothing,     // the log has no more
    busy,        // all buffers are under way, or a sync is and there is little: complete() tells
    no_segment,  // the next segment is not prepared yet: prepare_spare() has to be called
  };
  // Collector. Errors: overrun (the ring lost records that were not journaled yet), damaged, what
  // the storage answers, or the failure that complete() met.
  Result<Taken> take(const commit::Store& store);

  // Collector, instead of take() where a cluster numbers the entries. As many of them, from the
  // first on, as fit into one write; `ends` gets the journal's end behind each of those. Never
  // blocks: no_segment means that roll() has to be called.
  Result<Taken> append(std::span<const EntryImage> entries, std::vector<JournalEnd>& ends);
  // Goes on in the next segment. Busy until all is synced; no_segment until prepare_spare(). Syncs,
  // so it blocks.
  Result<Taken> roll() { return begin_segment(); }
  // The same, and what was written behind `end` is cut off: the header of the segment says so (A3).
  Result<Taken> cut(const JournalEnd& end);

  // Completer. Sleeps until a write or sync completes, or wake(). Errors: a write or sync failed;
  // from then on every call answers that.
  Result<void> complete();
  // The last record that is synced, and all before it; {}: none of this journal's.
  Position durable() const;
  // The last entry that is synced, and all before it.
  uint64_t synced_index() const;
  // Nothing is under way, and all that was taken is synced.
  bool is_settled() const;
  void wake() { queue_->wake(); }

  // Preparer. Makes the next segment ready if it is not. Errors: no_space and the like, of which
  // none is lasting: call again.
  Result<void> prepare_spare();
  bool wants_spare() const;

  // The next record that take() will ask for. Collector, or when nothing runs.
  uint64_t next_lsn() const { return end_.next_lsn; }
  // Behind what was taken or appended. Collector.
  const JournalEnd& end() const { return end_; }
  AppenderCounts counts() const;
  // When the sync that completed last was submitted and how long it took, for the statistics.
  struct SyncTime {
    uint64_t count = 0;
    int64_t last_ns = 0;
  };
  SyncTime sync_time() const;

 private:
  struct Buffer;
  // Entries that are written and not yet synced.
  struct Flight {
    uint64_t index;  // of the last
    Position last;
    Buffer* buffer;  // null: the write has completed
  };

  Appender(Storage& storage, uint64_t journal_id, const BookShape& shape, const JournalEnd& end,
           const AppenderOptions& options);
  bool is_busy(const commit::Store& store);
  Result<bool> collect(const commit::Store& store, uint64_t room, Buffer& buffer);
  Result<void> sync_end();
  void pause_preparing() const;
  Result<Taken> begin_segment(WrittenAgain* again = nullptr);
  Result<void> write_again(File& file, WrittenAgain& again);
  bool is_worth_a_write(std::span<const EntryImage> entries) const;
  void place(const EntryImage& entry, Buffer& buffer, uint64_t synced_index);
  Result<void> submit(Buffer& buffer);
  Result<void> submit_sync();
  void completed(const Completion& completion);
  Error fail(Error error);
  Buffer* free_buffer();
  uint64_t acknowledged_index() const;

  Storage& storage_;
  std::unique_ptr<IoQueue> queue_;
  const uint64_t journal_id_;
  const BookShape shape_;
  const AppenderOptions options_;

  // Collector's own.
  JournalEnd end_;  // behind what was taken
  std::unique_ptr<File> file_;
  uint64_t seed_ = 0;

  mutable std::mutex mutex_;  // of all below
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::deque<Flight> flights_;  // by index
  uint64_t written_index_ = 0;  // all up to here are written
  uint64_t synced_index_ = 0;
  std::optional<uint64_t> syncing_;  // the index that the sync under way covers
  int64_t sync_started_ns_ = 0;
  Position durable_;
  std::optional<Error> failure_;
  std::unique_ptr<File> spare_;
  bool is_naming_ = false;           // the spare was taken, and is still called as a spare is
  uint64_t segment_bytes_used_ = 0;  // of the current segment, by entries
  AppenderCounts counts_;
  SyncTime sync_time_;
};

}  // namespace casbook::journal
