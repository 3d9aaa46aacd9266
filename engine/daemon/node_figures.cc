#include "daemon/node_figures.h"

#include "arena/duration_line.h"
#include "base/clock.h"

namespace casbook::daemon {

namespace {

uint64_t number_of(std::optional<replicate::ServerRole> role) {
  using arena::MemberRole;
  if (!role) return static_cast<uint64_t>(MemberRole::none);
  switch (*role) {
    case replicate::ServerRole::voter:
      return static_cast<uint64_t>(MemberRole::voter);
    case replicate::ServerRole::standby:
      return static_cast<uint64_t>(MemberRole::standby);
    case replicate::ServerRole::joining:
      return static_cast<uint64_t>(MemberRole::joining);
  }
  return static_cast<uint64_t>(MemberRole::none);
}

}  // namespace

void publish_figures(const replicate::Replicator& node, replicate::RaftLog& log,
                     const HostedArena::Lines& lines) {
  if (!lines.replication) return;
  arena::ReplicationLines& to = *lines.replication;
  const int64_t now_ns = base::monotonic_ns();
  const auto now_ms = base::wall_clock_ms();
  uint32_t line = 0;
  uint64_t roles = 0;
  for (const auto& from : node.nodes()) {
    if (line == arena::kNodesMax) break;
    roles |= number_of(from.role) << 4 * line;
    arena::NodeLine& at = to.nodes[line++];
    at.id.store_relaxed(from.id);
    at.received.store_relaxed(from.received_index ? log.position_at(from.received_index).value : 0);
    at.synced.store_relaxed(from.synced_index ? log.position_at(from.synced_index).value : 0);
    const int64_t silent_ms = (now_ns - from.heard_ns) / 1'000'000;
    at.heard_ms.store_relaxed(from.heard_ns ? static_cast<uint64_t>(now_ms - silent_ms) : 0);
  }
  for (; line < arena::kNodesMax; ++line) to.nodes[line].id.store_relaxed(0);
  to.member_roles.store_relaxed(roles);
  const auto& counts = node.transport().counts();
  to.elections.store_relaxed(node.counts().elections);
  to.step_downs.store_relaxed(node.counts().step_downs);
  to.datagrams_sent.store_relaxed(counts.datagrams_sent);
  to.datagrams_received.store_relaxed(counts.datagrams_received);
  to.bytes_sent.store_relaxed(counts.bytes_sent);
  to.bytes_received.store_relaxed(counts.bytes_received);
  to.payload_sent.store_relaxed(counts.payload_sent);
  to.repairs_asked.store_relaxed(counts.repairs_asked);
  to.repairs_sent.store_relaxed(counts.repairs_sent);
  to.repair_bytes.store_relaxed(counts.repair_bytes);
  to.dropped_forged.store_relaxed(counts.dropped_forged);
  to.dropped_replayed.store_relaxed(counts.dropped_replayed);
  to.dropped_foreign.store_relaxed(counts.dropped_foreign);
  to.dropped_malformed.store_relaxed(counts.dropped_malformed);
  to.dropped_newer.store_relaxed(counts.dropped_newer);
  to.refused_disks.store_relaxed(counts.refused_disks);
  to.datagram_bytes.store_relaxed(node.transport().datagram_bytes());
  to.unicast_fallback.store_relaxed(node.transport().is_falling_back() ? 1 : 0);
  to.digests.store_relaxed(node.digests().digests);
  to.digest_position.store_relaxed(node.digests().position.value);
  const auto written = log.appender().counts();
  lines.journal->entries.store_relaxed(written.entries);
  lines.journal->bytes_written.store_relaxed(written.bytes);
}

}  // namespace casbook::daemon
