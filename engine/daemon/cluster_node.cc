#include "daemon/cluster_node.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <signal.h>

#include "base/clock.h"
#include "daemon/event_log.h"
#include "daemon/fair_mutex.h"
#include "daemon/hosted_arena.h"
#include "daemon/introduction.h"
#include "daemon/lock_file.h"
#include "daemon/member_commands.h"
#include "daemon/node_figures.h"
#include "daemon/service_manager.h"
#include "daemon/short_slices.h"
#include "daemon/stop_signal.h"
#include "journal/entry_reader.h"
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
constexpr uint32_t kEntriesAtOnce = 4;
constexpr std::chrono::seconds kSpaceRetry{1};
constexpr std::chrono::seconds kCloseAtMost{3};

Error error_of(Code code, std::string detail) {
  return {.code = code, .detail = std::move(detail)};
}

// What a node stands on, from its disk and its memory.
struct Ground {
  journal::JournalState state;
  std::unique_ptr<HostedArena> arena;
  std::unique_ptr<RaftLog> log;
  journal::BookShape shape{};
  uint64_t applied = 0;
  bool needs_rebuild = false;
};

Result<journal::JournalState> open_state(const Config& config, journal::Storage& storage,
                                         bool& is_new) {
  const ClusterConfig& cluster = config.cluster;
  auto state = journal::read_state(storage);
  is_new = !state && state.error().code == Code::book_missing;
  if (!state && !is_new) return state.error();
  if (!is_new) {
    if (state->cluster == cluster_number(cluster) && state->node == cluster.node) return state;
    return error_of(
        Code::foreign_journal,
        storage.describe() + " is the journal of " +
            (state->cluster == 0                         ? "a book without a cluster"
             : state->cluster != cluster_number(cluster) ? "another cluster"
                                                         : "node " + std::to_string(state->node)) +
            ", not of node " + std::to_string(cluster.node) + " of " + cluster.id);
  }
  const journal::JournalState fresh{.journal_id = journal_id_of(cluster),
                                    .reserved_term = 1,
                                    .cluster = cluster_number(cluster),
                                    .node = cluster.node};
  if (auto written = journal::write_state(storage, fresh); !written) return written.error();
  return fresh;
}

// The shape that segments bear: of the journal as it is, or of the book that it begins with.
Result<journal::BookShape> find_shape(Ground& ground, journal::Storage& storage, bool& has_book) {
  auto segments = journal::list_segments(storage, ground.state.journal_id);
  if (!segments) return segments.error();
  if (!segments->empty()) return segments->back().header.shape;
  if (!has_book)
    if (auto made = ground.arena->rebuild({}); !made) return made.error();
  has_book = true;
  return ground.arena->shape();
}

replicate::Configuration configuration_of(const ClusterConfig& cluster) {
  replicate::Configuration configuration{cluster.nodes};
  std::sort(configuration.servers.begin(), configuration.servers.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return configuration;
}

Result<Ground> find_ground(const Config& config, journal::Storage& storage) {
  Ground ground;
  bool is_new = false;
  auto state = open_state(config, storage, is_new);
  if (!state) return state.error();
  ground.state = *state;
  ground.arena = std::make_unique<HostedArena>(config, storage, ground.state);
  auto attached = ground.arena->attach();
  if (!attached) return attached.error();
  bool has_book = *attached;
  auto shape = find_shape(ground, storage, has_book);
  if (!shape) return shape.error();
  const auto first =
      config.cluster.join ? replicate::Configuration{} : configuration_of(config.cluster);
  auto log = RaftLog::open(storage, ground.state.journal_id, *shape, first,
                           {.appender = {.segment_bytes = config.journal.segment_bytes}});
  if (!log) return log.error();
  ground.log = std::move(*log);
  ground.shape = *shape;
  // A follower's arena holds what was committed, so its log has it.
  const Position position = ground.arena->position();
  ground.needs_rebuild = !has_book || !ground.log->holds(position);
  ground.applied = ground.needs_rebuild ? 0 : ground.log->applied_index(ground.arena->next_lsn());
  return ground;
}

class ClusterNode {
 public:
  ClusterNode(const Config& config, Ground ground, std::unique_ptr<UdpNetwork> network)
      : config_(config),
        arena_(std::move(ground.arena)),
        log_(std::move(ground.log)),
        shape_(digest_of(ground.shape)),
        network_(std::move(network)) {}

  Result<void> start(journal::Storage& storage, const journal::JournalState& state,
                     const replicate::ClusterKey& key, uint64_t applied, bool needs_rebuild) {
    auto node = Replicator::open(options(), storage, state, *log_, *network_, key, *arena_, applied,
                                 needs_rebuild, base::monotonic_ns());
    if (!node) return node.error();
    node_ = std::move(*node);
    storage_ = &storage;
    arena_->set_journal_end([this] { return log_->position_at(log_->persisted_index()).lsn(); });
    journal_id_ = state.journal_id;
    if (auto opened = open_control(); !opened) return opened;
    threads_.push_back(run(&ClusterNode::receive));
    threads_.push_back(run(&ClusterNode::collect));
    threads_.push_back(run(&ClusterNode::complete));
    threads_.push_back(run(&ClusterNode::prepare));
    threads_.push_back(run(&ClusterNode::work));
    return {};
  }

  Result<void> serve(const StopSignal& stop) {
    notify_ready();
    notify_status("serving");
    log_event(
        Severity::info, "serving",
        {{"book", config_.book}, {"cluster", config_.cluster.id}, {"node", config_.cluster.node}});
    while (!stop.has_come_within(kTickNs)) {
      if (const auto failed = failure()) return give_up(*failed);
      look_after();
    }
    return close();
  }

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
    const uint64_t boot = random_number();
    options.consensus.election_timeout_ms = static_cast<uint32_t>(cluster.election_timeout.count());
    options.consensus.heartbeat_ms = static_cast<uint32_t>(cluster.heartbeat.count());
    options.consensus.seed = static_cast<uint32_t>(boot);
    options.transport.cluster = cluster_number(cluster);
    options.transport.node = cluster.node;
    options.transport.address = options.self.address;
    options.transport.boot = boot;
    options.transport.shape = shape_;
    options.transport.is_multicast = cluster.is_multicast;
    options.transport.seed = boot;
    return options;
  }

  std::thread run(void (ClusterNode::*body)()) {
    return std::thread([this, body] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      ask_for_short_slices();
      (this->*body)();
    });
  }

  bool must_stop() const {
    const std::lock_guard lock(mutex_);
    return is_stopping_ || failure_;
  }
  std::optional<Error> failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  // Under the mutex, after any event. An error ends the node.
  void settle(const Result<void>& done) {
    if (!done && !failure_) failure_ = done.error();
    const uint64_t commit = node_->commit_index();
    const Standing standing = node_->standing();
    const uint64_t persisted = node_->persisted_index();
    if (commit != commit_seen_ || persisted != persisted_seen_ || standing != standing_seen_ ||
        node_->role() != role_seen_)
      worker_.notify_one();
    persisted_seen_ = persisted;
    if (standing != standing_seen_ || node_->role() != role_seen_) tell_role();
    tell_members();
    commit_seen_ = commit, standing_seen_ = standing, role_seen_ = node_->role();
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

  void tell_members() {
    const replicate::Configuration& all = node_->committed_configuration();
    if (configuration_version_ == node_->configuration_version()) return;
    configuration_version_ = node_->configuration_version();
    if (all == members_seen_) return;
    const bool was_one = members_seen_.find(config_.cluster.node);
    members_seen_ = all;
    log_event(Severity::info, "members", {{"members", text_of(all)}});
    if (was_one && !all.find(config_.cluster.node))
      log_event(Severity::warn, "removed",
                {{"node", config_.cluster.node},
                 {"hint", "this node is no member any more: stop it, and give a new one a new id"}});
  }

  void tell_role() const {
    static constexpr const char* kStandings[] = {"following", "promoting", "leading", "sealed"};
    static constexpr const char* kRoles[] = {"follower", "candidate", "leader"};
    const auto leader = node_->leader();
    log_event(Severity::info, "role",
              {{"role", kRoles[static_cast<int>(node_->role())]},
               {"book", kStandings[static_cast<int>(node_->standing())]},
               {"term", node_->term()},
               {"leader", leader ? leader->id : 0}});
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
      const std::lock_guard lock(mutex_);
      const int64_t now = base::monotonic_ns();
      if (is_quiet_) {
        deadline = now + std::chrono::nanoseconds(kIdle).count();
        continue;
      }
      Result<void> done;
      if (!received) done = received.error();
      for (uint32_t i = 0; done && i < batch.count(); ++i) done = node_->receive(batch[i], now);
      if (done && now >= node_->deadline_ns()) done = node_->tick(now);
      if (done) done = collect_beside(now);
      deadline = node_->deadline_ns();
      settle(done);
    }
  }

  void collect() {
    const auto interval = std::chrono::nanoseconds(config_.journal.flush_interval);
    while (!must_stop()) {
      arena_->wait_for_demand(interval);
      for (bool may_have_more = true; may_have_more;) {
        const std::lock_guard lock(mutex_);
        const auto collected = collect_some(base::monotonic_ns());
        settle(collected ? Result<void>() : collected.error());
        may_have_more = collected && *collected && !failure_;
      }
    }
  }

  void complete() {
    while (!is_disk_over()) {
      const auto completed = log_->appender().complete();
      const std::lock_guard lock(mutex_);
      if (is_quiet_ && completed) continue;
      auto done = completed ? node_->disk_moved(base::monotonic_ns()) : completed;
      if (done) done = collect_beside(base::monotonic_ns());
      settle(done);
      if (failure_) return;
    }
  }
  bool is_disk_over() const {
    const std::lock_guard lock(mutex_);
    return failure_ || (is_stopping_ && log_->appender().is_settled());
  }

  void prepare() {
    while (!must_stop()) {
      auto prepared = log_->appender().prepare_spare();
      note_space(prepared);
      // A segment that cannot be begun is a failure of the disk, for good.
      const Result<void> rolled = prepared ? log_->roll() : Result<void>();
      std::unique_lock lock(mutex_);
      if (!rolled)
        settle(rolled);
      else if (!is_quiet_)
        settle(node_->disk_moved(base::monotonic_ns()));
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
    const std::lock_guard lock(mutex_);
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

  void work() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_ && !failure_) {
      const Task task = is_closing_ || is_quiet_ ? Task{} : node_->next_task();
      if (task.kind == Task::Kind::none) {
        worker_.wait_for(lock, kIdle);
        continue;
      }
      lock.unlock();
      const Result<void> done = carry_out(task);
      lock.lock();
      // A reader of this host holds the ring: the same entry again, a little later.
      if (!done && done.error().code == Code::backpressure) {
        worker_.wait_for(lock, kRingRetry);
        continue;
      }
      if (done) note_done(task);
      settle(done);
    }
  }

  Result<void> carry_out(const Task& task) {
    switch (task.kind) {
      case Task::Kind::apply:
        return arena_->apply(*task.entry);
      case Task::Kind::promote:
        return arena_->promote(task.term);
      case Task::Kind::rebuild:
        return arena_->rebuild(task.committed);
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
      case Task::Kind::none:
        return;
    }
  }

  // --- the main thread ---

  void look_after() {
    arena_->keep_checkpoints(log_->appender().counts().bytes);
    const std::lock_guard lock(mutex_);
    publish_figures(*node_, *log_, arena_->lines());
    settle(compact());
  }

  // Segments that a checkpoint made superfluous are gone: so are their entries.
  Result<void> compact() {
    const auto lines = arena_->lines();
    if (!lines.journal) return {};
    const uint64_t checkpoint = lines.journal->checkpoint_position.load_relaxed();
    const uint64_t segments = lines.journal->segments.load_relaxed();
    if (checkpoint == checkpoint_seen_ && segments >= segments_seen_) {
      segments_seen_ = segments;
      return {};
    }
    auto kept = journal::list_segments(*storage_, journal_id_);
    if (!kept || kept->empty()) return {};
    const uint64_t index = kept->front().header.first_index - 1;
    if (index > log_->base_index()) {
      auto compacted = node_->compacted(index, base::monotonic_ns());
      if (!compacted) return compacted.error();
      if (!*compacted || !log_->compact(index)) return {};  // again at the next look
    }
    checkpoint_seen_ = checkpoint, segments_seen_ = segments;
    return {};
  }

  Result<void> give_up(const Error& error) {
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
      const std::lock_guard lock(mutex_);
      is_closing_ = true;
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
      const std::lock_guard lock(mutex_);
      if (node_->standing() == Standing::leading && is_clean) arena_->mark_clean();
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
    settle_disk();
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    worker_.notify_all();
    preparer_.notify_all();
    network_->wake();
    arena_->wake_demand();
    log_->appender().wake();
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
    threads_.clear();
  }

  const Config& config_;
  std::unique_ptr<HostedArena> arena_;
  std::unique_ptr<RaftLog> log_;
  const uint64_t shape_;  // what has to be equal on all nodes
  std::unique_ptr<UdpNetwork> network_;
  journal::Storage* storage_ = nullptr;
  uint64_t journal_id_ = 0;

  mutable FairMutex mutex_;  // of all below
  std::unique_ptr<Replicator> node_;
  std::condition_variable_any worker_, preparer_;
  bool is_stopping_ = false, is_closing_ = false, is_full_ = false;
  bool is_quiet_ = false;  // nothing is begun any more: neither entries nor answers
  std::optional<Error> failure_;
  uint64_t commit_seen_ = 0, persisted_seen_ = 0;
  Standing standing_seen_ = Standing::following;
  replicate::Role role_seen_ = replicate::Role::follower;
  uint64_t checkpoint_seen_ = 0, segments_seen_ = 0;  // main thread
  uint64_t configuration_version_ = UINT64_MAX;
  replicate::Configuration members_seen_;
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

}  // namespace

Result<void> serve_in_cluster(const Config& config, journal::DirectoryStorage& storage,
                              const StopSignal& stop) {
  auto lock = LockFile::hold(storage.describe());
  if (!lock) return lock.error();
  auto key = replicate::read_key(config.cluster.key_file);
  if (!key) return key.error();
  auto network = open_network(config.cluster);
  if (!network) return network.error();
  auto ground = find_ground(config, storage);
  if (!ground) return ground.error();
  const journal::JournalState state = ground->state;
  const uint64_t applied = ground->applied;
  const bool needs_rebuild = ground->needs_rebuild;
  ClusterNode node(config, std::move(*ground), std::move(*network));
  if (auto started = node.start(storage, state, *key, applied, needs_rebuild); !started)
    return started.error();
  return node.serve(stop);
}

}  // namespace casbook::daemon
