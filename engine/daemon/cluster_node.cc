#include "daemon/cluster_node.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <signal.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "daemon/bell.h"
#include "daemon/catch_up.h"
#include "daemon/event_log.h"
#include "daemon/fair_mutex.h"
#include "daemon/hosted_arena.h"
#include "daemon/introduction.h"
#include "daemon/live_keys.h"
#include "daemon/lock_file.h"
#include "daemon/member_commands.h"
#include "daemon/network_watch.h"
#include "daemon/node_events.h"
#include "daemon/node_figures.h"
#include "daemon/node_ground.h"
#include "daemon/service_manager.h"
#include "daemon/short_slices.h"
#include "daemon/stop_signal.h"
#include "daemon/version_watch.h"
#include "replicate/udp_network.h"

namespace casbook::daemon {

using arena::JournalState;
using journal::Appender;
using replicate::RaftLog;
using replicate::Replicator;
using replicate::Standing;
using replicate::Task;
using replicate::UdpNetwork;

namespace {

constexpr long kTickNs = 20'000'000;
constexpr std::chrono::milliseconds kIdle{20};
constexpr std::chrono::milliseconds kRingRetry{1};
constexpr std::chrono::milliseconds kGather{2};
constexpr uint32_t kLooksInVain = 3;
constexpr uint32_t kEntriesAtOnce = 4;
constexpr uint32_t kDatagramsAtOnce = 64;
constexpr std::chrono::seconds kSpaceRetry{1};
// Followers apply what is on disk: readers there would wait for so long.
constexpr std::chrono::milliseconds kWriteDelayMax{10};
constexpr std::chrono::seconds kCloseAtMost{3};

class ClusterNode {
 public:
  ClusterNode(const Config& config, Ground ground, std::unique_ptr<UdpNetwork> network,
              LiveKeys& keys, std::unique_ptr<CatchUp> catch_up)
      : config_(config),
        catch_up_(std::move(catch_up)),
        arena_(std::move(ground.arena)),
        log_(std::move(ground.log)),
        shape_(digest_of(ground.shape)),
        network_(std::move(network)),
        keys_(keys) {}

  Result<void> start(journal::Storage& storage, const journal::JournalState& state,
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
    threads_.push_back(run("worker", &ClusterNode::work, Haste::work));
    return {};
  }

  enum class Left { stopped, to_install };
  // to_install: a copy is there to take the place of the journal, and all of this node is closed.
  Result<Left> serve(const StopSignal& stop) {
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
  // Behind serve().
  journal::OwnLog own_log() const {
    const uint64_t last = log_->last_index();
    return {.last_index = last,
            .last_term = log_->term_at(last),
            .current_term = std::max(node_->term(), log_->term_at(last))};
  }
  std::unique_ptr<CatchUp> take_catch_up() { return std::move(catch_up_); }

  ~ClusterNode() { stop_threads(); }

 private:
  replicate::ReplicatorOptions options() const {
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

  CatchUpSupply supply() const {
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

  std::thread run(const char* name, void (ClusterNode::*body)(), Haste haste = Haste::answers) {
    return std::thread([this, name, body, haste] {
      (void)pthread_setname_np(pthread_self(), name);  // for who looks by top or perf
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      ask_for_short_slices(haste);
      (this->*body)();
    });
  }

  // The node, for what one thread has to say to it. Whom that gives work is woken when the next one
  // can have the node, and not to wait for it.
  class Turn {
   public:
    explicit Turn(ClusterNode& node) : node_(node), lock_(node.mutex_) {}
    ~Turn() {
      const bool has_work = std::exchange(node_.has_work_, false);
      lock_.unlock();
      if (has_work) node_.worker_.ring();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    ClusterNode& node_;
    std::unique_lock<FairMutex> lock_;
  };

  bool must_stop() const { return is_over_.load_relaxed() != 0; }  // nothing is read by it
  std::optional<Error> failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  // In a turn, after any event. An error ends the node.
  void settle(const Result<void>& done) {
    if (!done && !failure_) failure_ = done.error(), is_over_.store_relaxed(1);
    has_work_ |= node_->has_task() || (is_worker_asleep_ && node_->has_entry());
    events_.look(*node_, *arena_);
    if (log_->wants_roll() || log_->appender().wants_spare()) preparer_.notify_one();
  }

  // --- members

  Result<void> open_control() {
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

  Json describe() const {
    const std::lock_guard lock(mutex_);
    const auto leader = node_->leader();
    return {{"term", node_->term()},
            {"leader", leader ? leader->id : 0},
            {"members", json_of(node_->configuration())}};
  }

  // Takes what the book has, under the mutex; at most some entries, for others want it too. True:
  // there may be more.
  Result<bool> collect_some(int64_t now_ns) {
    for (uint32_t entries = 0; entries < kEntriesAtOnce && !is_quiet_; ++entries) {
      auto collected = node_->collect(now_ns);
      if (!collected || !*collected) return collected;
    }
    return !is_quiet_;
  }
  Result<void> collect_beside(int64_t now_ns) {
    auto collected = collect_some(now_ns);
    return collected ? Result<void>() : collected.error();
  }

  // --- threads ---

  void receive() {
    int64_t deadline = base::monotonic_ns();
    replicate::UdpBatch batch = network_->make_batch();
    while (!must_stop()) {
      const int64_t left = std::max<int64_t>(deadline - base::monotonic_ns(), 0);
      const auto received = network_->receive(batch, left);
      uint32_t taken = 0;
      do {
        const Turn turn(*this);
        deadline = take_in(received ? Result<void>() : received.error(), batch, taken);
      } while (taken < batch.count());
    }
  }
  // Some datagrams of the batch, from `taken` on. Returns when to be here again.
  int64_t take_in(Result<void> done, const replicate::UdpBatch& batch, uint32_t& taken) {
    const int64_t now = base::monotonic_ns();
    const uint32_t end = std::min(taken + kDatagramsAtOnce, batch.count());
    if (is_quiet_) {
      taken = batch.count();
      return now + std::chrono::nanoseconds(kIdle).count();
    }
    for (; done && taken < end; ++taken) {
      versions_.look(batch[taken], *network_, batch.sender(taken), now);
      done = node_->receive(batch[taken], now);
    }
    taken = end;
    if (done && now >= node_->deadline_ns()) done = node_->tick(now);
    if (done) done = collect_beside(now);
    settle(done);
    return node_->deadline_ns();
  }

  void collect() {
    const auto interval = std::chrono::nanoseconds(config_.journal.flush_interval);
    while (!must_stop()) {
      // Before the look: who asks during it is not slept over.
      const auto demand = arena_->prepare_demand();
      for (bool may_have_more = true; may_have_more;) {
        const Turn turn(*this);
        if (is_stopping_) return;
        const auto collected = collect_some(base::monotonic_ns());
        settle(collected ? Result<void>() : collected.error());
        may_have_more = collected && *collected && !failure_;
      }
      HostedArena::wait_for_demand(demand, interval);
    }
  }

  void complete() {
    while (!is_disk_over()) {
      const auto completed = log_->appender().complete();
      const Turn turn(*this);
      if (is_quiet_ && completed) continue;
      auto done = completed ? node_->disk_moved(base::monotonic_ns()) : completed;
      if (done) done = collect_beside(base::monotonic_ns());
      settle(done);
      if (failure_) return;
    }
  }
  bool is_disk_over() const {
    if (!must_stop()) return false;
    const std::lock_guard lock(mutex_);
    return failure_ || (is_stopping_ && log_->appender().is_settled());
  }

  void prepare() {
    while (!must_stop()) {
      auto prepared = log_->appender().prepare_spare();
      note_space(prepared);
      // A segment that cannot be begun is a failure of the disk, for good.
      const Result<void> rolled = prepared ? log_->roll() : Result<void>();
      {
        const Turn turn(*this);
        if (!rolled)
          settle(rolled);
        else if (!is_quiet_)
          settle(node_->disk_moved(base::monotonic_ns()));
      }
      std::unique_lock lock(mutex_);
      const auto is_wanted = [&] {
        return is_stopping_ || failure_ || log_->appender().wants_spare() ||
               (log_->wants_roll() && log_->appender().is_settled());
      };
      if (prepared)
        preparer_.wait_for(lock, kIdle, is_wanted);
      else
        preparer_.wait_for(lock, kSpaceRetry, [&] { return is_stopping_ || failure_.has_value(); });
    }
  }

  // A node without room follows as long as its memory lasts, and lets another lead.
  void note_space(const Result<void>& prepared) {
    const Turn turn(*this);
    if (prepared.operator bool() != is_full_) return;
    is_full_ = !prepared;
    if (is_full_)
      log_event(Severity::error, "no_next_segment", {{"error", prepared.error().message()}});
    else
      log_event(Severity::info, "next_segment_ready");
    arena_->tell_journal(is_full_ ? JournalState::no_space : JournalState::serving,
                         is_full_ ? prepared.error().code : Code{});
    settle(node_->set_able(!is_full_, base::monotonic_ns()));
  }

  // Entries to apply are gathered, for a thread that wakes for each is in the way of the answers;
  // it is rung for when it has found none for a while.
  void work() {
    uint32_t looks_in_vain = 0;
    while (!must_stop()) {
      Task task;
      {
        const std::lock_guard lock(mutex_);
        if (!is_closing_ && !is_quiet_) task = node_->next_task();
        is_worker_asleep_ = task.kind == Task::Kind::none && looks_in_vain >= kLooksInVain;
      }
      if (task.kind == Task::Kind::none) {
        if (looks_in_vain < kLooksInVain)
          ++looks_in_vain, worker_.wait_for(kGather);
        else
          worker_.wait_for(kIdle);
        continue;
      }
      looks_in_vain = 0;
      const Result<void> done = carry_out(task);
      // A reader of this host holds the ring: the same entry again, a little later.
      if (!done && done.error().code == Code::backpressure) {
        worker_.wait_for(kRingRetry);
        continue;
      }
      const Turn turn(*this);
      if (done) note_done(task);
      settle(done || !is_of_the_book(task, done.error())
                 ? done
                 : node_->quarantine(done.error(), base::monotonic_ns()));
    }
  }
  // A book that does not take what the cluster committed; the log is sound and goes on.
  static bool is_of_the_book(const Task& task, const Error& error) {
    return task.kind != Task::Kind::rebuild &&
           (error.code == Code::quarantined || error.code == Code::damaged);
  }

  Result<void> carry_out(const Task& task) {
    switch (task.kind) {
      case Task::Kind::apply:
        return arena_->apply(*task.entry);
      case Task::Kind::promote:
        return arena_->promote(task.term);
      case Task::Kind::rebuild:
        return arena_->rebuild(task.committed);
      case Task::Kind::digest:
        made_ = arena_->make_digest(task.plan, *log_);
        break;
      case Task::Kind::compare:
        compared_ = arena_->compare(*task.digest, *log_);
        break;
      case Task::Kind::none:
        break;
    }
    return {};
  }

  void note_done(const Task& task) {
    switch (task.kind) {
      case Task::Kind::apply:
        return node_->applied(task.entry->index);
      case Task::Kind::promote:
        node_->promoted(task.term);
        return arena_->wake_demand();
      case Task::Kind::rebuild:
        return node_->rebuilt(log_->applied_index(arena_->next_lsn()));
      case Task::Kind::digest:
        return node_->digested(made_);
      case Task::Kind::compare:
        return node_->compared(compared_);
      case Task::Kind::none:
        return;
    }
  }

  // --- the main thread ---

  void look_after() {
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

  // A follower that has a copy of more than its log. Nothing is acknowledged from here on.
  Left leave() {
    notify_status("installing a copy");
    {
      const std::lock_guard lock(mutex_);
      is_closing_ = true;
    }
    stop_threads();
    return Left::to_install;
  }

  // Sessions go on.
  Result<void> reload_keys() {
    if (auto reloaded = keys_.reload(); !reloaded) return reloaded;
    catch_up_->set_keys(keys_.keys());
    const std::lock_guard lock(mutex_);
    node_->set_keys(keys_.keys());
    return {};
  }

  // What no checkpoint needs the log forgets first, with all that is to be noted of it; then the
  // segments go.
  Result<void> compact() {
    const uint64_t index = arena_->superfluous_index();
    if (index <= log_->base_index()) return {};
    auto compacted = node_->compacted(index, base::monotonic_ns());
    if (!compacted) return compacted.error();
    if (*compacted) (void)log_->compact(index);  // if not: again at the next look
    return {};
  }

  Error give_up(const Error& error) {
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
  Result<void> close() {
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
  void settle_disk() {
    const auto until = std::chrono::steady_clock::now() + kCloseAtMost;
    {
      const std::lock_guard lock(mutex_);
      is_quiet_ = true;
    }
    while (!log_->appender().is_settled() && !failure() && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  void stop_threads() {
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

  const Config& config_;
  std::unique_ptr<CatchUp> catch_up_;
  std::unique_ptr<HostedArena> arena_;
  std::unique_ptr<RaftLog> log_;
  const uint64_t shape_;  // what has to be equal on all nodes
  std::unique_ptr<UdpNetwork> network_;
  LiveKeys& keys_;  // main thread

  mutable FairMutex mutex_;  // of all below
  std::unique_ptr<Replicator> node_;
  std::condition_variable_any preparer_;
  bool is_stopping_ = false, is_closing_ = false, is_full_ = false;
  bool is_quiet_ = false;  // nothing is begun any more: neither entries nor answers
  std::optional<Error> failure_;
  bool has_work_ = false;         // for the worker, at the end of the turn
  bool is_worker_asleep_ = true;  // else it looks for entries by itself
  base::AtomicU64 is_over_{};     // is_stopping_ or failure_: to be read without the mutex
  Bell worker_;
  VersionWatch versions_;
  NetworkWatch network_watch_;
  NodeEvents events_{config_};
  replicate::Digest made_;  // worker, as what follows
  replicate::Comparison compared_;
  std::vector<std::thread> threads_;
  std::unique_ptr<ControlSocket> control_;
};

Result<std::unique_ptr<UdpNetwork>> open_network(const ClusterConfig& cluster) {
  replicate::UdpOptions options;
  for (const replicate::Server& server : cluster.nodes) {
    if (server.id == cluster.node)
      options.address = server.address;
    else
      options.peers.push_back({server.id, server.address});
  }
  options.is_multicast = cluster.is_multicast;
  options.group = cluster.group;
  options.interface = cluster.interface;
  options.mtu = static_cast<uint32_t>(cluster.mtu);
  return UdpNetwork::open(options);
}

// One life of the node: from its disk and memory to its end.
Result<ClusterNode::Left> serve_once(const Config& config, journal::DirectoryStorage& storage,
                                     LiveKeys& keys, const StopSignal& stop) {
  auto network = open_network(config.cluster);
  if (!network) return network.error();
  auto ground = find_ground(config, storage);
  if (!ground) return ground.error();
  const journal::JournalState state = ground->state;
  const uint64_t applied = ground->applied;
  const bool needs_rebuild = ground->needs_rebuild, is_quarantined = ground->is_quarantined;
  auto catch_up = std::make_unique<CatchUp>(
      config.cluster, config.journal.segment_bytes, keys.keys(),
      CatchUp::Node{&storage, state, ground->shape, digest_of(ground->shape)});
  journal::OwnLog own;
  {
    ClusterNode node(config, std::move(*ground), std::move(*network), keys, std::move(catch_up));
    if (auto started = node.start(storage, state, applied, needs_rebuild, is_quarantined); !started)
      return started.error();
    auto left = node.serve(stop);
    if (!left || *left == ClusterNode::Left::stopped) return left;
    own = node.own_log();
    catch_up = node.take_catch_up();
  }
  // A crash from here on leaves the old journal or the new one.
  auto installed = catch_up->install(own);
  if (!installed) return installed.error();
  return ClusterNode::Left::to_install;
}

}  // namespace

Result<void> serve_in_cluster(const Config& config, journal::DirectoryStorage& storage,
                              const StopSignal& stop) {
  auto lock = LockFile::hold(storage.describe());
  if (!lock) return lock.error();
  auto keys = LiveKeys::read(config.cluster.key_file);
  if (!keys) return keys.error();
  auto finished = journal::finish_installation(storage);
  if (!finished) return finished.error();
  auto joined = join_if_new(config, storage, keys->keys(), stop);
  if (!joined) return joined.error();
  if (!*joined) return {};
  // Progress: each round but the last one installed a copy.
  for (;;) {
    auto left = serve_once(config, storage, *keys, stop);
    if (!left) return left.error();
    if (*left == ClusterNode::Left::stopped) return {};
  }
}

}  // namespace casbook::daemon
