// The tables of bench_replicated.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "durable/effort.h"
#include "served/place.h"
#include "table.h"

namespace casbook::bench {

constexpr uint32_t kCallers = 4;
constexpr uint64_t kInFlight = 1024;  // payments of each caller
// Of a payment between two accounts, where there is no book to ask.
constexpr uint64_t kRecordBytesAbout = 424;

// Which of casbook's rows are wanted.
class Rows {
 public:
  // False: there is no such row.
  bool add(const std::string& name) {
    static const std::vector<std::string> kNames = {"quorum",   "durable", "together",
                                                    "failover", "loss",    "bytes"};
    named_.push_back(name);
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
  }
  bool are_all() const { return named_.empty(); }
  bool have(const char* name) const {
    return are_all() || std::find(named_.begin(), named_.end(), name) != named_.end();
  }

 private:
  std::vector<std::string> named_;  // none: all
};

// {what, floor, casbook, ratio, aim, verdict}
void add_casbook_rows(const Place& place, const Effort& effort, const Rows& rows, Table& table);
// The floors alone, where there is no casbook to compare with.
void add_floor_rows(const Place& place, const Effort& effort, const std::string& why, Table& table);
// {what, bridge, switch, ratio}: what the wire of the tests costs.
void add_wire_rows(const Place& place, const Effort& effort, Table& table);
// {system, p50, its ratio to the floor, p99, its ratio, payments per second by 1 caller, by 4}
void add_peer_rows(const Place& place, const Effort& effort, Table& table);

// {followers, one caller durable p50, many in flight, CPU of the leader's daemon, of each other's}
void add_growth_rows(const Place& place, const Effort& effort, Table& table);
// {what, records, seconds, rate}: a host that was away.
void add_absence_rows(const Place& place, const Effort& effort, Table& table);
// {what, before, meanwhile, ratio, aim, verdict}: what payments feel of a host that is added.
void add_joining_rows(const Place& place, const Effort& effort, Table& table);
// {what, records, bytes, seconds, bytes per second, records per second}: a host that was gone, or
// has nothing; its copy beside the raw link.
void add_catching_up_rows(const Place& place, const Effort& effort, Table& table);

inline std::string per_second(double rate) { return figure(rate / 1e3) + " k/s"; }
inline std::string microseconds(double us) { return figure(us) + " us"; }

}  // namespace casbook::bench
