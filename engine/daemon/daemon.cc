#include "daemon/daemon.h"

#include "api/book_impl.h"
#include "base/clock.h"
#include "commit/executor.h"
#include "daemon/checkpoints.h"
#include "daemon/cluster_service.h"
#include "daemon/event_log.h"
#include "daemon/introduction.h"
#include "daemon/keeper.h"
#include "daemon/metrics.h"
#include "daemon/opening.h"
#include "daemon/rebuild.h"
#include "daemon/service_manager.h"
#include "daemon/stop_signal.h"
#include "log/durable.h"
#include "log/log_reader.h"

namespace casbook::daemon {

namespace {

constexpr long kTickNs = 20'000'000;
constexpr int64_t kKeptEveryNs = 1'000'000'000;

class Daemon {
 public:
  Daemon(const Config& config, journal::DirectoryStorage& storage, Opened opened)
      : config_(config),
        storage_(storage),
        opened_(std::move(opened)),
        store_(opened_.core->store),
        book_(BookAccess::wrap(opened_.core)),
        keeper_(std::in_place, store_, std::move(opened_.appender), *opened_.follower,
                config.journal),
        checkpoints_(store_, storage, opened_.state.journal_id, opened_.shape, config.checkpoint) {}

  Result<void> run(const StopSignal& stop) {
    introduce_daemon(store_.mapping().journal(), storage_.describe());
    checkpoints_.begin_journal_at(opened_.adopted_lsn);
    serve_metrics();
    checkpoints_.tell_kept();
    if (opened_.is_adopted)
      ask_for_checkpoint();
    else
      tell_ready();
    // Nothing of a book of one host can be loaded anew.
    while (stop.wait(kTickNs) != Told::stop) {
      if (const auto failed = keeper_->failure()) return give_up(*failed);
      if (auto kept = opened_.is_adopted ? keep_adopted() : keep_promise(); !kept)
        return give_up(kept.error());
      checkpoints_.begin_if_due(keeper_->counts().bytes);
      tell_kept_now_and_then();
    }
    return close();
  }

 private:
  void set_state(arena::JournalState state, Code code = {}) {
    store_.mapping().journal().error_code.store_relaxed(static_cast<uint64_t>(code));
    store_.mapping().journal().state.store_relaxed(static_cast<uint64_t>(state));
  }

  // A failure is told and no more: payments do not depend on it.
  void serve_metrics() {
    if (config_.metrics.address.empty()) return;
    auto server = MetricsServer::open(config_.metrics.address, book_, store_.mapping());
    if (server)
      metrics_ = std::move(*server);
    else
      log_event(Severity::error, "metrics_unavailable", {{"error", server.error().message()}});
  }

  void tell_ready() {
    notify_ready();
    notify_status("serving");
    log_event(Severity::info, "serving",
              {{"book", config_.book},
               {"durable", log::durable_position(store_).value},
               {"journal", storage_.describe()}});
  }

  void ask_for_checkpoint() {
    // [checkpoint] As a caller asks. A lost CAS: somebody else asked.
    base::AtomicU64& asked = store_.mapping().journal().checkpoint_asked;
    const uint64_t seen = asked.load_relaxed();
    (void)asked.cas_acq_rel(seen, seen + 1);  // [checkpoint]
  }

  // Durable from the first checkpoint on: it holds what was there before, the journal the rest.
  // Until then the book is as it was found, and a failure leaves it so.
  Result<void> keep_adopted() {
    const auto taken = checkpoints_.take_result();
    if (!taken) return {};
    if (!*taken) return taken->error();
    const Position safe{store_.mapping().journal().checkpoint_position.load_relaxed()};
    if (safe.value != 0) log::publish_durable(store_, safe);
    opened_.is_adopted = false;
    if (auto opened = open_gate(storage_, opened_); !opened) return opened;
    tell_ready();
    return {};
  }

  // The next term is promised before anybody may want to open it. On a full disk later: until then
  // no quarantine can be lifted.
  Result<void> keep_promise() {
    // [gate] Only looked at.
    const uint64_t next = (store_.control().gate.load_acquire() >> 1) + 1;
    if (next <= opened_.state.reserved_term) return {};
    auto promised = promise_term(storage_, opened_.state, next);
    if (!promised && promised.error().code == Code::no_space) return {};
    if (!promised) return promised;
    log::set_journal(store_, {opened_.state.journal_id, opened_.state.reserved_term});
    return {};
  }

  void tell_kept_now_and_then() {
    const int64_t now = base::monotonic_ns();
    if (now < next_kept_ns_) return;
    next_kept_ns_ = now + kKeptEveryNs;
    const auto begun = keeper_->counts().segments;
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
    keeper_.reset();
    set_state(arena::JournalState::failed, error.code);
    if (log::is_journaled(store_)) shut();
    arena::notify(store_.own_event(arena::kDurableEvent));
    log_event(Severity::error, "stopped", {{"error", error.message()}});
    return error;
  }

  Result<void> close() {
    notify_stopping();
    log_event(Severity::info, "stopping", {{"book", config_.book}});
    if (opened_.is_adopted) return give_up({.code = Code::wait_cancelled, .detail = "adoption"});
    // Once more where a quarantine was lifted meanwhile. Bounded by those who do that.
    do {
      shut();
      if (auto drained = keeper_->drain(); !drained) return give_up(drained.error());
      if (auto taken = checkpoints_.take(); !taken) return give_up(taken.error());
    } while (log::durable_position(store_).lsn() + 1 < log::log_end(store_));
    keeper_.reset();
    set_state(arena::JournalState::stopped);
    arena::notify(store_.own_event(arena::kDurableEvent));
    log_event(Severity::info, "stopped", {{"durable", log::durable_position(store_).value}});
    return {};
  }

  const Config& config_;
  journal::DirectoryStorage& storage_;
  Opened opened_;
  const commit::Store& store_;
  Book book_;
  std::optional<Keeper> keeper_;
  Checkpoints checkpoints_;
  std::unique_ptr<MetricsServer> metrics_;
  int64_t next_kept_ns_ = 0;
  uint64_t segments_told_ = 0;
};

}  // namespace

Result<void> serve(const Config& config) {
  const StopSignal stop;
  if (auto checked = check_config(config); !checked) return checked;
  if (auto opened = open_event_log(config.log_level); !opened) return opened;
  auto storage =
      journal::DirectoryStorage::open(config.journal.directory, {.direct = config.journal.direct});
  if (!storage) return storage.error();
  if (config.cluster.is_set()) return serve_in_cluster(config, **storage, stop);
  auto opened = open_book(config, **storage);
  if (!opened) return opened.error();
  return Daemon(config, **storage, std::move(*opened)).run(stop);
}

}  // namespace casbook::daemon
