#include "daemon/figures.h"

#include <algorithm>

#include "arena/duration_line.h"
#include "base/clock.h"
#include "log/durable.h"

namespace casbook::daemon {

namespace {

using arena::JournalState;
using prometheus::ClientMetric;
using prometheus::MetricType;

double seconds(uint64_t count, double per_second) {
  return static_cast<double>(count) / per_second;
}

double seconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

class Figures {
 public:
  explicit Figures(const std::string& book) : book_(book) {}

  // Names ending in _total are counters, as Prometheus wants it.
  void add(const char* name, const char* help, double value) {
    begin(name, help,
          std::string_view(name).ends_with("_total") ? MetricType::Counter : MetricType::Gauge);
    add_labelled({}, value);
  }
  void add(const char* name, const char* help, uint64_t value) {
    add(name, help, static_cast<double>(value));
  }
  // A family of gauges that differ in one label.
  void begin_gauges(const char* name, const char* help) { begin(name, help, MetricType::Gauge); }
  void begin_counters(const char* name, const char* help) {
    begin(name, help, MetricType::Counter);
  }
  void add_labelled(const std::vector<ClientMetric::Label>& labels, double value) {
    ClientMetric metric = labelled(labels);
    const bool is_counter = families_.back().type == MetricType::Counter;
    (is_counter ? metric.counter.value : metric.gauge.value) = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void add_durations(const char* name, const char* help, const arena::Durations& durations) {
    begin(name, help, MetricType::Histogram);
    ClientMetric metric = labelled({});
    uint64_t below = 0;
    for (uint32_t i = 0; i + 1 < arena::kDurationBuckets; ++i) {
      below += durations.buckets[i];
      metric.histogram.bucket.push_back({below, seconds(durations.bound(i))});
    }
    metric.histogram.sample_count = durations.count;
    metric.histogram.sample_sum = seconds(durations.sum);
    families_.back().metric.push_back(std::move(metric));
  }

  std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

 private:
  void begin(const char* name, const char* help, MetricType type) {
    families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
  }
  ClientMetric labelled(const std::vector<ClientMetric::Label>& labels) const {
    ClientMetric metric;
    metric.label.push_back({"book", book_});
    metric.label.insert(metric.label.end(), labels.begin(), labels.end());
    return metric;
  }

  const std::string& book_;
  std::vector<prometheus::MetricFamily> families_;
};

void add_activity(Figures& figures, const BookActivity& activity) {
  figures.add("casbook_commits_total", "Commits of every kind", activity.commits);
  figures.add("casbook_payments_total", "Payments executed", activity.payments);
  figures.add("casbook_denials_total", "Payments refused, and recorded so under their ids",
              activity.denials);
  figures.add("casbook_aborts_total", "Attempts aborted because another commit came first",
              activity.conflicts);
  figures.add("casbook_helps_total", "Commits of others brought to their end", activity.helps);
  figures.add("casbook_slow_lane_total", "Payments made with any-version entries",
              activity.slow_lane);
  figures.add("casbook_takeovers_total", "Dead processes whose remains were taken over",
              activity.takeovers);
  figures.add("casbook_sessions", "Sessions in use", uint64_t{activity.sessions});
  figures.add("casbook_leases_held", "Leases held", activity.leases_held);
  figures.add("casbook_ring_records", "Records that the ring holds", activity.records_held);
  figures.add("casbook_ring_records_max", "Records that the ring can hold", activity.records_max);
  figures.begin_gauges("casbook_follower_lag_records", "Records that a follower still has to take");
  for (const FollowerStatus& follower : activity.followers)
    figures.add_labelled({{"follower", follower.name}}, static_cast<double>(follower.lag));
  figures.begin_gauges("casbook_follower_alive", "Whether the process of a follower lives");
  for (const FollowerStatus& follower : activity.followers)
    figures.add_labelled({{"follower", follower.name}}, follower.alive ? 1 : 0);
}

// Terms and LSNs apart: a position as a whole has more digits than a double.
void add_positions(Figures& figures, const BookActivity& activity) {
  const uint64_t committed = activity.position.lsn(), durable = activity.durable.lsn();
  figures.add("casbook_term", "Term of the last commit", activity.position.term());
  figures.add("casbook_committed_lsn", "LSN of the last commit", committed);
  figures.add("casbook_durable_lsn", "LSN up to which everything is synced", durable);
  figures.add("casbook_durable_lag_records", "Records committed and not synced yet",
              committed > durable ? committed - durable : 0);
}

void add_journal(Figures& figures, const arena::JournalLines& lines) {
  constexpr std::pair<const char*, JournalState> kStates[] = {{"serving", JournalState::serving},
                                                              {"stopped", JournalState::stopped},
                                                              {"no_space", JournalState::no_space},
                                                              {"failed", JournalState::failed}};
  const auto state = static_cast<JournalState>(lines.state.load_relaxed());
  figures.begin_gauges("casbook_journal_state", "1 for the state that the journal is in");
  for (const auto& [name, value] : kStates)
    figures.add_labelled({{"state", name}}, state == value ? 1 : 0);
  figures.add("casbook_journal_segments", "Segments kept", lines.segments.load_relaxed());
  figures.add("casbook_journal_bytes", "Bytes of the segments kept",
              lines.journal_bytes.load_relaxed());
  figures.add("casbook_journal_entries_total", "Entries written since the daemon was started",
              lines.entries.load_relaxed());
  figures.add("casbook_journal_written_bytes_total", "Bytes written since the daemon was started",
              lines.bytes_written.load_relaxed());
  figures.add_durations("casbook_journal_sync_seconds", "One sync of the disk",
                        arena::read_durations(lines.sync));
  figures.add_durations("casbook_durable_wait_seconds", "How long a caller waited for durable",
                        arena::read_durations(lines.wait));
}

void add_checkpoint(Figures& figures, const arena::JournalLines& lines) {
  const uint64_t at_ms = lines.checkpoint_ms.load_relaxed();
  figures.add("casbook_checkpoint_failures_total", "Checkpoints that failed",
              lines.checkpoint_failures.load_relaxed());
  if (at_ms == 0) return;  // none yet, so nothing has an age
  const int64_t age_ms = base::wall_clock_ms() - static_cast<int64_t>(at_ms);
  figures.add("casbook_checkpoint_age_seconds", "Since the last checkpoint was taken",
              seconds(static_cast<uint64_t>(std::max<int64_t>(age_ms, 0)), 1e3));
  figures.add("casbook_checkpoint_lsn", "LSN of the last checkpoint",
              Position{lines.checkpoint_position.load_relaxed()}.lsn());
  figures.add("casbook_checkpoint_bytes", "Size of the last checkpoint",
              lines.checkpoint_bytes.load_relaxed());
  figures.add("casbook_checkpoint_duration_seconds", "How long the last checkpoint took",
              seconds(lines.checkpoint_took_ms.load_relaxed(), 1e3));
}

void add_standing(Figures& figures, const ClusterStatus& cluster) {
  figures.begin_gauges("casbook_cluster_role", "1 for the role that this node has");
  for (const char* role : {"following", "leading", "sealed", "quarantined"})
    figures.add_labelled({{"role", role}}, cluster.role == role ? 1 : 0);
  figures.add("casbook_cluster_leads", "Whether payments are accepted here",
              uint64_t{cluster.leads});
  figures.add("casbook_cluster_leader", "Node that leads, 0 when none is known", cluster.leader);
  figures.add("casbook_cluster_term", "Term of that leader", cluster.leader_term);
  figures.add("casbook_quorum_lsn", "LSN up to which a majority has everything in memory",
              cluster.quorum.lsn());
  figures.add("casbook_quorum_lag_records", "Records that a majority does not have", cluster.lag);
  figures.add("casbook_elections_total", "Elections that this node won", cluster.elections);
  figures.add("casbook_cluster_diverged",
              "Whether this book was found to be another than the cluster's",
              uint64_t{cluster.diverged.value != 0});
  figures.add("casbook_digests_total", "Digests of the book that were made or compared here",
              cluster.digests);
  figures.add("casbook_digest_lsn", "LSN of the last digest in which nothing differed",
              cluster.digest.lsn());
  figures.add("casbook_step_downs_total", "Times that this node led and stopped",
              cluster.step_downs);
}

void add_nodes(Figures& figures, const ClusterStatus& cluster) {
  const auto label = [](const NodeStatus& node) -> std::vector<ClientMetric::Label> {
    return {{"node", std::to_string(node.id)}};
  };
  figures.begin_gauges("casbook_node_received_lsn", "LSN up to which a node has all in memory");
  for (const NodeStatus& node : cluster.nodes)
    figures.add_labelled(label(node), static_cast<double>(node.received.lsn()));
  figures.begin_gauges("casbook_node_synced_lsn", "LSN up to which a node has all on disk");
  for (const NodeStatus& node : cluster.nodes)
    figures.add_labelled(label(node), static_cast<double>(node.synced.lsn()));
  figures.begin_gauges("casbook_node_heard_seconds", "Since a node was heard last");
  for (const NodeStatus& node : cluster.nodes)
    if (const int64_t silent_ms = base::wall_clock_ms() - node.heard_ms; node.heard_ms != 0)
      figures.add_labelled(label(node), static_cast<double>(std::max<int64_t>(silent_ms, 0)) / 1e3);
}

void add_network(Figures& figures, const ClusterStatus& cluster) {
  figures.add("casbook_datagrams_sent_total", "Datagrams sent", cluster.datagrams_sent);
  figures.add("casbook_datagrams_received_total", "Datagrams received", cluster.datagrams_received);
  figures.add("casbook_network_sent_bytes_total", "Bytes sent", cluster.bytes_sent);
  figures.add("casbook_network_received_bytes_total", "Bytes received", cluster.bytes_received);
  figures.add("casbook_payload_sent_bytes_total", "Bytes of entries sent, each counted once",
              cluster.payload_sent);
  figures.add("casbook_repairs_asked_total", "Repairs asked for", cluster.repairs_asked);
  figures.add("casbook_repairs_sent_total", "Repairs sent", cluster.repairs_sent);
  figures.add("casbook_repair_bytes_total", "Bytes sent for repair", cluster.repair_bytes);
  figures.begin_counters("casbook_dropped_datagrams_total", "Datagrams dropped, by reason");
  figures.add_labelled({{"reason", "forged"}}, static_cast<double>(cluster.dropped_forged));
  figures.add_labelled({{"reason", "replayed"}}, static_cast<double>(cluster.dropped_replayed));
  figures.add_labelled({{"reason", "foreign"}}, static_cast<double>(cluster.dropped_foreign));
  figures.add_labelled({{"reason", "malformed"}}, static_cast<double>(cluster.dropped_malformed));
  figures.add_labelled({{"reason", "newer"}}, static_cast<double>(cluster.dropped_newer));
  figures.add("casbook_refused_disks_total",
              "Answers of nodes with another disk than they were known with",
              cluster.refused_disks);
  figures.add("casbook_datagram_bytes", "Bytes of a datagram at most, by the narrowest path",
              cluster.datagram_bytes);
  figures.add("casbook_unicast_fallback", "Whether multicast is silent",
              uint64_t{cluster.unicast_fallback});
}

}  // namespace

std::vector<prometheus::MetricFamily> figures_of(const std::string& book,
                                                 const BookActivity& activity,
                                                 const arena::Mapping& mapping) {
  const arena::JournalLines& lines = mapping.journal();
  Figures figures(book);
  add_activity(figures, activity);
  figures.add_durations("casbook_payment_seconds",
                        "One executed payment, by sample, without waiting for a level",
                        arena::read_durations(mapping.commit_times().pay, arena::kCommitTimeUnit));
  add_positions(figures, activity);
  add_journal(figures, lines);
  add_checkpoint(figures, lines);
  if (!activity.cluster.clustered) return figures.take();
  add_standing(figures, activity.cluster);
  add_nodes(figures, activity.cluster);
  add_network(figures, activity.cluster);
  figures.add_durations("casbook_quorum_wait_seconds", "How long a caller waited for quorum",
                        arena::read_durations(mapping.replication().wait));
  return figures.take();
}

}  // namespace casbook::daemon
