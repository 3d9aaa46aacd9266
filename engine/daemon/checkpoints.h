// When checkpoints are taken: by size, by time, when asked for, and at the end. One at a time, in a
// thread of its own, while payments go on.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "daemon/config.h"
#include "journal/checkpoint.h"
#include "journal/segment_holds.h"

namespace casbook::daemon {

class Checkpoints {
 public:
  Checkpoints(const commit::Store& store, journal::Storage& storage, uint64_t journal_id,
              const journal::BookShape& shape, const CheckpointConfig& config);
  // Gives up the one that is being taken.
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  // Of an adopted book: what lies before `lsn` is not the journal's and is taken from the ring.
  void begin_journal_at(uint64_t lsn) { journal_begin_ = lsn; }
  // Of a node of a cluster: up to where its own journal is synced. What is durable there may be
  // ahead of that.
  void wait_for_journal(std::function<uint64_t()> synced_lsn) {
    synced_lsn_ = std::move(synced_lsn);
  }

  // Segments that somebody reads stay, though they are superfluous.
  void spare_segments(const journal::SegmentHolds* holds) { holds_ = holds; }

  // Of a node of a cluster: up to where its log forgot its entries, with all that had to be noted of
  // them. What is behind that stays, whatever checkpoints cover.
  void set_log_base(uint64_t index);
  // The last entry that neither a checkpoint nor a reader needs, as of the last look; 0: none.
  uint64_t superfluous_index() const;

  // Begins one when it is due, `bytes_written` being what the journal has got so far. Called now
  // and then; never blocks.
  void begin_if_due(uint64_t bytes_written);
  // Takes one now, after the one under way. Blocking. Errors: those of write_checkpoint().
  Result<void> take();
  // How the one ended that begin_if_due() began last; once.
  std::optional<Result<void>> take_result();
  // Removes what is superfluous; what the directory has then, told to the arena.
  void tell_kept();
  // The same in the thread of checkpoints. False: one is under way.
  bool begin_to_tell_kept();

 private:
  bool is_due(uint64_t bytes_written) const;
  uint64_t needed_from() const;
  Result<void> write();
  Result<uint64_t> copy_records(uint64_t from, uint64_t to,
                                const std::function<void(std::span<const uint64_t>)>& sink) const;
  bool must_stop() const;
  bool has_failed() const;
  void finish(uint64_t asked, const Result<void>& result);
  uint64_t asked_so_far() const;
  void begin(std::function<void()> work);
  void join();
  bool is_running() const;

  const commit::Store& store_;
  journal::Storage& storage_;
  const uint64_t journal_id_;
  const journal::BookShape& shape_;
  const CheckpointConfig config_;
  uint64_t journal_begin_ = 0;
  std::function<uint64_t()> synced_lsn_{};
  const journal::SegmentHolds* holds_ = nullptr;
  uint64_t bytes_at_last_ = 0;
  int64_t last_ns_;

  mutable std::mutex mutex_;  // of those below
  std::optional<Result<void>> result_;
  bool running_ = false, must_stop_ = false;
  uint64_t log_base_ = UINT64_MAX, superfluous_ = 0;
  std::thread thread_;
};

}  // namespace casbook::daemon
