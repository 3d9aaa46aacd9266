#include "daemon/hosted_arena.h"

#include <algorithm>

#include <time.h>

#include "api/book_impl.h"
#include "api/plan.h"
#include "arena/event.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/trace.h"
#include "book/book_time.h"
#include "commit/executor.h"
#include "daemon/event_log.h"
#include "daemon/follower_arena.h"
#include "daemon/introduction.h"
#include "journal/checkpoint.h"
#include "lease/leases.h"
#include "log/durable.h"
#include "log/follower.h"
#include "log/log_reader.h"
#include "replicate/announce.h"

namespace casbook::daemon {

using arena::ReplicaRole;

namespace {

constexpr uint64_t kNamesSeed = 0x63617362;  // of what is derived from the cluster's name
constexpr long kRetryNs = 200'000;

uint64_t hash_of(const ClusterConfig& cluster, uint64_t salt) {
  const uint64_t hash = base::hash_bytes(cluster.id.data(), cluster.id.size(), kNamesSeed + salt);
  return hash == 0 ? 1 : hash;
}

}  // namespace

uint64_t cluster_number(const ClusterConfig& cluster) { return hash_of(cluster, 0); }
uint64_t journal_id_of(const ClusterConfig& cluster) { return hash_of(cluster, cluster.node); }

uint64_t digest_of(const journal::BookShape& shape) {
  struct {
    arena::Geometry geometry;
    arena::CellTableExtent tables[arena::kCellTableCount];
    uint8_t name[kBookNameBytesMax];
  } same{};
  same.geometry = shape.header.geometry;
  // Each host's own: how many attach and what the ring holds.
  same.geometry.sessions = same.geometry.attachments = same.geometry.records = 0;
  same.geometry.blocks = same.geometry.block_bytes = 0;
  std::copy(std::begin(shape.header.cell_tables), std::end(shape.header.cell_tables), same.tables);
  std::copy(std::begin(shape.header.book_name), std::end(shape.header.book_name), same.name);
  return base::hash_bytes(&same, sizeof same);
}

struct HostedArena::Arena {
  std::shared_ptr<api::Core> core;
  std::optional<LockFile> lock;
  std::unique_ptr<replicate::Replica> replica;
  std::optional<log::Follower> follower;
  journal::BookShape shape{};
  std::unique_ptr<Checkpoints> checkpoints;
  std::optional<Book> book;  // of the metrics
  std::unique_ptr<MetricsServer> metrics;

  const commit::Store& store() const { return core->store; }
  arena::ReplicationLines& replication() const { return store().mapping().replication(); }
  // [gate] Only looked at.
  uint64_t gate() const { return store().control().gate.load_acquire(); }
  bool is_quarantined() const {
    return !(gate() & 1) && store().closed_code() == Code::quarantined;
  }
};

HostedArena::HostedArena(const Config& config, journal::Storage& storage,
                         const journal::JournalState& state)
    : config_(config), storage_(storage), state_(state) {}
HostedArena::~HostedArena() = default;

std::shared_ptr<HostedArena::Arena> HostedArena::current() const {
  const std::lock_guard lock(mutex_);
  return arena_;
}

// --- having one ---

Result<std::shared_ptr<HostedArena::Arena>> HostedArena::open_arena() {
  auto arena = std::make_shared<Arena>();
  auto core = api::open_core(config_.create.directory, config_.book, arena::Access::read_write);
  if (!core) return core.error();
  arena->core = std::move(*core);
  auto lock = LockFile::hold(*arena->core->mapping);
  if (!lock) return lock.error();
  arena->lock = std::move(*lock);
  const uint64_t id = log::journal_of(arena->store()).id;
  if (id != state_.journal_id)
    return Error{.code = Code::foreign_journal,
                 .detail = arena->core->mapping->path() + " is not kept by the journal in " +
                           storage_.describe()};
  return arena;
}

Result<void> HostedArena::begin_following(Arena& arena) {
  auto replica = replicate::Replica::open(arena.store(), *arena.core->attachment);
  if (!replica) return replica.error();
  arena.replica = std::move(*replica);
  auto follower =
      log::Follower::open(arena.store(), arena.core->attachment->ref(), log::kJournalFollower,
                          log::FullPolicy::refuse_payments, log::Follower::Start::end);
  if (!follower) return follower.error();
  arena.follower = *follower;
  arena.follower->release_up_to(arena.replica->next_lsn());
  return {};
}

Result<bool> HostedArena::attach() {
  auto arena = open_arena();
  if (!arena) {
    const Code code = arena.error().code;
    if (code == Code::book_missing) return false;
    if (code != Code::damaged && code != Code::truncated) return arena.error();
    log_event(Severity::error, "arena_rejected", {{"error", arena.error().message()}});
    // Whoever is still attached pays no more into what nobody will keep.
    (void)arena::shut_damaged(config_.create.directory, config_.book);
    return false;
  }
  const auto role = static_cast<ReplicaRole>((*arena)->replication().role.load_relaxed());
  const bool is_kept = (*arena)->is_quarantined();  // until somebody destroys it
  const bool has_led = !is_kept && (role != ReplicaRole::following || ((*arena)->gate() & 1));
  if (!has_led) {
    if (auto done = begin_following(**arena); !done) return done.error();
  } else {
    // Whoever is attached pays no more into what nobody will keep.
    replicate::announce_leading_until((*arena)->store(), 1);
    commit::Executor((*arena)->store()).seal((*arena)->gate() >> 1);
  }
  install(std::move(*arena));
  return !has_led;
}

// Checkpoints are of committed records, also where it is not known yet what is committed.
Result<uint64_t> HostedArena::lsn_to_build(Position committed) const {
  auto names = journal::list_checkpoints(storage_);
  if (!names) return names.error();
  uint64_t lsn = committed.lsn();
  for (const std::string& name : *names)
    lsn = std::max(lsn, journal::checkpoint_position(name).value_or(Position{}).lsn());
  return lsn;
}

Result<void> HostedArena::rebuild(Position committed) {
  const int64_t begun = base::monotonic_ns();
  const auto old = current();
  if (old) {
    std::unique_ptr<Checkpoints> ended;  // without the mutex: it waits for its thread
    {
      const std::lock_guard lock(mutex_);
      ended = std::move(old->checkpoints);
    }
    ended.reset();
    old->metrics.reset();
    replicate::announce_role(old->store(), ReplicaRole::sealed);
  }
  auto request =
      api::plan_arena(config_.book, config_.create, hash_of(config_.cluster, UINT64_MAX));
  if (!request) return request.error();
  auto lsn = lsn_to_build(committed);
  if (!lsn) return lsn.error();
  auto rebuilt = rebuild_follower(storage_, *request,
                                  {.shm_directory = config_.create.directory,
                                   .journal_id = state_.journal_id,
                                   .promised_term = state_.reserved_term,
                                   .cluster = cluster_number(config_.cluster),
                                   .node = config_.cluster.node,
                                   .to_lsn = *lsn,
                                   .replaced = old ? &old->store() : nullptr});
  if (!rebuilt) return rebuilt.error();
  auto arena = open_arena();
  if (!arena) return arena.error();
  if (auto done = begin_following(**arena); !done) return done;
  log_event(Severity::info, "book_rebuilt",
            {{"book", config_.book},
             {"position", rebuilt->last.value},
             {"records", rebuilt->records},
             {"ms", (base::monotonic_ns() - begun) / 1'000'000}});
  install(std::move(*arena));
  return {};
}

void HostedArena::install(std::shared_ptr<Arena> arena) {
  if (arena->replica) {
    auto shape = journal::shape_of(*arena->core->mapping);
    if (shape) arena->shape = *shape;
    introduce(*arena);
    arena->checkpoints = std::make_unique<Checkpoints>(arena->store(), storage_, state_.journal_id,
                                                       arena->shape, config_.checkpoint);
    {
      const std::lock_guard lock(mutex_);
      equip(*arena->checkpoints);
    }
    arena->checkpoints->tell_kept();
  }
  std::shared_ptr<Arena> before;  // let go without the mutex
  const std::lock_guard lock(mutex_);
  before = std::exchange(arena_, std::move(arena));
}

void HostedArena::equip(Checkpoints& checkpoints) const {
  if (synced_lsn_) checkpoints.wait_for_journal(synced_lsn_);
  checkpoints.spare_segments(holds_);
  checkpoints.set_log_base(looked_.log_base);
}

void HostedArena::set_journal_end(std::function<uint64_t()> synced_lsn) {
  const std::lock_guard lock(mutex_);
  synced_lsn_ = std::move(synced_lsn);
  if (arena_ && arena_->checkpoints) equip(*arena_->checkpoints);
}

void HostedArena::spare_segments(const journal::SegmentHolds* holds) {
  const std::lock_guard lock(mutex_);
  holds_ = holds;
  if (arena_ && arena_->checkpoints) equip(*arena_->checkpoints);
}

void HostedArena::introduce(Arena& arena) {
  arena::JournalLines& lines = arena.store().mapping().journal();
  introduce_daemon(lines, storage_.describe());
  lines.state.store_relaxed(static_cast<uint64_t>(arena::JournalState::serving));
  replicate::announce_leading_until(arena.store(), 1);
  replicate::announce_cluster(arena.store(), cluster_number(config_.cluster), config_.cluster.node);
  replicate::announce_role(arena.store(), ReplicaRole::following);
  if (config_.metrics.address.empty()) return;
  arena.book = BookAccess::wrap(arena.core);
  auto server = MetricsServer::open(config_.metrics.address, *arena.book, *arena.core->mapping);
  if (server)
    arena.metrics = std::move(*server);
  else
    log_event(Severity::error, "metrics_unavailable", {{"error", server.error().message()}});
}

// --- the book's work ---

Result<void> HostedArena::apply(const replicate::LogEntry& entry) {
  const auto arena = current();
  return arena->replica->apply(entry);
}

Result<void> HostedArena::promote(uint64_t term) {
  const auto arena = current();
  // No term is opened that is not on disk: consensus saw to that.
  log::set_journal(arena->store(), {state_.journal_id, term});
  if (auto opened = arena->replica->promote(term); !opened) return opened.error();
  // Deadlines are those of another host's clock. Nobody pays here yet: it does not lead until.
  const auto session = arena->core->attachment->open_session();
  if (!session) return session.error();
  log::LogWriter writer(arena->store(), *session);
  writer.set_applier(true);  // and is let in for that
  lease::Leases leases(arena->store(), {});
  Result<void> done;
  // Progress: each round renews some; a full ring is drained by the collector.
  for (uint64_t at = 0;;) {
    auto next = leases.restart_ttls(writer, at, book::book_time_ms(arena->store()));
    if (next) at = *next;
    if (next && at == 0) break;
    if (!next && next.error().code != Code::backpressure) {
      // Deposed meanwhile: the node sees to it.
      if (next.error().code != Code::not_leader) done = next.error();
      break;
    }
    if (!next) {
      if (must_stop()) return Code::wait_cancelled;
      const timespec nap{0, kRetryNs};
      nanosleep(&nap, nullptr);
    }
  }
  arena->core->attachment->close_session(*session);
  if (done) replicate::announce_role(arena->store(), ReplicaRole::leading);
  return done;
}

replicate::Digest HostedArena::make_digest(const replicate::DigestPlan& plan,
                                           replicate::RaftLog& log) {
  const auto arena = current();
  return digests_.make(arena->store(), log, plan);
}

replicate::Comparison HostedArena::compare(const replicate::Digest& digest,
                                           replicate::RaftLog& log) {
  const auto arena = current();
  return digests_.compare(arena->store(), log, digest);
}

bool HostedArena::is_quarantined() const {
  const auto arena = current();
  return arena && arena->is_quarantined();
}

std::string HostedArena::where(const replicate::Divergence& divergence) const {
  const auto arena = current();
  return arena ? divergence.where(arena->store()) : std::string();
}

void HostedArena::stop() {
  std::unique_ptr<Checkpoints> ended;  // without the mutex: it waits for its thread
  const std::lock_guard lock(mutex_);
  is_stopping_ = true;
  if (arena_) ended = std::move(arena_->checkpoints);
}

bool HostedArena::must_stop() const {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void HostedArena::mark_clean() {
  {
    const std::lock_guard lock(mutex_);
    is_clean_ = true;
  }
  if (const auto arena = current())
    replicate::announce_role(arena->store(), ReplicaRole::following);
}

uint64_t HostedArena::next_lsn() const {
  const auto arena = current();
  return arena ? log::log_end(arena->store()) : 1;
}

Position HostedArena::position() const {
  const auto arena = current();
  if (!arena) return {};
  log::Record last;
  const uint64_t end = log::log_end(arena->store());
  if (end <= 1) return {};
  if (log::fetch(arena->store(), end - 1, last) == log::Fetch::got) return last.position;
  return log::durable_position(arena->store());
}

journal::BookShape HostedArena::shape() const {
  const auto arena = current();
  return arena ? arena->shape : journal::BookShape{};
}

HostedArena::Demand HostedArena::prepare_demand() const {
  const auto arena = current();
  if (!arena) return {};
  arena::EventLine& event = arena->store().own_event(arena::kDemandEvent);
  return {arena, &event, arena::prepare_wait(event)};
}

void HostedArena::wait_for_demand(const Demand& demand, std::chrono::nanoseconds at_most) {
  if (!demand.event) {
    const timespec nap{0, std::min<long>(at_most.count(), 10'000'000)};
    nanosleep(&nap, nullptr);
    return;
  }
  const int64_t wake_ns = base::monotonic_ns() + at_most.count();
  CASBOOK_TRACE(wait, base::kForDemand, wake_ns);
  const auto end = arena::wait(*demand.event, demand.ticket, wake_ns);
  CASBOOK_TRACE(woken, base::kForDemand, static_cast<uint32_t>(end));
}

void HostedArena::wake_demand() {
  if (const auto arena = current()) arena::notify(arena->store().own_event(arena::kDemandEvent));
}

void HostedArena::tell_journal(arena::JournalState state, Code code) {
  const auto arena = current();
  if (!arena) return;
  arena::JournalLines& lines = arena->store().mapping().journal();
  lines.error_code.store_relaxed(static_cast<uint64_t>(code));
  lines.state.store_relaxed(static_cast<uint64_t>(state));
  arena::notify(arena->store().own_event(arena::kDurableEvent));
  arena::notify(arena->store().own_event(arena::kQuorumEvent));
}

// None of a book that is quarantined: the next start has to find what was right.
void HostedArena::keep_checkpoints(uint64_t bytes_written) {
  std::unique_ptr<Checkpoints> ended;  // without the mutex: it waits for its thread
  const std::lock_guard lock(mutex_);
  if (arena_ && arena_->is_quarantined()) ended = std::move(arena_->checkpoints);
  if (arena_ && arena_->checkpoints) arena_->checkpoints->begin_if_due(bytes_written);
}

uint64_t HostedArena::superfluous_index() const {
  const std::lock_guard lock(mutex_);
  return arena_ && arena_->checkpoints ? arena_->checkpoints->superfluous_index() : 0;
}

void HostedArena::keep_segments(uint64_t log_base, uint64_t segments_begun) {
  const std::lock_guard lock(mutex_);
  const Looked now{log_base, segments_begun, holds_ ? holds_->lowest() : UINT64_MAX};
  if (now == looked_ || !arena_ || !arena_->checkpoints) return;
  arena_->checkpoints->set_log_base(log_base);
  if (arena_->checkpoints->begin_to_tell_kept()) looked_ = now;
}

HostedArena::Lines HostedArena::lines() const {
  const auto arena = current();
  if (!arena) return {};
  const arena::Mapping& mapping = arena->store().mapping();
  return {arena, &mapping.journal(), &mapping.replication()};
}

// --- as the node sees it ---

void HostedArena::seal(uint64_t term) {
  const auto arena = current();
  // A term that was not opened yet: whoever opens it looks once more.
  if (!arena || arena->gate() >> 1 < term) return;
  commit::Executor(arena->store()).seal(term);
  const std::lock_guard lock(mutex_);
  if (!is_clean_) replicate::announce_role(arena->store(), ReplicaRole::sealed);
}

Result<bool> HostedArena::take(uint64_t from_lsn, uint64_t bytes_max, replicate::LogEntry& entry) {
  const auto arena = current();
  if (!arena || !arena->replica) return false;
  auto taken = arena->replica->take(from_lsn, bytes_max);
  if (!taken) return taken.error();
  if (taken->count == 0) return false;
  entry = std::move(*taken);
  return true;
}

uint64_t HostedArena::end_lsn() const {
  const auto arena = current();
  return arena ? log::log_end(arena->store()) : 1;
}

replicate::Waits HostedArena::waits() const {
  const auto arena = current();
  return arena ? replicate::what_is_waited_for(arena->store()) : replicate::Waits::for_nothing;
}

void HostedArena::tell_quorum(Position position) {
  if (const auto arena = current()) log::publish_quorum(arena->store(), position);
}

void HostedArena::tell_durable(Position position) {
  const auto arena = current();
  if (!arena) return;
  log::publish_durable(arena->store(), position);
  if (arena->follower) arena->follower->release_up_to(position.lsn() + 1);
}

void HostedArena::tell_leader(const std::optional<replicate::Server>& leader, uint64_t term) {
  const auto arena = current();
  if (!arena) return;
  replicate::announce_leader(
      arena->store(), {.node = leader ? leader->id : 0,
                       .term = term,
                       .address = leader ? std::string_view(leader->address) : std::string_view()});
}

void HostedArena::tell_leading_until(int64_t ns) {
  if (const auto arena = current())
    replicate::announce_leading_until(arena->store(),
                                      static_cast<uint64_t>(std::max<int64_t>(ns, 1)));
}

uint64_t HostedArena::confirm_asked() const {
  const auto arena = current();
  return arena ? replicate::asked_round(arena->store()) : 0;
}

void HostedArena::tell_confirmed(uint64_t asked) {
  if (const auto arena = current()) replicate::announce_confirmed(arena->store(), asked);
}

void HostedArena::quarantine(const std::optional<replicate::Divergence>& divergence) {
  const auto arena = current();
  if (!arena) return;
  commit::Executor executor(arena->store());
  executor.raise_quarantine(arena->gate() >> 1);
  if (arena->gate() & 1) executor.seal(arena->gate() >> 1);
  if (divergence) replicate::announce_diverged(arena->store(), divergence->position);
  replicate::announce_leading_until(arena->store(), 1);
  replicate::announce_role(arena->store(), ReplicaRole::quarantined);
}

}  // namespace casbook::daemon
