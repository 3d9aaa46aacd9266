// What it costs to bring a host in: what others' payments feel of it, how fast a copy goes, and how
// long a host needs that was gone or has nothing.
#include <thread>

#include "replicated/cluster_payers.h"
#include "replicated/paced_payer.h"
#include "replicated/raw_link.h"
#include "replicated/rows.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;
using test_support::Wire;

constexpr Aim kP99WhileAdded{2, true};
constexpr uint32_t kFounders = 3, kNew = 4;
constexpr int64_t kPaceNs = 2'000'000;
constexpr double kMega = 1e6, kSecondsMax = 300;

bool is_tiny(const Effort& effort) { return effort.blocks <= 2; }

// Of payments: in the log when a host is added or was away. The second is beyond what followers may
// lack by default (lag_hard_bytes), so that a copy is taken.
struct Amounts {
  uint64_t book, away, far_away;
  double before_seconds;
};
Amounts amounts(const Effort& effort) {
  if (is_tiny(effort)) return {4'000, 2'000, 0, 0.2};
  return {2'000'000, 400'000, 2'000'000, 20};
}

struct FourHosts {
  FourHosts(const Place& place, const Effort& effort, const char* name,
            const std::string& copy_rate)
      : hosts({.count = kNew, .wire = Wire::bridge, .folder = place.folder(name)}),
        cluster(
            hosts,
            {.accounts = effort.accounts, .payments = is_tiny(effort) ? 200'000 : effort.payments},
            kFounders, copy_rate) {}
  // What is in the way; empty: nothing.
  std::string serve() {
    if (!hosts.are_there()) return hosts.why_not();
    if (std::string why = cluster.serve(); !why.empty()) return why;
    leader = cluster.find_leader();
    return "";
  }
  // At least so many more records. False: a payment failed.
  bool pay(uint64_t records, double block_seconds) {
    const uint64_t until = cluster.lsn_of(leader) + records;
    while (cluster.lsn_of(leader) < until)
      if (pay_together(cluster, leader, block_seconds, nullptr, Level::durable) == 0) return false;
    return true;
  }
  // Seconds; 0: not in time.
  double until_even(uint32_t host) const {
    const int64_t start = now_ns();
    const uint64_t lsn = cluster.lsn_of(leader);
    while (cluster.lsn_of(host) < lsn) {
      if (now_ns() - start > static_cast<int64_t>(kSecondsMax * 1e9)) return 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return static_cast<double>(now_ns() - start) / 1e9;
  }

  Hosts hosts;
  ServedCluster cluster;
  uint32_t leader = 0;
};

std::string megabytes(double bytes) { return figure(bytes / kMega) + " MB"; }
std::string rate_of(double bytes, double seconds) {
  return seconds > 0 ? figure(bytes / kMega / seconds) + " MB/s" : "";
}

void add_compared(Table& table, const std::string& what, double before, double meanwhile,
                  const Aim* aim = nullptr) {
  const double ratio = before > 0 ? meanwhile / before : 0;
  table.add({what, microseconds(before), microseconds(meanwhile), figure(ratio),
             aim ? aim->text() : "", aim ? aim->verdict(ratio) : ""});
}

// A host that was killed, and is started again when so many more records were made.
void add_away(FourHosts& four, uint64_t records, double block_seconds, Table& table) {
  ServedCluster& cluster = four.cluster;
  const uint32_t away = four.leader % kFounders + 1;
  const uint64_t has = cluster.lsn_of(four.leader);
  cluster.kill_daemon(away);
  if (!four.pay(records, block_seconds)) return table.add({"skipped: a payment failed"});
  const uint64_t lacks = cluster.lsn_of(four.leader) - has;
  const uint64_t before = cluster.bytes_sent_by(four.leader);
  const double copied_before = cluster.told(away, "copy_fetched", "last_index");
  const int64_t start = now_ns();
  cluster.start_daemon(away);
  if (four.until_even(away) == 0) return table.add({"skipped: not even in time"});
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  const auto bytes = static_cast<double>(cluster.bytes_sent_by(four.leader) - before);
  const bool is_copied = cluster.told(away, "copy_fetched", "last_index") != copied_before;
  table.add({std::string("killed, started again: ") + (is_copied ? "a copy" : "from the log"),
             std::to_string(lacks), megabytes(bytes), figure(seconds), rate_of(bytes, seconds),
             per_second(static_cast<double>(lacks) / seconds)});
}

// A host with an empty disk, as a stand-by.
void add_from_nothing(FourHosts& four, Table& table) {
  ServedCluster& cluster = four.cluster;
  const int64_t start = now_ns();
  cluster.join(kNew);
  if (const std::string why = cluster.add(four.leader, kNew, true); !why.empty())
    return table.add({"skipped: " + why});
  if (four.until_even(kNew) == 0) return table.add({"skipped: not even in time"});
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  const double bytes = cluster.told(kNew, "copy_fetched", "bytes");
  const double copied_s = cluster.told(kNew, "copy_fetched", "ms") / 1e3;
  const uint64_t records = cluster.lsn_of(four.leader);
  table.add({"a new host, from its start until it has all", std::to_string(records),
             megabytes(bytes), figure(seconds), rate_of(bytes, seconds),
             per_second(static_cast<double>(records) / seconds)});
  table.add({"of that the copy, its files read, sealed, sent, checked and synced",
             std::to_string(records), megabytes(bytes), figure(copied_s), rate_of(bytes, copied_s),
             copied_s > 0 ? per_second(static_cast<double>(records) / copied_s) : ""});
  const auto as_many = static_cast<uint64_t>(bytes);
  const double raw = raw_link_rate(four.hosts, four.leader, kNew, as_many);
  if (raw == 0) return table.add({"the raw link", "", "skipped: no stream"});
  table.add({"one plain TCP stream of as many bytes between the two", "", megabytes(bytes),
             figure(bytes / raw), rate_of(bytes, bytes / raw)});
}

}  // namespace

void add_joining_rows(const Place& place, const Effort& effort, Table& table) {
  const Amounts many = amounts(effort);
  FourHosts four(place, effort, "joining",
                 "64MiB");  // the rate that a configuration has by default
  if (const std::string why = four.serve(); !why.empty()) return table.add({"skipped: " + why});
  if (!four.pay(many.book, 8 * effort.seconds)) return table.add({"skipped: a payment failed"});
  PacedPayer payer(four.cluster, four.leader, kPaceNs);
  std::this_thread::sleep_for(std::chrono::duration<double>(many.before_seconds));
  payer.begin(1);
  const int64_t start = now_ns();
  four.cluster.join(kNew);
  const std::string refusal = four.cluster.add(four.leader, kNew);
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  Latencies before = payer.end(0), meanwhile = payer.end(1);
  if (!refusal.empty()) return table.add({"skipped: " + refusal});
  if (payer.has_failed()) return table.add({"skipped: a payment failed"});
  const double bytes = four.cluster.told(kNew, "copy_fetched", "bytes");
  const std::string what = "one durable payment every " + figure(kPaceNs / 1e6) +
                           " ms while a fourth host becomes a voter (" + figure(seconds) +
                           " s, a copy of " + megabytes(bytes) + ")";
  add_compared(table, what + ", p50", before.p50(), meanwhile.p50());
  add_compared(table, "the same, p99", before.p99(), meanwhile.p99(), &kP99WhileAdded);
  add_compared(table, "the same, the longest", before.us_at(1), meanwhile.us_at(1));
}

void add_catching_up_rows(const Place& place, const Effort& effort, Table& table) {
  const Amounts many = amounts(effort);
  FourHosts four(place, effort, "catching_up", "0");
  if (const std::string why = four.serve(); !why.empty()) return table.add({"skipped: " + why});
  if (!four.pay(many.book, 8 * effort.seconds)) return table.add({"skipped: a payment failed"});
  add_away(four, many.away, 8 * effort.seconds, table);
  if (many.far_away > 0) add_away(four, many.far_away, 8 * effort.seconds, table);
  add_from_nothing(four, table);
}

}  // namespace casbook::bench
