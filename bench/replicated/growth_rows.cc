// What each further follower costs, and how long a host that was away needs.
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include "replicated/cluster_payers.h"
#include "replicated/rows.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;
using test_support::Wire;

constexpr uint64_t kPacedPerSecond = 20'000;

bool is_tiny(const Effort& effort) { return effort.blocks <= 2; }

ServedShape shape_of(const Effort& effort) {
  return {.accounts = effort.accounts, .payments = effort.payments};
}

void add_growth(const Place& place, const Effort& effort, uint32_t count, Table& table) {
  const std::string followers = std::to_string(count - 1);
  const Hosts hosts({.count = count,
                     .wire = Wire::bridge,
                     .folder = place.folder(("growth" + followers).c_str())});
  if (!hosts.are_there()) return table.add({followers, "skipped: " + hosts.why_not()});
  ServedCluster cluster(hosts, shape_of(effort));
  if (const std::string why = cluster.serve(); !why.empty())
    return table.add({followers, "skipped: " + why});
  const uint32_t leader = cluster.find_leader();
  OneCaller alone = pay_one_by_one(cluster, leader, effort, Level::durable, nullptr);
  double leader_us = -cluster.processor_us(leader), others_us = 0;
  const auto others = [&] {
    double us = 0;
    for (uint32_t host = 1; host <= count; ++host)
      if (host != leader) us += cluster.processor_us(host);
    return us;
  };
  others_us -= others();
  const uint64_t bytes_before = cluster.bytes_sent();
  uint64_t paid = 0;
  const double rate = pay_together(cluster, leader, effort.seconds * 4, &paid, Level::durable);
  if (paid == 0) return table.add({followers, "skipped: a payment failed"});
  const auto made = static_cast<double>(paid);
  leader_us = (leader_us + cluster.processor_us(leader)) / made;
  others_us = (others_us + others()) / made;
  const double bytes = static_cast<double>(cluster.bytes_sent() - bytes_before) / made;
  table.add({followers, microseconds(alone.subject.p50()), per_second(rate),
             microseconds(leader_us), count > 1 ? microseconds(others_us / (count - 1)) : "",
             figure(bytes)});
}

double seconds_until(const std::function<bool()>& condition) {
  const int64_t start = now_ns();
  while (!condition()) {
    if (now_ns() - start > 120'000'000'000) return 0;
    usleep(2000);
  }
  return static_cast<double>(now_ns() - start) / 1e9;
}

// The daemon stands still for so long while others pay on.
void add_absence(ServedCluster& cluster, double seconds, Table& table) {
  const uint32_t leader = cluster.find_leader(), away = leader % cluster.hosts() + 1;
  const pid_t payer = start_paying(cluster, leader, kPacedPerSecond);
  usleep(100'000);
  kill(cluster.daemon(away), SIGSTOP);
  usleep(static_cast<useconds_t>(seconds * 1e6));
  const uint64_t has = cluster.lsn_of(away), lacks = cluster.lsn_of(leader) - has;
  kill(cluster.daemon(away), SIGCONT);
  const double took = seconds_until([&] { return cluster.lsn_of(away) >= has + lacks; });
  kill(payer, SIGKILL), waitpid(payer, nullptr, 0);
  const std::string what = "stopped for " + figure(seconds) + " s beside " +
                           per_second(kPacedPerSecond) + " of payments, until it has all of then";
  if (took == 0) return table.add({what, std::to_string(lacks), "skipped: not within 120 s"});
  table.add(
      {what, std::to_string(lacks), figure(took), per_second(static_cast<double>(lacks) / took)});
}

}  // namespace

void add_growth_rows(const Place& place, const Effort& effort, Table& table) {
  for (const uint32_t count : {1u, 3u, 5u})
    if (count < 5 || !is_tiny(effort)) add_growth(place, effort, count, table);
}

void add_absence_rows(const Place& place, const Effort& effort, Table& table) {
  const Hosts hosts({.wire = Wire::bridge, .folder = place.folder("absence")});
  if (!hosts.are_there()) return table.add({"skipped: " + hosts.why_not()});
  ServedCluster cluster(hosts, shape_of(effort));
  if (const std::string why = cluster.serve(); !why.empty()) return table.add({"skipped: " + why});
  add_absence(cluster, is_tiny(effort) ? 0.3 : 60, table);
}

}  // namespace casbook::bench
