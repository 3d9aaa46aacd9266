// What the threads of a node do; each looks at nothing but its own event, under the mutex.
#include <algorithm>

#include "base/clock.h"
#include "daemon/cluster_node.h"
#include "daemon/event_log.h"

namespace casbook::daemon {

using arena::JournalState;
using replicate::Task;

namespace {

constexpr std::chrono::milliseconds kIdle{20};
constexpr std::chrono::milliseconds kRingRetry{1};
constexpr std::chrono::milliseconds kGather{2};
constexpr uint32_t kLooksInVain = 3;
constexpr uint32_t kEntriesAtOnce = 4;
constexpr uint32_t kDatagramsAtOnce = 64;
constexpr int64_t kTurnNs = 5'000'000;
constexpr std::chrono::seconds kSpaceRetry{1};

}  // namespace

// --- receiver ---

void ClusterNode::receive() {
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
int64_t ClusterNode::take_in(Result<void> done, const replicate::UdpBatch& batch, uint32_t& taken) {
  const int64_t now = base::monotonic_ns();
  const uint32_t end = std::min(taken + kDatagramsAtOnce, batch.count());
  if (is_quiet_) {
    taken = batch.count();
    return now + std::chrono::nanoseconds(kIdle).count();
  }
  // Where they ask for much, some take long.
  for (int64_t at = now; done && taken < end && at - now < kTurnNs; at = base::monotonic_ns()) {
    versions_.look(batch[taken], *network_, batch.sender(taken), at);
    done = node_->receive(batch[taken++], at);
  }
  if (!done) taken = batch.count();
  if (done && now >= node_->deadline_ns()) done = node_->tick(now);
  if (done) done = collect_beside(now);
  settle(done);
  return node_->deadline_ns();
}

// --- collector ---

void ClusterNode::collect() {
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

// Takes what the book has, under the mutex; at most some entries, for others want it too. True:
// there may be more.
Result<bool> ClusterNode::collect_some(int64_t now_ns) {
  for (uint32_t entries = 0; entries < kEntriesAtOnce && !is_quiet_; ++entries) {
    auto collected = node_->collect(now_ns);
    if (!collected || !*collected) return collected;
  }
  return !is_quiet_;
}

Result<void> ClusterNode::collect_beside(int64_t now_ns) {
  auto collected = collect_some(now_ns);
  return collected ? Result<void>() : collected.error();
}

// --- completer ---

void ClusterNode::complete() {
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

bool ClusterNode::is_disk_over() const {
  if (!must_stop()) return false;
  const std::lock_guard lock(mutex_);
  return failure_ || (is_stopping_ && log_->appender().is_settled());
}

// --- preparer ---

void ClusterNode::prepare() {
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
void ClusterNode::note_space(const Result<void>& prepared) {
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

// --- reader ---

// Without the node's mutex: what is read is asked for again.
void ClusterNode::read_back() {
  while (!must_stop())
    if (!log_->read_wanted()) log_->await_wanted(kIdle);
}

// --- worker ---

// Entries to apply are gathered, for a thread that wakes for each is in the way of the answers; it
// is rung for when it has found none for a while.
void ClusterNode::work() {
  uint32_t looks_in_vain = 0;
  while (!must_stop()) {
    Task task;
    {
      const std::lock_guard lock(mutex_);
      if (!is_closing_ && !is_quiet_) task = node_->next_task();
      is_worker_asleep_ = task.kind == Task::Kind::none && looks_in_vain >= kLooksInVain;
    }
    if (task.kind == Task::Kind::none) {
      const bool gathers = looks_in_vain < kLooksInVain;
      looks_in_vain += gathers;
      worker_.wait_for(gathers ? kGather : kIdle);
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
bool ClusterNode::is_of_the_book(const Task& task, const Error& error) {
  return task.kind != Task::Kind::rebuild &&
         (error.code == Code::quarantined || error.code == Code::damaged);
}

Result<void> ClusterNode::carry_out(const Task& task) {
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

void ClusterNode::note_done(const Task& task) {
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

}  // namespace casbook::daemon
