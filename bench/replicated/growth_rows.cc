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
  return {.accounts = effort.accounts, .payments = is_tiny(effort) ? 200'000 : effort.payments};
}

// Those that are members. A cluster begins with one, three or five; two of three are left, and a
// fourth is added to three.
struct Grown {
  Grown(const Place& place, const Effort& effort, uint32_t count)
      : hosts({.count = count == 2 ? 3 : count,
               .wire = Wire::bridge,
               .folder = place.folder(("growth" + std::to_string(count - 1)).c_str())}),
        cluster(hosts, shape_of(effort), count == 2 || count == 4 ? 3 : count),
        wanted(count) {}
  // What is in the way; empty: nothing.
  std::string serve() {
    if (!hosts.are_there()) return hosts.why_not();
    if (std::string why = cluster.serve(); !why.empty()) return why;
    leader = cluster.find_leader();
    const uint32_t removed = wanted == 2 ? leader % 3 + 1 : 0;
    for (uint32_t host = 1; host <= hosts.count(); ++host)
      if (host != removed && host != leader) followers.push_back(host);
    if (removed != 0) {
      std::string why = cluster.command(leader, "remove", {std::to_string(removed)});
      if (!why.empty()) return why;
      cluster.kill_daemon(removed);
    }
    if (wanted != 4) return "";
    cluster.join(4);
    return cluster.add(leader, 4);
  }
  double followers_us() const {
    double us = 0;
    for (const uint32_t host : followers) us += cluster.processor_us(host);
    return us;
  }

  Hosts hosts;
  ServedCluster cluster;
  const uint32_t wanted;
  uint32_t leader = 0;
  std::vector<uint32_t> followers;
};

void add_growth(const Place& place, const Effort& effort, uint32_t count, Table& table) {
  const std::string name = std::to_string(count - 1);
  Grown grown(place, effort, count);
  ServedCluster& cluster = grown.cluster;
  if (const std::string why = grown.serve(); !why.empty())
    return table.add({name, "skipped: " + why});
  const uint32_t leader = grown.leader;
  OneCaller alone = pay_one_by_one(cluster, leader, effort, Level::durable, nullptr);
  double leader_us = -cluster.processor_us(leader), followers_us = -grown.followers_us();
  const uint64_t bytes_before = cluster.bytes_sent();
  uint64_t paid = 0;
  const double rate = pay_together(cluster, leader, effort.seconds * 4, &paid, Level::durable);
  if (paid == 0) return table.add({name, "skipped: a payment failed"});
  const auto made = static_cast<double>(paid);
  leader_us = (leader_us + cluster.processor_us(leader)) / made;
  followers_us = (followers_us + grown.followers_us()) / made;
  const double bytes = static_cast<double>(cluster.bytes_sent() - bytes_before) / made;
  table.add({name, microseconds(alone.subject.p50()), per_second(rate), microseconds(leader_us),
             count > 1 ? microseconds(followers_us / (count - 1)) : "", figure(bytes)});
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
  for (uint32_t count = 1; count <= 5; ++count)
    if (count < 4 || !is_tiny(effort)) add_growth(place, effort, count, table);
}

void add_absence_rows(const Place& place, const Effort& effort, Table& table) {
  const Hosts hosts({.wire = Wire::bridge, .folder = place.folder("absence")});
  if (!hosts.are_there()) return table.add({"skipped: " + hosts.why_not()});
  ServedCluster cluster(hosts, shape_of(effort));
  if (const std::string why = cluster.serve(); !why.empty()) return table.add({"skipped: " + why});
  add_absence(cluster, is_tiny(effort) ? 0.3 : 60, table);
}

}  // namespace casbook::bench
