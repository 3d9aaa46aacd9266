#include "daemon/daemon.h"

#include <cstring>

#include <signal.h>
#include <time.h>

#include "api/book_impl.h"
#include "base/clock.h"
#include "commit/executor.h"
#include "daemon/checkpoints.h"
#include "daemon/event_log.h"
#include "daemon/keeper.h"
#include "daemon/metrics.h"
#include "daemon/opening.h"
#include "daemon/rebuild.h"
#include "daemon/service_manager.h"
#include "log/durable.h"

namespace casbook::daemon {

namespace {

constexpr long kTickNs = 20'000'000;
constexpr int64_t kKeptEveryNs = 1'000'000'000;

// SIGTERM and SIGINT, as answers to a wait. Blocked while it lives.
class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~StopSignal() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool has_come_within(long ns) const {
    const timespec limit{0, ns};
    return sigtimedwait(&signals_, nullptr, &limit) > 0;
  }

 private:
  sigset_t signals_, before_;
};

class Daemon {
 public:
  Daemon(const Config& config, journal::DirectoryStorage& storage, Opened opened)
      : config_(config),
        storage_(storage),
        opened_(std::move(opened)),
        store_(opened_.core->store),
        book_(BookAccess::wrap(opened_.core)),
        keeper_(store_, std::move(opened_.appender), *opened_.follower, config.journal),
        checkpoints_(store_, storage, opened_.state.journal_id, opened_.shape, config.checkpoint) {}

  Result<void> run(const StopSignal& stop) {
    introduce();
    checkpoints_.begin_journal_at(opened_.adopted_lsn);
    if (opened_.is_adopted)
      if (auto kept = keep_adopted(); !kept) return give_up(kept.error());
    if (!config_.metrics.address.empty()) {
      auto server = MetricsServer::open(config_.metrics.address, book_, store_.mapping().journal());
      if (!server) return close(server.error());
      metrics_ = std::move(*server);
    }
    checkpoints_.tell_kept();
    notify_ready();
    log_event(Severity::info, "serving",
              {{"book", config_.book},
               {"durable", log::durable_position(store_).value},
               {"journal", storage_.describe()}});
    while (!stop.has_come_within(kTickNs)) {
      if (const auto failed = keeper_.failure()) return give_up(*failed);
      if (auto kept = keep_promise(); !kept) return give_up(kept.error());
      checkpoints_.begin_if_due(keeper_.counts().bytes);
      tell_kept_now_and_then();
    }
    return close({});
  }

 private:
  void set_state(arena::JournalState state, Code code = {}) {
    store_.mapping().journal().error_code.store_relaxed(static_cast<uint64_t>(code));
    store_.mapping().journal().state.store_relaxed(static_cast<uint64_t>(state));
  }

  void introduce() {
    arena::JournalLines& lines = store_.mapping().journal();
    constexpr size_t kWords = sizeof lines.directory / sizeof(uint64_t);
    uint64_t words[kWords] = {};
    std::memcpy(words, storage_.describe().data(),
                std::min(storage_.describe().size(), sizeof words - 1));
    for (size_t i = 0; i < kWords; ++i) lines.directory[i].store_relaxed(words[i]);
    lines.pid.store_relaxed(static_cast<uint64_t>(getpid()));
    lines.started_ms.store_relaxed(static_cast<uint64_t>(base::wall_clock_ms()));
  }

  // Durable from here on: the checkpoint holds what was there before, the journal the rest.
  Result<void> keep_adopted() {
    if (auto taken = checkpoints_.take(); !taken) return taken;
    const Position safe{store_.mapping().journal().checkpoint_position.load_relaxed()};
    if (safe.value != 0) log::publish_durable(store_, safe);
    log::set_journal(store_, {opened_.state.journal_id, opened_.state.reserved_term});
    return {};
  }

  // The next term is promised before anybody may want to open it.
  Result<void> keep_promise() {
    // [gate] Only looked at.
    const uint64_t next = (store_.control().gate.load_acquire() >> 1) + 1;
    if (next <= opened_.state.reserved_term) return {};
    if (auto promised = promise_term(storage_, opened_.state, next); !promised) return promised;
    log::set_journal(store_, {opened_.state.journal_id, opened_.state.reserved_term});
    return {};
  }

  void tell_kept_now_and_then() {
    const int64_t now = base::monotonic_ns();
    if (now < next_kept_ns_) return;
    next_kept_ns_ = now + kKeptEveryNs;
    const auto begun = keeper_.counts().segments;
    if (begun != segments_told_) checkpoints_.tell_kept();
    segments_told_ = begun;
  }

  // No payment of any level from here on, by anybody, until the book is served again.
  void shut() {
    // [gate] As of now; another term cannot begin meanwhile but by a quarantine that is taken back.
    for (uint64_t gate = store_.control().gate.load_acquire(); gate & 1;  // [gate]
         gate = store_.control().gate.load_acquire())                     // [gate]
      commit::Executor(store_).seal(gate >> 1);
  }

  // Nothing is acknowledged any more; what the ring holds is journaled when the book is served
  // again.
  Result<void> give_up(const Error& error) {
    set_state(arena::JournalState::failed, error.code);
    shut();
    arena::notify(store_.own_event(arena::kDurableEvent));
    log_event(Severity::error, "stopped", {{"error", error.message()}});
    return error;
  }

  // `why`: the error to end with, if there is one.
  Result<void> close(std::optional<Error> why) {
    notify_stopping();
    log_event(Severity::info, "stopping", {{"book", config_.book}});
    shut();
    if (auto drained = keeper_.drain(); !drained) return give_up(drained.error());
    if (auto taken = checkpoints_.take(); !taken && !why) why = taken.error();
    set_state(arena::JournalState::stopped);
    arena::notify(store_.own_event(arena::kDurableEvent));
    log_event(Severity::info, "stopped", {{"durable", log::durable_position(store_).value}});
    if (why) return *why;
    return {};
  }

  const Config& config_;
  journal::DirectoryStorage& storage_;
  Opened opened_;
  const commit::Store& store_;
  Book book_;
  Keeper keeper_;
  Checkpoints checkpoints_;
  std::unique_ptr<MetricsServer> metrics_;
  int64_t next_kept_ns_ = 0;
  uint64_t segments_told_ = 0;
};

}  // namespace

Result<void> serve(const Config& config) {
  if (auto checked = check_config(config); !checked) return checked;
  if (auto opened = open_event_log(config.log_level); !opened) return opened;
  const StopSignal stop;
  auto storage =
      journal::DirectoryStorage::open(config.journal.directory, {.direct = config.journal.direct});
  if (!storage) return storage.error();
  auto opened = open_book(config, **storage);
  if (!opened) return opened.error();
  return Daemon(config, **storage, std::move(*opened)).run(stop);
}

}  // namespace casbook::daemon
