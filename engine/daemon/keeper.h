// Keeps an attached book's journal while it is served: the threads around an Appender.
//
//   collector   follows the log; wakes when a caller waits, else every flush interval
//   completer   what is on disk: tells the arena, wakes the callers, lets the ring go on
//   preparer    the next segment
//
// Failures end it: the arena says so, and nothing is acknowledged any more (Appender, A5). A full
// disk does not: it goes on when there is room again, and until then the ring fills.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "arena/event.h"
#include "daemon/config.h"
#include "journal/appender.h"
#include "log/follower.h"

namespace casbook::daemon {

class Keeper {
 public:
  // `follower` holds the ring from the appender's next LSN at the latest. Both are driven from now
  // on. The store must outlive it.
  Keeper(const commit::Store& store, std::unique_ptr<journal::Appender> appender,
         log::Follower follower, const JournalConfig& config);
  // Stops at once; what is under way is waited for.
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Everything up to the end of the log, as of a book that is shut. Blocking. Errors: the failure;
  // no_space when the disk is full and there is no next segment.
  Result<void> drain();
  // The failure that ended it, if one did.
  std::optional<Error> failure() const;
  journal::AppenderCounts counts() const { return appender_->counts(); }

 private:
  void collect();
  void complete();
  void prepare();
  void publish();
  void wait_for_more(journal::Appender::Taken taken, uint64_t demand_ticket, uint64_t kick_ticket);
  void note_stuck(bool is_stuck);
  void wake_preparer();
  void fail(const Error& error);
  void tell(arena::JournalState state, Code code) const;
  bool must_stop() const;
  bool is_over() const;
  void note_space(const Error* error);

  const commit::Store& store_;
  std::unique_ptr<journal::Appender> appender_;
  log::Follower follower_;
  const int64_t flush_interval_ns_;
  arena::EventLine kick_{};  // of this process: something completed, or a segment is there
  uint64_t syncs_told_ = 0;

  mutable std::mutex mutex_;  // of the flags below
  std::condition_variable changed_;
  bool stopping_ = false, is_full_ = false;
  bool is_collected_ = false;  // the collector has ended: nothing more is taken
  bool is_stuck_ = false;      // the last that was taken found no segment
  std::optional<Error> failure_;

  std::thread collector_, completer_, preparer_;
};

}  // namespace casbook::daemon
