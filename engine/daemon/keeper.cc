#include "daemon/keeper.h"

#include <signal.h>

#include "arena/duration_line.h"
#include "base/clock.h"
#include "base/trace.h"
#include "daemon/event_log.h"
#include "daemon/short_slices.h"
#include "log/durable.h"

namespace casbook::daemon {

using arena::JournalState;
using journal::Appender;

namespace {

constexpr std::chrono::seconds kSpaceRetry{1};
constexpr int64_t kDrainPollNs = 1'000'000;

// Signals are for the thread that serves.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

Keeper::Keeper(const commit::Store& store, std::unique_ptr<Appender> appender,
               log::Follower follower, const JournalConfig& config)
    : store_(store),
      appender_(std::move(appender)),
      follower_(follower),
      flush_interval_ns_(std::chrono::nanoseconds(config.flush_interval).count()) {
  tell(JournalState::serving, {});
  const auto run = [this](void (Keeper::*body)()) {
    return std::thread([this, body] {
      block_signals();
      ask_for_short_slices(Haste::answers);
      (this->*body)();
    });
  };
  collector_ = run(&Keeper::collect);
  completer_ = run(&Keeper::complete);
  preparer_ = run(&Keeper::prepare);
}

Keeper::~Keeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  arena::notify(kick_);
  arena::notify(store_.own_event(arena::kDemandEvent));
  collector_.join();
  {
    const std::lock_guard lock(mutex_);
    is_collected_ = true;
  }
  // The completer goes on until the disk has what was handed to it.
  appender_->wake();
  completer_.join();
  preparer_.join();
}

// Of the completer: nobody will hand anything over any more.
bool Keeper::is_over() const {
  const std::lock_guard lock(mutex_);
  return is_collected_ || failure_;
}

bool Keeper::must_stop() const {
  const std::lock_guard lock(mutex_);
  return stopping_ || failure_;
}

std::optional<Error> Keeper::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Keeper::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    failure_ = error;
  }
  log_event(Severity::error, "journal_failed", {{"error", error.message()}});
  tell(JournalState::failed, error.code);
  changed_.notify_all();
  appender_->wake();
  arena::notify(kick_);
  arena::notify(store_.own_event(arena::kDurableEvent));  // they look at the state
}

void Keeper::tell(JournalState state, Code code) const {
  arena::JournalLines& lines = store_.mapping().journal();
  lines.error_code.store_relaxed(static_cast<uint64_t>(code));
  lines.state.store_relaxed(static_cast<uint64_t>(state));
}

// --- collector ---

void Keeper::collect() {
  while (!must_stop()) {
    // Both tickets before the look: what comes after it ends the wait.
    const uint64_t demand = arena::prepare_wait(store_.own_event(arena::kDemandEvent));
    const uint64_t kick = arena::prepare_wait(kick_);
    auto taken = appender_->take(store_);
    if (!taken) return fail(taken.error());
    if (appender_->wants_spare()) wake_preparer();
    note_stuck(*taken == Appender::Taken::no_segment);
    if (*taken == Appender::Taken::submitted) continue;
    wait_for_more(*taken, demand, kick);
  }
}

void Keeper::note_stuck(bool is_stuck) {
  const std::lock_guard lock(mutex_);
  is_stuck_ = is_stuck;
}

void Keeper::wake_preparer() {
  { const std::lock_guard lock(mutex_); }  // not between its look and its sleep
  changed_.notify_all();
}

void Keeper::wait_for_more(Appender::Taken taken, uint64_t demand_ticket, uint64_t kick_ticket) {
  const int64_t until = base::monotonic_ns() + flush_interval_ns_;
  const bool is_idle = taken == Appender::Taken::nothing;
  const auto purpose = is_idle ? base::kForDemand : base::kForRoom;
  CASBOOK_TRACE(wait, purpose, until);
  const auto end = is_idle
                       ? arena::wait(store_.own_event(arena::kDemandEvent), demand_ticket, until)
                       : arena::wait(kick_, kick_ticket, until);
  CASBOOK_TRACE(woken, purpose, static_cast<uint32_t>(end));
}

// --- completer ---

void Keeper::complete() {
  for (;;) {
    const auto completed = appender_->complete();
    if (!completed) return fail(completed.error());
    publish();
    arena::notify(kick_);
    if (is_over() && appender_->is_settled()) return;
  }
}

void Keeper::publish() {
  const Position durable = appender_->durable();
  if (durable.value > log::durable_position(store_).value) {
    log::publish_durable(store_, durable);
    base::fault_point(base::FaultPoint::serve_after_publish);
    if (!follower_.is_current())
      return fail({.code = Code::overrun,
                   .detail = "the journal's registration as a follower was taken back"});
    follower_.release_up_to(durable.lsn() + 1);
  }
  arena::JournalLines& lines = store_.mapping().journal();
  const auto counts = appender_->counts();
  lines.entries.store_relaxed(counts.entries);
  lines.bytes_written.store_relaxed(counts.bytes);
  const auto sync = appender_->sync_time();
  if (sync.count != syncs_told_)
    arena::add_duration(lines.sync, std::chrono::nanoseconds(sync.last_ns));
  syncs_told_ = sync.count;
}

// --- preparer ---

void Keeper::prepare() {
  while (!must_stop()) {
    const auto prepared = appender_->prepare_spare();
    note_space(prepared ? nullptr : &prepared.error());
    if (prepared) arena::notify(kick_);
    std::unique_lock lock(mutex_);
    const auto is_wanted = [&] { return stopping_ || failure_ || appender_->wants_spare(); };
    if (prepared)
      changed_.wait(lock, is_wanted);
    else
      changed_.wait_for(lock, kSpaceRetry, [&] { return stopping_ || failure_.has_value(); });
  }
}

// What the preparer meets, told once: no next segment, and again one.
void Keeper::note_space(const Error* error) {
  const std::lock_guard lock(mutex_);
  if (failure_ || stopping_ || is_full_ == (error != nullptr)) return;
  is_full_ = error != nullptr;
  if (is_full_)
    tell(JournalState::no_space, error->code);
  else
    tell(JournalState::serving, {});
  if (is_full_)
    log_event(Severity::error, "no_next_segment", {{"error", error->message()}});
  else
    log_event(Severity::info, "next_segment_ready");
}

// --- draining ---

Result<void> Keeper::drain() {
  const uint64_t end = log::log_end(store_);
  // Progress: the disk's. A full disk may never make any.
  while (log::durable_position(store_).lsn() + 1 < end) {
    if (auto failed = failure()) return *failed;
    {
      const std::lock_guard lock(mutex_);
      if (is_full_ && is_stuck_)
        return Error{.code = Code::no_space,
                     .detail = "records up to lsn " + std::to_string(end - 1) +
                               " are in the arena and not in the journal"};
    }
    arena::notify(store_.own_event(arena::kDemandEvent));
    const timespec nap{0, kDrainPollNs};
    nanosleep(&nap, nullptr);
  }
  return {};
}

}  // namespace casbook::daemon
