#include "support/sim_book.h"

#include <algorithm>
#include <cstring>

#include "api/plan.h"
#include "book/book_time.h"
#include "commit/executor.h"
#include "daemon/follower_arena.h"
#include "journal/checkpoint.h"
#include "lease/leases.h"
#include "log/durable.h"
#include "log/log_reader.h"

namespace casbook::test {

using arena::ReplicaRole;
using replicate::LogEntry;

namespace {

constexpr uint64_t kHashSeed = 0x5eed;  // the same on all hosts

CreateOptions create_options(const std::string& directory) {
  CreateOptions options;
  options.directory = directory;
  options.accounts = 32, options.payments = 3000, options.leases = 8, options.ledgers = 2;
  options.window = std::chrono::hours(24);
  options.sessions = 12, options.records = 512;
  return options;
}

}  // namespace

Result<void> SimBook::open_arena(Arena& arena) const {
  auto core = api::open_core(options_.directory, kName, arena::Access::read_write);
  if (!core) return core.error();
  arena.core = std::move(*core);
  if (log::journal_of(arena.core->store).id != options_.journal_id) return Code::foreign_journal;
  return {};
}

Result<void> SimBook::begin_following() {
  const commit::Store& store = arena_.core->store;
  auto replica = replicate::Replica::open(store, *arena_.core->attachment);
  if (!replica) return replica.error();
  arena_.replica = std::move(*replica);
  auto follower = log::Follower::open(store, arena_.core->attachment->ref(), log::kJournalFollower,
                                      log::FullPolicy::refuse_payments, log::Follower::Start::end);
  if (!follower) return follower.error();
  arena_.follower = *follower;
  arena_.follower->release_up_to(arena_.replica->next_lsn());
  replicate::announce_leading_until(store, 1);
  replicate::announce_cluster(store, options_.cluster, options_.node);
  replicate::announce_role(store, ReplicaRole::following);
  return {};
}

Result<bool> SimBook::attach() {
  Arena arena;
  if (auto opened = open_arena(arena); !opened) {
    if (opened.error().code == Code::book_missing) return false;
    return opened.error();
  }
  let_go();
  arena_ = std::move(arena);
  const commit::Store& store = arena_.core->store;
  const auto role = static_cast<ReplicaRole>(store.mapping().replication().role.load_relaxed());
  const uint64_t gate = store.control().gate.load_acquire();
  if (is_quarantined() || (role == ReplicaRole::following && !(gate & 1))) {
    if (auto begun = begin_following(); !begun) return begun.error();
    return true;
  }
  replicate::announce_leading_until(store, 1);
  commit::Executor(store).seal(gate >> 1);
  return false;
}

Result<void> SimBook::create() const {
  auto request = api::plan_arena(kName, create_options(options_.directory));
  if (!request) return request.error();
  request->geometry.hash_seed = kHashSeed;
  return arena::create(*request, [this](arena::Mapping& mapping) -> Result<void> {
    commit::Store::format(mapping, false);
    log::set_journal(commit::Store(mapping), {options_.journal_id, 1});
    return {};
  });
}

// What a session holds of the arena stays; everything that the log says begins anew.
void SimBook::undo_in_place() {
  arena_.replica.reset(), arena_.follower.reset();
  const arena::Mapping& mapping = arena_.core->store.mapping();
  using arena::Region;
  for (const Region region : {Region::log_slots, Region::record_index, Region::cells,
                              Region::block_states, Region::blocks, Region::followers})
    std::memset(mapping.region<std::byte>(region), 0,
                mapping.header().regions[static_cast<uint32_t>(region)].bytes);
  std::memset(&mapping.control(), 0, sizeof(arena::ControlLines));
  std::memset(static_cast<void*>(&mapping.replication()), 0, sizeof(arena::ReplicationLines));
  commit::Store::format(const_cast<arena::Mapping&>(mapping), false);
  log::set_journal(arena_.core->store, {options_.journal_id, 1});
}

Result<void> SimBook::rebuild(replicate::RaftLog& log, Position committed) {
  const bool is_in_place = options_.bug == SimBug::undone_in_place && is_open();
  if (is_in_place) {
    undo_in_place();
  } else {
    if (is_open()) {
      replicate::announce_role(store(), ReplicaRole::sealed);
      replicate::announce_retired(store());
    }
    let_go();
    (void)!arena::destroy(options_.directory, kName);
    if (auto created = create(); !created) return created;
    if (auto opened = open_arena(arena_); !opened) return opened;
  }
  if (auto begun = begin_following(); !begun) return begun;
  // Bounded by the log.
  for (uint64_t index = log.base_index() + 1; index <= log.last_index(); ++index) {
    const replicate::EntryPtr entry = log.entry(index);
    if (!entry) return Error{.code = Code::io_error, .detail = "an entry that the log has"};
    if (entry->count != 0 && entry->last().lsn() > committed.lsn()) break;
    if (auto applied = apply(*entry); !applied) return applied;
  }
  return {};
}

Result<void> SimBook::make_empty() {
  (void)!arena::destroy(options_.directory, kName);
  if (auto created = create(); !created) return created;
  if (auto opened = open_arena(arena_); !opened) return opened;
  return begin_following();
}

Result<void> SimBook::rebuild_from(journal::Storage& storage, uint64_t promised_term,
                                   Position committed) {
  const auto names = journal::list_checkpoints(storage);
  if (!names) return names.error();
  uint64_t lsn = committed.lsn();
  for (const std::string& name : *names)
    lsn = std::max(lsn, journal::checkpoint_position(name).value_or(Position{}).lsn());
  auto request = api::plan_arena(kName, create_options(options_.directory));
  if (!request) return request.error();
  request->geometry.hash_seed = kHashSeed;
  if (is_open()) replicate::announce_role(store(), ReplicaRole::sealed);
  auto rebuilt = daemon::rebuild_follower(storage, *request,
                                          {.shm_directory = options_.directory,
                                           .journal_id = options_.journal_id,
                                           .promised_term = promised_term,
                                           .cluster = options_.cluster,
                                           .node = options_.node,
                                           .to_lsn = lsn,
                                           .replaced = is_open() ? &store() : nullptr});
  if (!rebuilt) return rebuilt.error();
  let_go();
  if (auto opened = open_arena(arena_); !opened) return opened;
  return begin_following();
}

Result<void> SimBook::apply(const LogEntry& entry) {
  auto applied = arena_.replica->apply(entry);
  arena_.follower->release_up_to(arena_.replica->next_lsn());
  return applied;
}

Result<void> SimBook::promote(uint64_t term) {
  log::set_journal(store(), {options_.journal_id, term});
  if (auto opened = arena_.replica->promote(term); !opened) return opened.error();
  const auto session = arena_.core->attachment->open_session();
  if (!session) return session.error();
  log::LogWriter writer(store(), *session);
  writer.set_applier(true);
  lease::Leases leases(store(), {});
  Result<void> done;
  // Progress: each round renews some. The ring has room for all leases of a small book.
  for (uint64_t at = 0;;) {
    auto next = leases.restart_ttls(writer, at, book::book_time_ms(store()));
    if (next && *next == 0) break;
    if (next) {
      at = *next;
      continue;
    }
    if (next.error().code != Code::not_leader) done = next.error();
    break;
  }
  arena_.core->attachment->close_session(*session);
  if (done) replicate::announce_role(store(), ReplicaRole::leading);
  return done;
}

void SimBook::lose_memory() {
  let_go();
  (void)!arena::destroy(options_.directory, kName);
}

uint64_t SimBook::next_lsn() const { return is_open() ? log::log_end(store()) : 1; }

Position SimBook::position() const {
  log::Record last;
  const uint64_t end = next_lsn();
  if (end <= 1) return {};
  if (log::fetch(store(), end - 1, last) == log::Fetch::got) return last.position;
  return log::durable_position(store());
}

journal::BookShape SimBook::shape() const {
  auto shape = journal::shape_of(store().mapping());
  return shape ? *shape : journal::BookShape{};
}

// --- as the node sees it ---

void SimBook::seal(uint64_t term) {
  if (!is_open()) return;
  commit::Executor(store()).seal(term);
  replicate::announce_role(store(), ReplicaRole::sealed);
}

Result<bool> SimBook::take(uint64_t from_lsn, uint64_t bytes_max, LogEntry& entry) {
  if (!is_open() || !arena_.replica) return false;
  auto taken = arena_.replica->take(from_lsn, bytes_max);
  if (!taken) return taken.error();
  if (taken->count == 0) return false;
  entry = std::move(*taken);
  arena_.follower->release_up_to(entry.first_lsn + entry.count);
  return true;
}

uint64_t SimBook::end_lsn() const { return next_lsn(); }
replicate::Waits SimBook::waits() const {
  return is_open() ? replicate::what_is_waited_for(store()) : replicate::Waits::for_nothing;
}
void SimBook::tell_quorum(Position position) {
  if (is_open()) log::publish_quorum(store(), position);
}
void SimBook::tell_durable(Position position) {
  if (is_open()) log::publish_durable(store(), position);
}
void SimBook::tell_leader(const std::optional<replicate::Server>& leader, uint64_t term) {
  if (!is_open()) return;
  replicate::announce_leader(
      store(), {.node = leader ? leader->id : 0,
                .term = term,
                .address = leader ? std::string_view(leader->address) : std::string_view()});
}
void SimBook::tell_leading_until(int64_t ns) {
  if (is_open())
    replicate::announce_leading_until(store(), static_cast<uint64_t>(std::max<int64_t>(ns, 1)));
}
uint64_t SimBook::confirm_asked() const { return is_open() ? replicate::asked_round(store()) : 0; }
void SimBook::tell_confirmed(uint64_t asked) {
  if (is_open()) replicate::announce_confirmed(store(), asked);
}

void SimBook::quarantine(const std::optional<replicate::Divergence>& divergence) {
  if (!is_open()) return;
  commit::Executor executor(store());
  const uint64_t gate = store().control().gate.load_acquire();
  executor.raise_quarantine(gate >> 1);
  if (gate & 1) executor.seal(gate >> 1);
  if (divergence) replicate::announce_diverged(store(), divergence->position);
  replicate::announce_role(store(), ReplicaRole::quarantined);
}

}  // namespace casbook::test
