#include "daemon/checkpoints.h"

#include <algorithm>

#include <signal.h>
#include <sys/resource.h>

#include "arena/event.h"
#include "base/clock.h"
#include "daemon/event_log.h"
#include "journal/segment_records.h"
#include "log/durable.h"
#include "log/log_reader.h"

namespace casbook::daemon {

namespace {

constexpr std::chrono::milliseconds kPoll{1};
constexpr int kWriterNice = 10;

}  // namespace

Checkpoints::Checkpoints(const commit::Store& store, journal::Storage& storage, uint64_t journal_id,
                         const journal::BookShape& shape, const CheckpointConfig& config)
    : store_(store),
      storage_(storage),
      journal_id_(journal_id),
      shape_(shape),
      config_(config),
      last_ns_(base::monotonic_ns()) {}

Checkpoints::~Checkpoints() {
  {
    const std::lock_guard lock(mutex_);
    must_stop_ = true;
  }
  join();
}

bool Checkpoints::is_running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void Checkpoints::join() {
  if (thread_.joinable()) thread_.join();
}

void Checkpoints::begin(std::function<void()> work) {
  join();
  {
    const std::lock_guard lock(mutex_);
    running_ = true;
  }
  thread_ = std::thread([this, work = std::move(work)] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    // Of this thread alone, on Linux: payments and the journal come first.
    (void)setpriority(PRIO_PROCESS, 0, kWriterNice);
    work();
    const std::lock_guard lock(mutex_);
    running_ = false;
  });
}

bool Checkpoints::begin_to_tell_kept() {
  if (is_running()) return false;
  begin([this] { tell_kept(); });
  return true;
}

void Checkpoints::set_log_base(uint64_t index) {
  const std::lock_guard lock(mutex_);
  log_base_ = index;
}

uint64_t Checkpoints::superfluous_index() const {
  const std::lock_guard lock(mutex_);
  return superfluous_;
}

bool Checkpoints::is_due(uint64_t bytes_written) const {
  const arena::JournalLines& lines = store_.mapping().journal();
  if (lines.checkpoint_asked.load_relaxed() != lines.checkpoint_answered.load_relaxed())
    return true;
  if (bytes_written == bytes_at_last_) return false;  // it would say what the last one says
  const int64_t age_ns = base::monotonic_ns() - last_ns_;
  return (config_.every_bytes != 0 && bytes_written - bytes_at_last_ >= config_.every_bytes) ||
         (config_.every.count() != 0 && age_ns >= std::chrono::nanoseconds(config_.every).count());
}

void Checkpoints::begin_if_due(uint64_t bytes_written) {
  if (is_running() || !is_due(bytes_written)) return;
  bytes_at_last_ = bytes_written, last_ns_ = base::monotonic_ns();
  begin([this] {
    const uint64_t asked = asked_so_far();
    auto written = write();
    finish(asked, written);
    const std::lock_guard lock(mutex_);
    result_ = std::move(written);
  });
}

uint64_t Checkpoints::asked_so_far() const {
  // [checkpoint] Acquire: the commits that were made before it was asked for are in it.
  return store_.mapping().journal().checkpoint_asked.load_acquire();
}

Result<void> Checkpoints::take() {
  join();
  const uint64_t asked = asked_so_far();
  auto written = write();
  finish(asked, written);
  return written;
}

std::optional<Result<void>> Checkpoints::take_result() {
  const std::lock_guard lock(mutex_);
  return std::exchange(result_, {});
}

// The journal will not get any further.
bool Checkpoints::has_failed() const {
  return store_.mapping().journal().state.load_relaxed() ==
         static_cast<uint64_t>(arena::JournalState::failed);
}

bool Checkpoints::must_stop() const {
  const std::lock_guard lock(mutex_);
  return must_stop_;
}

// The index of the last entry that was read, 0: none was.
Result<uint64_t> Checkpoints::copy_records(
    uint64_t from, uint64_t to, const std::function<void(std::span<const uint64_t>)>& sink) const {
  const auto segments = journal::list_segments(storage_, journal_id_);
  if (!segments) return segments.error();
  // The tail that the copy begins at may lag behind all that is kept, in a book that is idle. Then
  // the ring has those records: what overwrites them moves the tail on.
  const uint64_t begin =
      std::max(journal_begin_, segments->empty() ? uint64_t{0} : segments->front().header.next_lsn);
  log::EncodedRecord record;
  for (; from < std::min(to, begin); ++from) {
    if (log::fetch_encoded(store_, from, record) != log::Fetch::got)
      return Error{
          .code = Code::overrun,
          .detail = "the record at lsn " + std::to_string(from) + ", which is not in the journal"};
    sink(record.span());
  }
  // Progress: the journal's.
  const auto readable = [&] {
    const uint64_t durable = log::durable_position(store_).lsn();
    return (synced_lsn_ ? std::min(durable, synced_lsn_()) : durable) + 1;
  };
  while (std::max(readable(), begin) < to) {
    if (must_stop() || has_failed()) return Code::wait_cancelled;
    arena::notify(store_.own_event(arena::kDemandEvent));
    std::this_thread::sleep_for(kPoll);
  }
  return journal::read_records(storage_, journal_id_, from, to, sink);
}

Result<void> Checkpoints::write() {
  const int64_t begun = base::monotonic_ns();
  uint64_t index = 0;
  journal::CheckpointRequest request{.journal_id = journal_id_, .shape = shape_};
  request.must_stop = [this] { return must_stop(); };
  request.records =
      [&](uint64_t from, uint64_t to,
          const std::function<void(std::span<const uint64_t>)>& sink) -> Result<void> {
    auto copied = copy_records(from, to, sink);
    if (!copied) return copied.error();
    index = *copied;
    return {};
  };
  request.index_of = [&](uint64_t lsn) -> uint64_t {
    if (index != 0) return index;
    const auto held = journal::read_records(storage_, journal_id_, lsn, lsn + 1, [](auto) {});
    if (held) return *held;
    const auto end = journal::end_at(storage_, journal_id_, lsn);  // its segment is gone
    return end ? end->index : 0;
  };
  auto info = journal::write_checkpoint(store_, storage_, request);
  if (!info) return info.error();
  const int64_t took_ms = (base::monotonic_ns() - begun) / 1'000'000;
  arena::JournalLines& lines = store_.mapping().journal();
  lines.checkpoint_position.store_relaxed(info->position.value);
  lines.checkpoint_ms.store_relaxed(static_cast<uint64_t>(base::wall_clock_ms()));
  lines.checkpoint_bytes.store_relaxed(info->bytes);
  lines.checkpoint_took_ms.store_relaxed(static_cast<uint64_t>(took_ms));
  log_event(Severity::info, "checkpoint_taken",
            {{"position", info->position.value},
             {"bytes", info->bytes},
             {"cells", info->cells},
             {"records", info->records},
             {"ms", took_ms}});
  tell_kept();
  return {};
}

// Segments are kept for the older of the two checkpoints: it is there in case the newer is damaged.
// While there are not two, all of them are: also those that hold entries without records only.
uint64_t Checkpoints::needed_from() const {
  const auto names = journal::list_checkpoints(storage_);
  if (!names || names->size() < 2) return 0;
  const Position oldest = journal::checkpoint_position(names->back()).value_or(Position{});
  return std::min(oldest.lsn() + 1, holds_ ? holds_->lowest() : UINT64_MAX);
}

void Checkpoints::tell_kept() {
  const uint64_t from = needed_from();
  const auto superfluous = journal::last_index_below(storage_, journal_id_, from);
  uint64_t log_base;
  {
    const std::lock_guard lock(mutex_);
    if (superfluous) superfluous_ = *superfluous;
    log_base = log_base_;
  }
  auto kept = journal::remove_segments_below(storage_, journal_id_, from, log_base);
  if (!kept) {
    log_event(Severity::warn, "segments_not_removed", {{"error", kept.error().message()}});
    return;
  }
  arena::JournalLines& lines = store_.mapping().journal();
  lines.segments.store_relaxed(kept->count);
  lines.journal_bytes.store_relaxed(kept->bytes);
}

void Checkpoints::finish(uint64_t asked, const Result<void>& result) {
  arena::JournalLines& lines = store_.mapping().journal();
  if (!result) {
    lines.checkpoint_failures.add_relaxed(1);
    log_event(Severity::error, "checkpoint_failed", {{"error", result.error().message()}});
  }
  // [checkpoint] Release: position and failures were written before the answer.
  lines.checkpoint_answered.store_release(asked);
  arena::notify(store_.own_event(arena::kDurableEvent));  // who asked looks again
}

}  // namespace casbook::daemon
