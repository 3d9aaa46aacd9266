#include "support/sim_node.h"

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "log/durable.h"

namespace casbook::test {

using journal::Appender;
using replicate::RaftLog;
using replicate::Replicator;
using replicate::Role;
using replicate::Standing;
using replicate::Task;

namespace {

constexpr uint64_t kCluster = 0xca5b00;
constexpr size_t kSocketMax = 128;  // datagrams that a stopped daemon finds
constexpr int64_t kFlushNs = 5 * kSimMs;
constexpr int64_t kRestartNs = 100 * kSimMs;
constexpr uint64_t kSegmentBytes = 64 * journal::kBlockBytes;

}  // namespace

replicate::Configuration sim_configuration(uint64_t nodes) {
  replicate::Configuration configuration;
  for (uint64_t id = 1; id <= nodes; ++id)
    configuration.servers.push_back({id, "10.0.0." + std::to_string(id) + ":7400"});
  return configuration;
}

SimNode::SimNode(SimEvents& events, SimNetwork& network, SimTruth& truth,
                 const SimNodeOptions& options)
    : events_(events),
      network_(network),
      truth_(truth),
      options_(options),
      random_(options.seed),
      storage_(options.seed ^ 0xd15c),
      book_({.directory = options.directory,
             .cluster = kCluster,
             .node = options.id,
             .journal_id = kCluster + options.id,
             .bug = options.bug}),
      boot_offset_ns_(static_cast<int64_t>(options.id) * 1000 * kSimSecond) {
  std::filesystem::create_directories(options.directory);
}

SimNode::~SimNode() = default;

// --- lives ---

void SimNode::enter() const {
  base::injected_clock.wall_offset_ms = wall_offset_ms_;
  base::injected_clock.boot_offset_ns = boot_offset_ns_;
}

void SimNode::start() {
  if (node_) return;
  enter();
  is_powered_ = true;
  ++life_;
  stopped_until_ = 0;
  if (auto opened = open(); !opened) return fail_to_start(opened.error());
  events_.note(who(), "starts", node_->term(), log_->last_index());
  for (uint64_t i = log_->base_index() + 1; i <= terms_at_death_.size(); ++i)
    if (const uint64_t term = terms_at_death_[i - 1]; log_->term_at(i) != term)
      lost_.insert({i, term});
  truth_.on_restarted();
  observe();
  schedule();
  after(0, &SimNode::on_flush);
  if (options_.is_compacting) after(some(kSimSecond), &SimNode::on_checkpoint);
}

void SimNode::fail_to_start(const Error& error) {
  events_.note(who(), "does not start", static_cast<uint64_t>(error.code));
  events_.say(who(), [&] { return error.message(); });
  if (error.code != Code::io_error && error.code != Code::no_space)
    truth_.fail("node " + std::to_string(options_.id) + " does not start: " + error.message());
  log_.reset(), book_.let_go();
  if (!storage_.has_power()) lose_power();
  start_later();
}

void SimNode::start_later() {
  events_.after(kRestartNs + some(kRestartNs), [this] { start(); });
}

Result<journal::JournalState> SimNode::open_state() {
  auto state = journal::read_state(storage_);
  if (state || state.error().code != Code::book_missing) return state;
  const journal::JournalState fresh{.journal_id = kCluster + options_.id,
                                    .reserved_term = 1,
                                    .cluster = kCluster,
                                    .node = options_.id,
                                    .storage_id = random_.next() | 1};
  if (auto written = journal::write_state(storage_, fresh); !written) return written.error();
  return fresh;
}

// As the daemon finds its ground.
Result<void> SimNode::open() {
  if (auto finished = journal::finish_installation(storage_); !finished) return finished.error();
  auto state = open_state();
  if (!state) return state.error();
  state_ = *state;
  auto attached = book_.attach();
  if (!attached) return attached.error();
  bool has_book = *attached;
  auto segments = journal::list_segments(storage_, state_.journal_id);
  if (!segments) return segments.error();
  journal::BookShape shape{};
  if (!segments->empty()) shape = segments->back().header.shape;
  if (segments->empty() && options_.is_compacting) {
    if (!has_book)
      if (auto made = book_.make_empty(); !made) return made;
    has_book = true;
    shape = book_.shape();
  }
  const bool joins = options_.id > options_.nodes;
  const auto first = joins ? replicate::Configuration{} : sim_configuration(options_.nodes);
  auto log = RaftLog::open(storage_, state_.journal_id, shape, first,
                           {.appender = {.segment_bytes = kSegmentBytes, .buffers = 2},
                            .memory_bytes = options_.memory_bytes});
  if (!log) return log.error();
  log_ = std::move(*log);
  const bool needs_rebuild =
      !has_book || (!book_.is_quarantined() &&
                    (!log_->holds(book_.position()) || log_->begins_behind(book_.next_lsn())));
  const uint64_t applied = needs_rebuild ? 0 : log_->applied_index(book_.next_lsn());
  auto options = node_options();
  auto keys = open_keys();
  if (!keys) return keys.error();
  auto node = Replicator::open(*options, storage_, state_, *log_, network_.port(options_.id), *keys,
                               book_, applied, needs_rebuild, events_.now());
  if (!node) return node.error();
  node_ = std::move(*node);
  commit_seen_ = commit_reached_ = log_->base_index(), term_seen_ = 0, role_seen_ = Role::follower;
  standing_seen_ = node_->standing();
  durable_seen_ = quorum_seen_ = {};
  task_ = {}, is_full_ = false, tick_at_ = 0;
  is_disk_scheduled_ = is_prepare_scheduled_ = is_task_scheduled_ = false;
  is_collect_scheduled_ = is_flush_scheduled_ = is_read_scheduled_ = false;
  return {};
}

Result<replicate::ClusterKeys> SimNode::open_keys() {
  if (options_.key_file.empty()) return replicate::ClusterKeys(replicate::ClusterKey{});
  auto keys = daemon::LiveKeys::read(options_.key_file);
  if (!keys) return keys.error();
  keys_ = std::move(*keys);
  return keys_->keys();
}

void SimNode::on_reload_keys() {
  if (auto loaded = keys_->reload(); !loaded)
    return truth_.fail("node " + std::to_string(options_.id) +
                       " does not load its keys: " + loaded.error().message());
  node_->set_keys(keys_->keys());
  events_.note(who(), "loads keys", keys_->keys().sealing_id());
  settle({});
}

Result<replicate::ReplicatorOptions> SimNode::node_options() {
  replicate::ReplicatorOptions options;
  options.configuration = sim_configuration(options_.nodes);
  const auto all = sim_configuration(std::max(options_.id, options_.nodes));
  options.self = all.servers[options_.id - 1];
  options.transport.address = options.self.address;
  const uint64_t boot = random_.next() | 1;
  options.consensus.election_timeout_ms = 150;
  options.consensus.heartbeat_ms = 30;
  options.consensus.seed = static_cast<uint32_t>(boot);
  options.transport.cluster = kCluster;
  options.transport.node = options_.id;
  options.transport.boot = boot;
  options.transport.shape = 7;
  options.transport.is_multicast = options_.is_multicast;
  options.transport.seed = boot;
  options.entry_bytes_max = options_.entry_bytes_max;
  options.window_entries = options_.window_entries;
  if (options_.is_compacting) options.lag = {.soft_bytes = 16 << 10, .hard_bytes = 128 << 10};
  return options;
}

void SimNode::end_life() {
  ++life_;
  if (node_) repair_bytes_before_ += node_->transport().counts().repair_bytes;
  terms_at_death_.clear();
  if (log_)
    for (uint64_t i = 1; i <= log_->last_index(); ++i) terms_at_death_.push_back(log_->term_at(i));
  copying_.reset();
  node_.reset();
  log_.reset();
  held_.clear(), socket_.clear();
  task_ = {};
}

void SimNode::kill() {
  if (!node_) return;
  events_.note(who(), "is killed");
  enter();
  end_life();
  book_.let_go();
}

void SimNode::lose_power() {
  if (!is_powered_) return;
  events_.note(who(), "loses power");
  enter();
  is_powered_ = false;
  on_power_lost();
  if (node_) end_life();
  storage_.fail({});
  storage_.crash();
  book_.lose_memory();
}

void SimNode::stop_until(int64_t ns) {
  if (!node_) return;
  events_.note(who(), "is stopped for ms", static_cast<uint64_t>((ns - events_.now()) / kSimMs));
  stopped_until_ = ns;
  const uint64_t life = life_;
  events_.at(ns, [this, life] {
    if (life != life_ || events_.now() < stopped_until_) return;
    events_.note(who(), "goes on");
    for (const auto event : std::exchange(held_, {})) run(event);
    for (const auto& datagram : std::exchange(socket_, {}))
      if (life == life_) receive(datagram);
  });
}

// --- events ---

void SimNode::after(int64_t ns, void (SimNode::*event)()) {
  const uint64_t life = life_;
  events_.after(ns, [this, life, event] {
    if (life == life_) run(event);
  });
}

void SimNode::run(void (SimNode::*event)()) {
  if (!node_) return;
  if (events_.now() < stopped_until_) {
    held_.push_back(event);
    return;
  }
  enter();
  (this->*event)();
}

void SimNode::receive(const std::vector<std::byte>& datagram) {
  if (!node_) return;
  if (events_.now() < stopped_until_) {
    if (socket_.size() < kSocketMax) socket_.push_back(datagram);
    return;
  }
  enter();
  events_.note(who(), "receives", datagram.size());
  auto done = in_turn([&] { return node_->receive(datagram, events_.now()); });
  if (done) done = collect_all();
  settle(done);
}

// No disk is read there: the others would wait for it.
Result<void> SimNode::in_turn(const std::function<Result<void>()>& body) {
  constexpr Operations kReading = only(Operation::list) | only(Operation::read);
  const uint64_t reads = storage_.count(kReading);
  auto done = body();
  if (storage_.count(kReading) != reads)
    truth_.fail("node " + std::to_string(options_.id) + " reads from disk in its turn");
  return done;
}

Result<uint64_t> SimNode::ask(const replicate::MemberRequest& request) {
  enter();
  auto ticket = node_->ask(request, events_.now());
  schedule();
  return ticket;
}

void SimNode::demand() {
  if (!node_ || is_collect_scheduled_) return;
  is_collect_scheduled_ = true;
  after(20 * kSimUs, &SimNode::on_collect);
}

Result<void> SimNode::collect_all() {
  // Bounded by the window of entries that are not committed.
  for (;;) {
    auto collected = node_->collect(events_.now());
    if (!collected) return collected.error();
    if (!*collected) return {};
  }
}

void SimNode::on_tick() {
  if (events_.now() < tick_at_) return;
  tick_at_ = 0;
  Result<void> done;
  if (events_.now() >= node_->deadline_ns())
    done = in_turn([this] { return node_->tick(events_.now()); });
  if (done) done = collect_all();
  settle(done);
}

void SimNode::on_collect() {
  is_collect_scheduled_ = false;
  settle(collect_all());
}

void SimNode::on_flush() {
  settle(collect_all());
  if (!node_) return;
  after(kFlushNs, &SimNode::on_flush);
  if (book_.is_quarantined() && !node_->quarantine())
    settle(node_->quarantine(std::nullopt, events_.now()));
  if (!std::exchange(is_task_scheduled_, true)) after(0, &SimNode::on_task);
}

void SimNode::on_disk() {
  is_disk_scheduled_ = false;
  auto done = log_->appender().complete();
  if (done) done = node_->disk_moved(events_.now());
  if (done) done = collect_all();
  settle(done);
}

void SimNode::on_prepare() {
  is_prepare_scheduled_ = false;
  auto prepared = log_->appender().prepare_spare();
  const bool was_full = std::exchange(is_full_, !prepared);
  Result<void> done;
  if (was_full != is_full_) {
    events_.note(who(), is_full_ ? "has no room" : "has room again");
    done = node_->set_able(!is_full_, events_.now());
  }
  if (prepared && done) done = log_->roll();
  if (done) done = node_->disk_moved(events_.now());
  settle(done);
}

void SimNode::on_read() {
  is_read_scheduled_ = false;
  log_->read_wanted();
  schedule();
}

void SimNode::on_task() {
  is_task_scheduled_ = false;
  if (task_.kind != Task::Kind::none) return;
  task_ = node_->next_task();
  is_task_carried_out_ = false;
  if (task_.kind == Task::Kind::none) return schedule();
  // The book's work is done somewhere within the task's time, and other events are before and
  // behind it.
  const bool is_short = task_.kind == Task::Kind::apply || task_.kind == Task::Kind::compare;
  if (is_short || random_.one_in(2)) {
    if (auto done = carry_out_task(); !done) return settle_task(done.error());
    if (is_short) return on_task_done();
  }
  after(some(3 * kSimMs), &SimNode::on_task_done);
  schedule();
}

Result<void> SimNode::carry_out_task() {
  is_task_carried_out_ = true;
  switch (task_.kind) {
    case Task::Kind::apply:
      return book_.apply(*task_.entry);
    case Task::Kind::promote:
      events_.note(who(), "opens its book", task_.term);
      truth_.on_opened(options_.id, task_.term);
      return book_.promote(task_.term);
    case Task::Kind::rebuild: {
      auto rebuilt = options_.is_compacting
                         ? book_.rebuild_from(storage_, state_.reserved_term, task_.committed)
                         : book_.rebuild(*log_, task_.committed);
      if (!rebuilt && !storage_.fault_has_struck())
        truth_.fail("node " + std::to_string(options_.id) +
                    " cannot rebuild its book: " + rebuilt.error().message());
      events_.note(who(), "rebuilt its book", book_.next_lsn());
      return rebuilt;
    }
    case Task::Kind::digest:
      made_ = book_.make_digest(task_.plan, *log_);
      break;
    case Task::Kind::compare:
      compared_ = book_.compare(*task_.digest, *log_);
      break;
    case Task::Kind::none:
      break;
  }
  return {};
}

void SimNode::on_task_done() {
  if (!is_task_carried_out_)
    if (auto done = carry_out_task(); !done) return settle_task(done.error());
  const Task task = std::exchange(task_, {});
  if (task.kind == Task::Kind::apply) node_->applied(task.entry->index);
  if (task.kind == Task::Kind::promote) node_->promoted(task.term);
  if (task.kind == Task::Kind::rebuild) node_->rebuilt(log_->applied_index(book_.next_lsn()));
  if (task.kind == Task::Kind::digest) node_->digested(made_);
  if (task.kind == Task::Kind::compare) node_->compared(compared_);
  if (task.kind == Task::Kind::promote || task.kind == Task::Kind::rebuild)
    events_.note(who(), "has its book", static_cast<uint64_t>(node_->standing()));
  settle({});
}

// As the daemon: the log goes on where the book does not take what it says.
void SimNode::settle_task(const Error& error) {
  const bool is_of_the_book = task_.kind != Task::Kind::rebuild &&
                              (error.code == Code::quarantined || error.code == Code::damaged);
  task_ = {};
  settle(is_of_the_book ? node_->quarantine(error, events_.now()) : Result<void>(error));
}

// --- after each event ---

void SimNode::settle(const Result<void>& done) {
  const bool has_power = storage_.has_power();
  if (!done || !has_power) {
    observe_failed();
    return give_up(done ? Error{.code = Code::io_error, .detail = "power"} : done.error());
  }
  observe();
  look_for_copy();
  schedule();
}

void SimNode::give_up(const Error& error) {
  events_.note(who(), "gives up", static_cast<uint64_t>(error.code));
  events_.say(who(), [&] { return error.message(); });
  // A disk that fails is one; anything else has to be told apart from a bug.
  const bool is_of_disk = error.code == Code::io_error || error.code == Code::no_space;
  if (!is_of_disk)
    truth_.fail("node " + std::to_string(options_.id) + " gives up: " + error.message());
  start_later();
  if (!storage_.has_power()) return lose_power();
  if (node_->standing() == Standing::leading) book_.seal(node_->led_term());
  book_.tell_leading_until(0);
  storage_.fail({});
  kill();
}

void SimNode::observe() {
  const uint64_t term = node_->term();
  if (term != term_seen_ || node_->role() != role_seen_) {
    term_seen_ = term, role_seen_ = node_->role();
    events_.note(who(),
                 role_seen_ == Role::leader      ? "leads in term"
                 : role_seen_ == Role::candidate ? "stands in term"
                                                 : "follows in term",
                 term);
    truth_.on_role(options_.id, term, role_seen_);
  }
  if (node_->standing() != standing_seen_) {
    standing_seen_ = node_->standing();
    events_.note(who(), "book stands", static_cast<uint64_t>(standing_seen_));
  }
  const uint64_t commit = node_->commit_index();
  if (commit < commit_reached_)
    truth_.fail("the commit index of node " + std::to_string(options_.id) + " falls from " +
                std::to_string(commit_reached_) + " to " + std::to_string(commit));
  commit_reached_ = commit;
  observe_quarantine();
  if (observe_committed(commit)) observe_told();
}

// What it told before it failed, it told. Of what consensus did in the event that failed, the log
// may not have been changed yet.
void SimNode::observe_failed() {
  if (!book_.is_open()) return;
  const Position durable = log::durable_position(book_.store());
  const uint64_t index = log_->index_of(durable.lsn());
  if (durable == durable_seen_ || log_->term_at(index) != durable.term()) return;
  if (observe_committed(std::min(index, node_->commit_index()))) observe_told();
}

void SimNode::observe_quarantine() {
  if (!node_->quarantine() || may_be_quarantined) return;
  truth_.fail("node " + std::to_string(options_.id) + " quarantined its book: " + quarantine());
}

std::string SimNode::quarantine() const {
  if (!node_ || !node_->quarantine()) return {};
  const replicate::Quarantine& quarantine = *node_->quarantine();
  if (quarantine.error) return quarantine.error->message();
  return quarantine.divergence ? quarantine.divergence->where(book_.store()) : "by hand";
}

// False: the disk does not let its entries be read just now.
bool SimNode::observe_committed(uint64_t commit) {
  is_blind_ = false;
  // Progress: each round takes one.
  while (commit_seen_ < commit) {
    const replicate::EntryPtr entry = log_->entry(commit_seen_ + 1);
    is_blind_ = !entry;
    if (!entry && !storage_.fault_has_struck())
      truth_.fail("node " + std::to_string(options_.id) + " has not the entry " +
                  std::to_string(commit_seen_ + 1) + " that it calls committed");
    if (!entry) return false;
    ++commit_seen_;
    truth_.on_committed(options_.id, *entry);
  }
  return true;
}

void SimNode::observe_told() {
  if (!book_.is_open()) return;
  truth_.know_tables(book_.store());
  const Position durable = log::durable_position(book_.store());
  if (durable != durable_seen_) truth_.told_durable(durable_seen_ = durable);
  const Position quorum = log::quorum_position(book_.store());
  if (quorum == quorum_seen_) return;
  quorum_seen_ = quorum;
  const uint64_t index = log_->index_of(quorum.lsn());
  std::vector<uint64_t> voters;
  for (const replicate::Server& server : node_->configuration().servers)
    if (server.is_voter()) voters.push_back(server.id);
  truth_.told_quorum(quorum, index, log_->term_at(index), std::move(voters));
}

void SimNode::schedule() {
  const int64_t deadline = std::max(node_->deadline_ns(), events_.now() + 10 * kSimUs);
  if (tick_at_ == 0 || deadline < tick_at_) {
    tick_at_ = deadline;
    after(deadline - events_.now(), &SimNode::on_tick);
  }
  if (!is_disk_scheduled_ && !log_->appender().is_settled()) {
    is_disk_scheduled_ = true;
    after(disk_ns + some(disk_ns), &SimNode::on_disk);
  }
  const bool wants_preparer =
      log_->appender().wants_spare() || (log_->wants_roll() && log_->appender().is_settled());
  if (!is_prepare_scheduled_ && wants_preparer) {
    is_prepare_scheduled_ = true;
    after(is_full_ ? kSimSecond : some(2 * kSimMs), &SimNode::on_prepare);
  }
  if (!is_read_scheduled_ && log_->wants_read()) {
    is_read_scheduled_ = true;
    after(some(disk_ns), &SimNode::on_read);
  }
  const bool wants_work =
      node_->standing() == Standing::sealed ||
      (node_->standing() == Standing::following &&
       (node_->applied_index() < node_->commit_index() || node_->role() == Role::leader));
  if (!is_task_scheduled_ && task_.kind == Task::Kind::none && wants_work) {
    is_task_scheduled_ = true;
    const bool is_apply = node_->applied_index() < node_->commit_index();
    after(is_apply ? some(100 * kSimUs) : some(2 * kSimMs), &SimNode::on_task);
  }
}

bool SimNode::has_all_applied() const {
  if (!node_) return false;
  if (node_->standing() == Standing::leading)
    return node_->commit_index() == log_->last_index() && book_.next_lsn() == log_->next_lsn();
  return node_->standing() == Standing::following &&
         node_->applied_index() == truth_.committed_index();
}

std::string SimNode::describe() const {
  std::string text = "node " + std::to_string(options_.id) + ": ";
  if (!node_) return text + "down";
  return text + "standing " + std::to_string(static_cast<int>(node_->standing())) + ", last " +
         std::to_string(log_->last_index()) + ", on disk " +
         std::to_string(log_->persisted_index()) + ", committed " +
         std::to_string(node_->commit_index()) + ", applied " +
         std::to_string(node_->applied_index()) + ", records to " +
         std::to_string(log_->next_lsn()) + ", of the book " + std::to_string(book_.next_lsn()) +
         (log_->wants_roll() ? ", wants another segment" : "") +
         (log_->appender().wants_spare() ? ", wants a spare" : "") +
         (log_->appender().is_settled() ? "" : ", writes are under way");
}

uint64_t SimNode::term_at(uint64_t index) const {
  if (log_) return log_->term_at(index);
  return index >= 1 && index <= terms_at_death_.size() ? terms_at_death_[index - 1] : 0;
}

uint64_t SimNode::repair_bytes() const {
  return repair_bytes_before_ + (node_ ? node_->transport().counts().repair_bytes : 0);
}

}  // namespace casbook::test
