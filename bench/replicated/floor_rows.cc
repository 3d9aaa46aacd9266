#include "replicated/one_caller.h"
#include "replicated/rows.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;
using test_support::Wire;

FloorShape one_caller(bool is_durable) {
  return {.record_bytes = kRecordBytesAbout, .is_durable = is_durable};
}
FloorShape many_in_flight() {
  return {.callers = kCallers, .records_per_batch = kInFlight, .record_bytes = kRecordBytesAbout};
}

Latencies time_alone(const Hosts& hosts, const FloorShape& shape, const Effort& effort) {
  NetworkFloor floor(hosts, shape);
  pin_floor(floor, hosts.count());
  const Pinned pinned(kCallerCore);
  Latencies latencies;
  time_floor(floor, effort.rounds, latencies);  // warm
  latencies = {};
  time_floor(floor, effort.blocks * effort.rounds, latencies);
  return latencies;
}

double rate_alone(const Hosts& hosts, const Effort& effort) {
  NetworkFloor floor(hosts, many_in_flight());
  floor.run(effort.seconds);
  return floor.run(effort.seconds * 4);
}

}  // namespace

void add_floor_rows(const Place& place, const Effort& effort, const std::string& why,
                    Table& table) {
  const Hosts hosts({.wire = Wire::bridge, .folder = place.folder("floor")});
  const std::string skipped = "skipped: " + (hosts.are_there() ? why : hosts.why_not());
  if (!hosts.are_there()) return table.add({"floors", skipped});
  for (const bool is_durable : {false, true}) {
    Latencies times = time_alone(hosts, one_caller(is_durable), effort);
    const std::string level = is_durable ? "durable" : "quorum";
    table.add({"one caller, one payment, " + level + ", p50", microseconds(times.p50()), skipped});
    table.add({"the same, p99", microseconds(times.p99()), skipped});
  }
  table.add({"4 callers with 1,024 payments in flight each, quorum",
             per_second(rate_alone(hosts, effort)), skipped});
}

void add_wire_rows(const Place& place, const Effort& effort, Table& table) {
  const Hosts bridged({.wire = Wire::bridge, .folder = place.folder("bridged")});
  Hosts switched({.wire = Wire::faulty_switch, .folder = place.folder("switched")});
  for (const std::string& why : {bridged.why_not(), switched.why_not()})
    if (!why.empty()) return table.add({"skipped: " + why});
  Latencies by_bridge = time_alone(bridged, one_caller(false), effort);
  Latencies by_switch = time_alone(switched, one_caller(false), effort);
  table.add({"one caller, one payment, quorum, floor, p50", microseconds(by_bridge.p50()),
             microseconds(by_switch.p50()), figure(by_switch.p50() / by_bridge.p50())});
  const double bridge_rate = rate_alone(bridged, effort);
  const test_support::LinkCounts before = switched.wire().total();
  const int64_t start = now_ns();
  const double switch_rate = rate_alone(switched, effort);
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  const test_support::LinkCounts after = switched.wire().total();
  table.add({"4 callers with 1,024 payments in flight each, quorum, floor", per_second(bridge_rate),
             per_second(switch_rate), figure(switch_rate / bridge_rate)});
  table.add({"frames delivered meanwhile", "",
             per_second(static_cast<double>(after.passed - before.passed) / seconds)});
}

}  // namespace casbook::bench
