#include <algorithm>
#include <thread>

#include "replicated/cluster_payers.h"
#include "replicated/one_caller.h"
#include "replicated/rows.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;
using test_support::Wire;

constexpr Aim kQuorumP50{1.3, true}, kDurableP50{1.2, true};
constexpr Aim kLossP50{2, true}, kLossRate{0.6, false};
constexpr double kRateMin = 300'000, kFailoverMsMax = 400;

void add_compared(Table& table, const std::string& what, const std::string& floor,
                  const std::string& subject, double ratio, const Aim* aim = nullptr) {
  table.add({what, floor, subject, figure(ratio), aim ? aim->text() : "",
             aim ? aim->verdict(ratio) : ""});
}

ServedShape shape_of(const Effort& effort) {
  return {.accounts = effort.accounts, .payments = effort.payments};
}

void pin_cluster(const ServedCluster& cluster, uint32_t leader) {
  for (uint32_t host = 1; host <= cluster.hosts(); ++host)
    pin_process(cluster.daemon(host), host == leader ? kCallerCore : kDaemonCore);
}
void unpin_cluster(const ServedCluster& cluster) {
  for (uint32_t host = 1; host <= cluster.hosts(); ++host) pin_process(cluster.daemon(host), -1);
}

bool add_one_caller(const Hosts& hosts, ServedCluster& cluster, const Effort& effort, Level level,
                    Table& table) {
  const uint32_t leader = cluster.find_leader();
  const bool is_durable = level == Level::durable;
  const std::string what =
      std::string("one caller, one payment, ") + (is_durable ? "durable" : "quorum");
  NetworkFloor floor(hosts, {.record_bytes = kRecordBytesAbout, .is_durable = is_durable});
  pin_floor(floor, hosts.count());
  pin_cluster(cluster, leader);
  OneCaller times = pay_one_by_one(cluster, leader, effort, level, &floor);
  unpin_cluster(cluster);
  if (times.subject.count() == 0) return table.add({what, "", "skipped: a payment failed"}), false;
  add_compared(table, what + ", p50", microseconds(times.floor.p50()),
               microseconds(times.subject.p50()), times.p50_ratio(),
               is_durable ? &kDurableP50 : &kQuorumP50);
  add_compared(table, "the same, p99", microseconds(times.floor.p99()),
               microseconds(times.subject.p99()), times.p99_ratio());
  return true;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void add_group(const Hosts& hosts, ServedCluster& cluster, const Effort& effort, Table& table) {
  NetworkFloor floor(
      hosts,
      {.callers = kCallers, .records_per_batch = kInFlight, .record_bytes = kRecordBytesAbout});
  floor.run(effort.seconds);
  const uint32_t leader = cluster.find_leader();
  std::vector<double> floors, rates;
  for (uint32_t block = 0; block < std::max(2u, effort.blocks / 4); ++block) {
    floors.push_back(floor.run(effort.seconds));
    rates.push_back(pay_together(cluster, leader, effort.seconds));
  }
  const double rate = median(rates), ratio = rate / median(floors);
  table.add({"4 callers with 1,024 payments in flight each, quorum", per_second(median(floors)),
             per_second(rate), figure(ratio), "at least " + per_second(kRateMin),
             rate >= kRateMin ? "met" : "missed"});
}

// On the switch of the tests: loses nothing, then one frame in a hundred.
void add_loss(const Place& place, const Effort& effort, Table& table) {
  Hosts hosts({.wire = Wire::faulty_switch, .folder = place.folder("lossy")});
  ServedCluster cluster(hosts, shape_of(effort));
  const char* what = "with 1 % of all frames lost, beside none (first column)";
  if (std::string why = cluster.serve(); !why.empty())
    return table.add({what, "", "skipped: " + why});
  Latencies latencies[2];
  double rates[2];
  for (const int is_lossy : {0, 1}) {
    hosts.wire().set_all({.lose = is_lossy ? 0.01 : 0});
    const uint32_t leader = cluster.find_leader();
    pin_cluster(cluster, leader);
    latencies[is_lossy] = pay_one_by_one(cluster, leader, effort, Level::quorum, nullptr).subject;
    unpin_cluster(cluster);
    rates[is_lossy] = pay_together(cluster, leader, effort.seconds * 4);
  }
  const double p50 = latencies[1].p50() / latencies[0].p50();
  add_compared(table, std::string("one caller, quorum, p50, ") + what,
               microseconds(latencies[0].p50()), microseconds(latencies[1].p50()), p50, &kLossP50);
  add_compared(table, "4 callers with 1,024 in flight each, the same", per_second(rates[0]),
               per_second(rates[1]), rates[1] / rates[0], &kLossRate);
}

void add_failover(ServedCluster& cluster, const Effort& effort, Table& table) {
  std::vector<double> took_ms;
  for (uint32_t i = 0; i < std::max(1u, effort.blocks / 3); ++i)
    if (const double ms = time_failover(cluster); ms > 0) took_ms.push_back(ms);
  if (took_ms.empty())
    return table.add({"leader killed under load", "", "skipped: nobody paid after it"});
  const double worst = *std::max_element(took_ms.begin(), took_ms.end());
  table.add({"leader killed under load to the first new durable payment, median", "",
             figure(median(took_ms)) + " ms", "", "at most " + figure(kFailoverMsMax) + " ms",
             median(took_ms) <= kFailoverMsMax ? "met" : "missed"});
  table.add({"the same, worst of " + std::to_string(took_ms.size()), "", figure(worst) + " ms"});
}

// What all hosts send for a payment made alone, and for one of many.
void add_wire_bytes(const Place& place, const Effort& effort, Table& table) {
  for (const uint32_t count : {3u, 5u}) {
    const Hosts hosts({.count = count,
                       .wire = Wire::bridge,
                       .folder = place.folder(count == 3 ? "three" : "five")});
    ServedCluster cluster(hosts, shape_of(effort));
    const std::string followers = count == 3 ? "two" : "four";
    const std::string what = "bytes on the wire per payment, " + followers + " followers";
    if (std::string why = cluster.serve(); !why.empty()) {
      table.add({what, "", "skipped: " + why});
      continue;
    }
    const uint32_t leader = cluster.find_leader();
    const uint64_t before = cluster.bytes_sent();
    const double alone = static_cast<double>(
        pay_one_by_one(cluster, leader, effort, Level::quorum, nullptr).subject.count());
    const uint64_t between = cluster.bytes_sent();
    uint64_t together = 0;
    pay_together(cluster, leader, effort.seconds, &together);
    const uint64_t after = cluster.bytes_sent();
    table.add({what + ", one caller", "", figure(static_cast<double>(between - before) / alone)});
    table.add({"the same, 4 callers with 1,024 in flight each", "",
               figure(static_cast<double>(after - between) / static_cast<double>(together))});
  }
}

}  // namespace

namespace {

// The rows of one cluster. False: it is not there, and there is no use in going on.
bool add_cluster_rows(const Place& place, const Effort& effort, const Rows& rows, Table& table) {
  const Hosts hosts({.wire = Wire::bridge, .folder = place.folder("hosts")});
  if (!hosts.are_there()) return add_floor_rows(place, effort, hosts.why_not(), table), false;
  ServedCluster cluster(hosts, shape_of(effort));
  if (const std::string why = cluster.serve(); !why.empty())
    return add_floor_rows(place, effort, why, table), false;
  for (const Level level : {Level::quorum, Level::durable})
    if (rows.have(level == Level::durable ? "durable" : "quorum") &&
        !add_one_caller(hosts, cluster, effort, level, table))
      return false;
  if (rows.have("together")) add_group(hosts, cluster, effort, table);
  if (rows.have("failover")) add_failover(cluster, effort, table);
  return true;
}

}  // namespace

void add_casbook_rows(const Place& place, const Effort& effort, const Rows& rows, Table& table) {
  if (!add_cluster_rows(place, effort, rows, table)) return;
  if (rows.have("loss")) add_loss(place, effort, table);
  if (rows.have("bytes")) add_wire_bytes(place, effort, table);
}

}  // namespace casbook::bench
