// What a book says of the cluster that keeps it, and what its daemon is asked for.
#include <algorithm>
#include <cstring>

#include "api/book_impl.h"
#include "arena/duration_line.h"
#include "base/clock.h"
#include "base/trace.h"
#include "commit/read.h"
#include "log/durable.h"
#include "log/log_reader.h"

namespace casbook {

namespace api {

namespace {

using arena::ReplicaRole;
using arena::ReplicationLines;

constexpr int64_t kSleepNsMax =
    10'000'000;  // a waker may be killed between the change and the wake
constexpr std::chrono::seconds kOpeningWait{5};

// Relaxed: for people, and for answers that a stale value only makes late.
ReplicaRole role_of(const Core& core) {
  return static_cast<ReplicaRole>(core.store.replication().role.load_relaxed());
}

const char* role_name(ReplicaRole role) {
  switch (role) {
    case ReplicaRole::following:
      return "following";
    case ReplicaRole::leading:
      return "leading";
    case ReplicaRole::sealed:
      return "sealed";
    case ReplicaRole::quarantined:
      return "quarantined";
    case ReplicaRole::none:
      break;
  }
  return "none";
}

struct Leader {
  uint64_t node = 0, term = 0;
  std::string address;
};

// Nobody, while the daemon writes: it names the node last.
Leader read_leader(const ReplicationLines& lines) {
  Leader leader;
  leader.node = lines.leader.load_acquire();  // [leader]
  char bytes[sizeof lines.leader_address];
  for (size_t i = 0; i < std::size(lines.leader_address); ++i) {
    const uint64_t word = lines.leader_address[i].load_relaxed();
    std::memcpy(bytes + 8 * i, &word, 8);
  }
  leader.term = lines.leader_term.load_relaxed();
  base::acquire_fence();  // [leader]
  if (leader.node == 0 || lines.leader.load_relaxed() != leader.node) return {};
  leader.address.assign(bytes, strnlen(bytes, sizeof bytes));
  return leader;
}

const char* member_role_name(uint64_t role) {
  static constexpr const char* kNames[] = {"voter", "standby", "joining", "none"};
  return kNames[std::min<uint64_t>(role, std::size(kNames) - 1)];
}

std::vector<NodeStatus> read_nodes(const ReplicationLines& lines, uint64_t leader) {
  std::vector<NodeStatus> nodes;
  const uint64_t roles = lines.member_roles.load_relaxed();
  for (size_t i = 0; i < std::size(lines.nodes); ++i) {
    const arena::NodeLine& line = lines.nodes[i];
    const uint64_t id = line.id.load_relaxed();
    if (id == 0) continue;
    nodes.push_back({.id = id,
                     .received = {line.received.load_relaxed()},
                     .synced = {line.synced.load_relaxed()},
                     .heard_ms = static_cast<int64_t>(line.heard_ms.load_relaxed()),
                     .is_self = id == lines.node.load_relaxed(),
                     .is_leader = id == leader,
                     .role = member_role_name(roles >> 4 * i & 15)});
  }
  return nodes;
}

void read_counters(const ReplicationLines& lines, ClusterStatus& status) {
  const struct {
    const base::AtomicU64& from;
    uint64_t& to;
  } pairs[] = {{lines.elections, status.elections},
               {lines.step_downs, status.step_downs},
               {lines.datagrams_sent, status.datagrams_sent},
               {lines.datagrams_received, status.datagrams_received},
               {lines.bytes_sent, status.bytes_sent},
               {lines.bytes_received, status.bytes_received},
               {lines.payload_sent, status.payload_sent},
               {lines.repairs_asked, status.repairs_asked},
               {lines.repairs_sent, status.repairs_sent},
               {lines.repair_bytes, status.repair_bytes},
               {lines.dropped_forged, status.dropped_forged},
               {lines.dropped_replayed, status.dropped_replayed},
               {lines.dropped_foreign, status.dropped_foreign},
               {lines.dropped_malformed, status.dropped_malformed},
               {lines.dropped_newer, status.dropped_newer},
               {lines.refused_disks, status.refused_disks},
               {lines.datagram_bytes, status.datagram_bytes}};
  for (const auto& pair : pairs) pair.to = pair.from.load_relaxed();
  status.unicast_fallback = lines.unicast_fallback.load_relaxed() != 0;
}

}  // namespace

ClusterStatus read_cluster_status(const Core& core) {
  ClusterStatus status;
  const ReplicaRole role = role_of(core);
  if (role == ReplicaRole::none) return status;
  const ReplicationLines& lines = core.store.replication();
  status.clustered = true;
  status.role = role_name(role);
  status.node = lines.node.load_relaxed();
  status.leads = role == ReplicaRole::leading && core.store.is_leading() &&
                 core.store.control().gate.load_acquire() & 1;  // [gate]
  Leader leader = read_leader(lines);
  status.leader = leader.node, status.leader_term = leader.term;
  status.leader_address = std::move(leader.address);
  status.durable = log::durable_position(core.store);
  status.quorum = std::max(log::quorum_position(core.store), status.durable);
  const uint64_t end = log::log_end(core.store);
  status.lag = end > status.quorum.lsn() + 1 ? end - status.quorum.lsn() - 1 : 0;
  const arena::Durations waits = arena::read_durations(lines.wait);
  status.wait_p50_us = waits.quantile_us(0.5);
  status.wait_p99_us = waits.quantile_us(0.99);
  status.wait_max_us = waits.quantile_us(1);
  read_counters(lines, status);
  status.diverged = {lines.diverged.load_relaxed()};
  status.digests = lines.digests.load_relaxed();
  status.digest = {lines.digest_position.load_relaxed()};
  status.nodes = read_nodes(lines, status.leader);
  return status;
}

Error not_leader(const Core& core) {
  const Leader leader = read_leader(core.store.replication());
  const bool is_other =
      leader.node != 0 && leader.node != core.store.replication().node.load_relaxed();
  return {Code::not_leader, false, 0, 0,
          is_other ? "node " + std::to_string(leader.node) + " at " + leader.address + " leads"
                   : "no leader is known"};
}

Result<void> check_leading(const Core& core) {
  if (!core.store.is_replicated()) return {};
  const bool is_open = core.store.control().gate.load_acquire() & 1;  // [gate]
  if (is_open && core.store.is_leading() && !core.has_retired()) return {};
  const Code code = core.store.closed_code();
  return code == Code::not_leader ? not_leader(core) : Error{code, false, 0, 0, {}};
}

// A follower applies what a majority has on disk, and nothing else.
Result<void> wait_for_opening(const Core& core, Position opened) {
  if (!core.store.is_replicated() || role_of(core) == ReplicaRole::following) return {};
  if (auto reached = wait_held(core, opened, Level::quorum, kOpeningWait); !reached)
    return Error{Code::outcome_unknown, false, 0, 0, "a majority does not have the opening yet"};
  return {};
}

// The word that only the opening writes: its version is where that was.
Position opening_of(const Core& core, Account account) {
  return {commit::peek_word(core.store, core.tables.profile(account.index), book::kIdInfo).version};
}
Position opening_of(const Core& core, const LedgerInfo& ledger) {
  return {
      commit::peek_word(core.store, core.tables.ledger(ledger.index), book::kLedgerInfo).version};
}

namespace {

// True: answered. False: the time is over.
Result<bool> wait_for_round(const Core& core, uint64_t round, int64_t until) {
  const ReplicationLines& lines = core.store.replication();
  for (;;) {
    const uint64_t ticket = arena::prepare_wait(core.store.own_event(arena::kQuorumEvent));
    // [confirm] Acquire: what the majority had is published.
    if (lines.confirmed.load_acquire() >= round) return true;
    if (auto leading = check_leading(core); !leading) return leading.error();
    const int64_t now = base::monotonic_ns();
    if (now >= until) return false;
    arena::notify(core.store.own_event(arena::kDemandEvent));
    const int64_t wake_ns = std::min(until, now + kSleepNsMax);
    CASBOOK_TRACE(wait, base::kForLead, wake_ns);
    const auto end = arena::wait(core.store.own_event(arena::kQuorumEvent), ticket, wake_ns);
    CASBOOK_TRACE(woken, base::kForLead, static_cast<uint32_t>(end));
  }
}

uint64_t ask(const Core& core) {
  base::AtomicU64& asked = core.store.replication().confirm_asked;
  // Each asks for a round of its own: one that is under way may have begun before this call.
  // Bounded by the others who ask. [confirm] Release: the end of the log was read before.
  for (uint64_t seen = asked.load_relaxed();; seen = asked.load_relaxed())
    if (asked.cas_acq_rel(seen, seen + 1)) return seen + 1;
}

}  // namespace

Result<void> confirm(const Core& core, Position position, std::chrono::milliseconds timeout) {
  const int64_t until = base::monotonic_ns() + std::chrono::nanoseconds(timeout).count();
  if (auto leading = check_leading(core); !leading) return leading.error();
  auto answered = wait_for_round(core, ask(core), until);
  if (!answered) return answered.error();
  const auto left = std::chrono::nanoseconds(std::max<int64_t>(until - base::monotonic_ns(), 0));
  if (*answered && wait_held(core, position, Level::quorum,
                             std::chrono::duration_cast<std::chrono::milliseconds>(left)))
    return {};
  return Code::wait_timeout;
}

}  // namespace api

Result<Position> Book::confirm_leading(std::chrono::milliseconds timeout) {
  const auto current = impl_->share_current();
  if (!current) return current.error();
  const api::Core& core = **current;
  if (core.is_forked()) return Code::forked;
  if (!core.attachment) return Code::read_only;
  // Before it is asked whether this host leads: what is acknowledged up to here is below it.
  const Position position = log::last_position(core.store);
  if (!core.store.is_replicated()) return position;
  if (auto confirmed = api::confirm(core, position, timeout); !confirmed) return confirmed.error();
  return position;
}

}  // namespace casbook
