#include "daemon/cluster_node.h"

#include <algorithm>

#include <signal.h>

#include "base/clock.h"
#include "daemon/event_log.h"
#include "daemon/introduction.h"
#include "daemon/member_commands.h"
#include "daemon/node_figures.h"
#include "daemon/service_manager.h"

namespace casbook::daemon {

using arena::JournalState;
using replicate::Replicator;
using replicate::Standing;

namespace {

constexpr long kTickNs = 20'000'000;
// Followers apply what is on disk: readers there would wait for so long.
constexpr std::chrono::milliseconds kWriteDelayMax{10};
constexpr std::chrono::seconds kCloseAtMost{3};

}  // namespace

// --- beginning ---

Result<void> ClusterNode::start(journal::Storage& storage, const journal::JournalState& state,
                                uint64_t applied, bool needs_rebuild, bool is_quarantined) {
  auto node = Replicator::open(options(), storage, state, *log_, *network_, keys_.keys(), *arena_,
                               applied, needs_rebuild, base::monotonic_ns());
  if (!node) return node.error();
  node_ = std::move(*node);
  if (is_quarantined) settle(node_->quarantine(std::nullopt, base::monotonic_ns()));
  arena_->set_journal_end([this] { return log_->position_at(log_->persisted_index()).lsn(); });
  arena_->spare_segments(&catch_up_->holds());
  if (auto serving = catch_up_->serve(supply()); !serving) return serving;
  if (auto opened = open_control(); !opened) return opened;
  threads_.push_back(run("receiver", &ClusterNode::receive));
  threads_.push_back(run("collector", &ClusterNode::collect));
  threads_.push_back(run("completer", &ClusterNode::complete));
  threads_.push_back(run("preparer", &ClusterNode::prepare, Haste::work));
  threads_.push_back(run("reader", &ClusterNode::read_back, Haste::work));
  threads_.push_back(run("worker", &ClusterNode::work, Haste::work));
  return {};
}

replicate::ReplicatorOptions ClusterNode::options() const {
  const ClusterConfig& cluster = config_.cluster;
  replicate::ReplicatorOptions options;
  options.configuration = configuration_of(cluster);
  for (const replicate::Server& server : options.configuration.servers) {
    if (server.id == cluster.node)
      options.self = server;
    else
      options.transport.peers.push_back(server.id);
  }
  for (const replicate::Server& server : cluster.nodes)
    if (cluster.is_joining && server.id == cluster.node) options.self = server;
  const uint64_t boot = random_number();
  options.consensus.election_timeout_ms = static_cast<uint32_t>(cluster.election_timeout.count());
  options.consensus.heartbeat_ms = static_cast<uint32_t>(cluster.heartbeat.count());
  options.consensus.seed = static_cast<uint32_t>(boot);
  options.lag = {.soft_bytes = cluster.lag_soft_bytes, .hard_bytes = cluster.lag_hard_bytes};
  options.digest_bytes_per_second = cluster.digest_bytes_per_second;
  options.write.delay_ns =
      std::chrono::nanoseconds(
          std::min<std::chrono::nanoseconds>(config_.journal.flush_interval, kWriteDelayMax))
          .count();
  options.transport.cluster = cluster_number(cluster);
  options.transport.node = cluster.node;
  options.transport.address = options.self.address;
  options.transport.boot = boot;
  options.transport.shape = shape_;
  options.transport.is_multicast = cluster.is_multicast;
  options.transport.seed = boot;
  return options;
}

CatchUpSupply ClusterNode::supply() const {
  CatchUpSupply supply;
  supply.end = [this] {
    const uint64_t index = log_->persisted_index();
    return journal::CopySource::End{index, log_->term_at(index)};
  };
  supply.configuration = [this](uint64_t /*base_index*/) {
    const std::lock_guard lock(mutex_);
    return node_->configuration_of_copy();
  };
  supply.is_known_disk = [this](uint64_t node, uint64_t storage_id) {
    const std::lock_guard lock(mutex_);
    const uint64_t known = node_->disks().known(node);
    return known == 0 || known == storage_id;
  };
  return supply;
}

Result<void> ClusterNode::open_control() {
  const auto path = control_path(config_.create.directory, config_.book);
  if (!path) return path.error();
  ControlCommands commands;
  add_member_commands(commands, {.ask =
                                     [this](const replicate::MemberRequest& request) {
                                       const std::lock_guard lock(mutex_);
                                       auto ticket = node_->ask(request, base::monotonic_ns());
                                       network_->wake();
                                       return ticket;
                                     },
                                 .take_answer =
                                     [this](uint64_t ticket) {
                                       const std::lock_guard lock(mutex_);
                                       return node_->take_answer(ticket);
                                     },
                                 .describe = [this] { return describe(); }});
  auto opened = ControlSocket::open(*path, std::move(commands));
  if (!opened) return opened.error();
  control_ = std::move(*opened);
  return {};
}

Json ClusterNode::describe() const {
  const std::lock_guard lock(mutex_);
  const auto leader = node_->leader();
  return {{"term", node_->term()},
          {"leader", leader ? leader->id : 0},
          {"members", json_of(node_->configuration())}};
}

std::thread ClusterNode::run(const char* name, void (ClusterNode::*body)(), Haste haste) {
  return std::thread([this, name, body, haste] {
    (void)pthread_setname_np(pthread_self(), name);  // for who looks by top or perf
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ask_for_short_slices(haste);
    (this->*body)();
  });
}

// --- while it serves ---

Result<ClusterNode::Left> ClusterNode::serve(const StopSignal& stop) {
  notify_ready();
  notify_status("no leader is known yet");
  log_event(
      Severity::info, "started",
      {{"book", config_.book}, {"cluster", config_.cluster.id}, {"node", config_.cluster.node}});
  for (Told told = stop.wait(kTickNs); told != Told::stop; told = stop.wait(kTickNs)) {
    if (told == Told::reload) (void)reload_keys();
    if (const auto failed = failure()) return give_up(*failed);
    look_after();
    if (catch_up_->is_ready()) return leave();
  }
  if (auto closed = close(); !closed) return closed.error();
  return Left::stopped;
}

void ClusterNode::look_after() {
  arena_->keep_checkpoints(log_->appender().counts().bytes);
  const Turn turn(*this);
  publish_figures(*node_, *log_, arena_->lines());
  network_watch_.look(node_->transport(), base::monotonic_ns());
  events_.look_for_service(*node_);
  if (!node_->quarantine() && arena_->is_quarantined())
    settle(node_->quarantine(std::nullopt, base::monotonic_ns()));
  settle(compact());
  arena_->keep_segments(log_->base_index(), log_->appender().counts().segments);
  catch_up_->look(node_->catch_up_wanted(), own_log());
}

// Sessions go on.
Result<void> ClusterNode::reload_keys() {
  if (auto reloaded = keys_.reload(); !reloaded) return reloaded;
  catch_up_->set_keys(keys_.keys());
  const std::lock_guard lock(mutex_);
  node_->set_keys(keys_.keys());
  return {};
}

// What no checkpoint needs the log forgets first, with all that is to be noted of it; then the
// segments go.
Result<void> ClusterNode::compact() {
  const uint64_t index = arena_->superfluous_index();
  if (index <= log_->base_index()) return {};
  auto compacted = node_->compacted(index, base::monotonic_ns());
  if (!compacted) return compacted.error();
  if (*compacted) (void)log_->compact(index);  // if not: again at the next look
  return {};
}

std::optional<Error> ClusterNode::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void ClusterNode::settle(const Result<void>& done) {
  if (!done && !failure_) failure_ = done.error(), is_over_.store_relaxed(1);
  has_work_ |= node_->has_task() || (is_worker_asleep_ && node_->has_entry());
  events_.look(*node_, *arena_);
  if (log_->wants_roll() || log_->appender().wants_spare()) preparer_.notify_one();
}

// --- its end ---

journal::OwnLog ClusterNode::own_log() const {
  const uint64_t last = log_->last_index();
  return {.last_index = last,
          .last_term = log_->term_at(last),
          .current_term = std::max(node_->term(), log_->term_at(last))};
}

// A follower that has a copy of more than its log. Nothing is acknowledged from here on.
ClusterNode::Left ClusterNode::leave() {
  notify_status("installing a copy");
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  stop_threads();
  return Left::to_install;
}

Error ClusterNode::give_up(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (node_->standing() == Standing::leading) arena_->seal(node_->led_term());
    arena_->tell_leading_until(0);
  }
  stop_threads();
  arena_->tell_journal(JournalState::failed, error.code);
  log_event(Severity::error, "stopped", {{"error", error.message()}});
  return error;
}

// A leader closes its term, has the majority take all of it, and leaves the lead to another.
Result<void> ClusterNode::close() {
  notify_stopping();
  log_event(Severity::info, "stopping", {{"book", config_.book}});
  const auto until = std::chrono::steady_clock::now() + kCloseAtMost;
  {
    const Turn turn(*this);
    is_closing_ = true;
    settle(node_->write_at_once(base::monotonic_ns()));
    if (node_->standing() == Standing::leading) {
      arena_->tell_leading_until(0);
      arena_->seal(node_->led_term());
    }
  }
  bool is_clean = false;
  while (!is_clean && !failure() && std::chrono::steady_clock::now() < until) {
    arena_->wake_demand();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::lock_guard lock(mutex_);
    is_clean =
        node_->standing() != Standing::leading ||
        (arena_->next_lsn() == log_->next_lsn() && node_->commit_index() == log_->last_index());
  }
  {
    const Turn turn(*this);
    if (node_->standing() == Standing::leading && is_clean && !node_->quarantine())
      arena_->mark_clean();
    settle(node_->set_able(false, base::monotonic_ns()));
  }
  std::this_thread::sleep_for(config_.cluster.heartbeat / 2);  // for the word to get out
  stop_threads();
  if (const auto failed = failure()) return give_up(*failed);
  arena_->tell_journal(JournalState::stopped);
  log_event(Severity::info, "stopped", {{"clean", is_clean ? "yes" : "no"}});
  return {};
}

// A sync that a thread began fails when that thread ends (io_uring): so the disk is waited for,
// while nothing more is begun.
void ClusterNode::settle_disk() {
  const auto until = std::chrono::steady_clock::now() + kCloseAtMost;
  {
    const std::lock_guard lock(mutex_);
    is_quiet_ = true;
  }
  while (!log_->appender().is_settled() && !failure() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void ClusterNode::stop_threads() {
  control_.reset();
  if (threads_.empty()) return;
  arena_->stop();
  catch_up_->stop();
  settle_disk();
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    is_over_.store_relaxed(1);
  }
  worker_.ring();
  preparer_.notify_all();
  network_->wake();
  arena_->wake_demand();
  log_->appender().wake();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
  threads_.clear();
}

}  // namespace casbook::daemon
