#include "cli/cluster_json.h"

#include "cli/time_text.h"

namespace casbook::cli {

namespace {

std::string position_text(Position position) {
  return std::to_string(position.value) + " (term " + std::to_string(position.term()) + ", lsn " +
         std::to_string(position.lsn()) + ")";
}

Json time_json(int64_t ms) { return ms ? Json(format_time(ms)) : Json(nullptr); }

Json nodes_json(const ClusterStatus& cluster) {
  Json list = Json::array();
  for (const NodeStatus& node : cluster.nodes)
    list.push_back({{"node", node.id},
                    {"self", node.is_self},
                    {"leader", node.is_leader},
                    {"role", node.role},
                    {"received", std::to_string(node.received.value)},
                    {"synced", std::to_string(node.synced.value)},
                    {"heard", time_json(node.heard_ms)}});
  return list;
}

Json network_json(const ClusterStatus& cluster) {
  return {{"datagrams_sent", cluster.datagrams_sent},
          {"datagrams_received", cluster.datagrams_received},
          {"bytes_sent", cluster.bytes_sent},
          {"bytes_received", cluster.bytes_received},
          {"payload_sent", cluster.payload_sent},
          {"repairs_asked", cluster.repairs_asked},
          {"repairs_sent", cluster.repairs_sent},
          {"repair_bytes", cluster.repair_bytes},
          {"dropped_forged", cluster.dropped_forged},
          {"dropped_replayed", cluster.dropped_replayed},
          {"dropped_foreign", cluster.dropped_foreign},
          {"dropped_malformed", cluster.dropped_malformed},
          {"dropped_newer", cluster.dropped_newer},
          {"refused_disks", cluster.refused_disks},
          {"datagram_bytes", cluster.datagram_bytes},
          {"unicast_fallback", cluster.unicast_fallback}};
}

std::string leader_text(const ClusterStatus& cluster) {
  if (cluster.leader == 0) return "not known";
  return "node " + std::to_string(cluster.leader) + " at " + cluster.leader_address + ", term " +
         std::to_string(cluster.leader_term);
}

std::string node_text(const NodeStatus& node) {
  const std::string role = node.role == "voter" ? "" : node.role + ", ";
  return role + "received lsn " + std::to_string(node.received.lsn()) + ", synced lsn " +
         std::to_string(node.synced.lsn()) +
         (node.heard_ms ? ", heard " + format_time(node.heard_ms) : "") +
         (node.is_leader ? ", leads" : "") + (node.is_self ? ", this one" : "");
}

}  // namespace

Json cluster_json(const ClusterStatus& cluster) {
  if (!cluster.clustered) return nullptr;
  return {{"role", cluster.role},
          {"leads", cluster.leads},
          {"node", cluster.node},
          {"leader", cluster.leader},
          {"leader_address", cluster.leader_address},
          {"leader_term", std::to_string(cluster.leader_term)},
          {"quorum", std::to_string(cluster.quorum.value)},
          {"durable", std::to_string(cluster.durable.value)},
          {"lag", cluster.lag},
          {"wait_p50_us", cluster.wait_p50_us},
          {"wait_p99_us", cluster.wait_p99_us},
          {"wait_max_us", cluster.wait_max_us},
          {"diverged", std::to_string(cluster.diverged.value)},
          {"digests", cluster.digests},
          {"digest", std::to_string(cluster.digest.value)},
          {"elections", cluster.elections},
          {"step_downs", cluster.step_downs},
          {"nodes", nodes_json(cluster)},
          {"network", network_json(cluster)}};
}

void add_cluster_for_people(const ClusterStatus& cluster, Json& object) {
  if (!cluster.clustered) {
    object["cluster"] = "none: this host alone keeps the book";
    return;
  }
  object["cluster"] = "node " + std::to_string(cluster.node) + ", " + cluster.role +
                      (cluster.role == "leading" && !cluster.leads ? ", not confirmed now" : "");
  object["leader"] = leader_text(cluster);
  object["quorum"] =
      position_text(cluster.quorum) + ", " + std::to_string(cluster.lag) + " records behind";
  object["on_disks"] = position_text(cluster.durable);
  if (cluster.diverged.value != 0)
    object["diverged"] = "seen at " + position_text(cluster.diverged) +
                         ": this book is another than the cluster's; see event book_diverged";
  else if (cluster.digest.value != 0)
    object["compared"] = "up to " + position_text(cluster.digest);
  for (const NodeStatus& node : cluster.nodes)
    object["node_" + std::to_string(node.id)] = node_text(node);
}

}  // namespace casbook::cli
