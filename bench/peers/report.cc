#include "peers/report.h"

#include <cstdio>
#include <fstream>

#include <nlohmann/json.hpp>

#include "machine.h"
#include "table.h"

namespace casbook::peers {
namespace {

using bench::figure;
using bench::Table;
using nlohmann::json;

const char* name_of(Group group) {
  constexpr const char* kNames[] = {"in process", "shared memory", "shared file", "queue",  "Redis",
                                    "database",   "ZooKeeper",     "etcd",        "casbook"};
  return kNames[static_cast<int>(group)];
}
const char* name_of(Form form) {
  constexpr const char* kNames[] = {"usual", "safe", "control"};
  return kNames[static_cast<int>(form)];
}

size_t index_of(const char* key) {
  for (size_t i = 0; i < all_cases().size(); ++i)
    if (std::string(all_cases()[i].key) == key) return i;
  std::abort();
}

// "1,234 k (1,200-1,300)" without the commas.
std::string rate_text(double per_s) {
  return per_s >= 1e6   ? figure(per_s / 1e6) + " M"
         : per_s >= 1e3 ? figure(per_s / 1e3) + " k"
                        : figure(per_s);
}
std::string rate_cell(const Figures& figures) {
  if (!figures.why.empty()) return figures.why;
  if (figures.rates.empty()) return "";
  const Spread spread = spread_of(figures.rates);
  return rate_text(spread.median) + " (" + rate_text(spread.min) + " to " + rate_text(spread.max) +
         ")";
}
std::string time_text(double ns) {
  if (ns == 0) return "";
  return ns < 1e3   ? figure(ns) + " ns"
         : ns < 1e6 ? figure(ns / 1e3) + " us"
                    : figure(ns / 1e6) + " ms";
}
std::string latency_cell(const Histogram& latencies) {
  const std::string last = time_text(latencies.ns_at(0.999));
  return time_text(latencies.ns_at(0.5)) + " / " + time_text(latencies.ns_at(0.99)) + " / " +
         (last.empty() ? "-" : last);
}
double ns_each(const Figures& figures) {
  const double per_s = spread_of(figures.rates).median;
  return per_s > 0 ? 1e9 / per_s : 0;
}
std::string ratio_cell(double ns, double floor_ns) {
  return ns > 0 && floor_ns > 0 ? figure(ns / floor_ns) : "";
}

void add_skipped(Table& table, const Subject& subject) {
  table.add({subject.name, "skipped: " + subject.why});
}

void print_payments(const Results& results, bool is_durable) {
  std::vector<std::string> head{"payments per s, median (min to max)",
                                "form",
                                "all, 1 client",
                                "all, 2 clients",
                                "16, 1 client",
                                "16, 2 clients",
                                "floor",
                                "times floor"};
  if (is_durable) head.push_back("times one sync");
  Table table(head);
  const double sync_ns = spread_of(results.sync_us).median * 1e3;
  for (const Subject& subject : results.subjects) {
    if (!subject.why.empty()) {
      add_skipped(table, subject);
      continue;
    }
    const auto& figures = subject.figures;
    const double ns = ns_each(figures[index_of("pay_all_1")]);
    const double floor_ns = ns_each(figures[index_of("floor")]);
    std::vector<std::string> row{subject.name, name_of(subject.design->about().form)};
    for (const char* key : {"pay_all_1", "pay_all_2", "pay_hot_1", "pay_hot_2"})
      row.push_back(rate_cell(figures[index_of(key)]));
    row.push_back(time_text(floor_ns));
    row.push_back(ratio_cell(ns, floor_ns));
    if (is_durable) row.push_back(ratio_cell(ns, sync_ns));
    table.add(row);
  }
  table.print();
}

void print_latencies(const Results& results) {
  Table table({"a payment takes, p50 / p99 / p99.9", "all, 1 client", "all, 2 clients",
               "16, 1 client", "16, 2 clients"});
  for (const Subject& subject : results.subjects) {
    if (!subject.why.empty()) continue;
    std::vector<std::string> row{subject.name};
    for (const char* key : {"pay_all_1", "pay_all_2", "pay_hot_1", "pay_hot_2"})
      row.push_back(latency_cell(subject.figures[index_of(key)].latencies));
    table.add(row);
  }
  table.print();
}

void print_locks(const Results& results) {
  Table table({"lock and unlock a pair, per s", "all, 1 client", "16, 2 clients", "times floor"});
  for (const Subject& subject : results.subjects) {
    if (!subject.why.empty() || !subject.design->about().has_lock) continue;
    const auto& figures = subject.figures;
    const Figures& alone = figures[index_of("lock_all_1")];
    table.add({subject.name, rate_cell(alone), rate_cell(figures[index_of("lock_hot_2")]),
               ratio_cell(ns_each(alone), ns_each(figures[index_of("floor")]))});
  }
  table.print();
}

json row_of(const Subject& subject, size_t index, double sync_ns) {
  const About& about = subject.design->about();
  const Figures& figures = subject.figures[index];
  const Spread spread = spread_of(figures.rates);
  json row{{"design", subject.name},
           {"group", name_of(about.group)},
           {"form", name_of(about.form)},
           {"durable", about.is_durable},
           {"case", all_cases()[index].key}};
  if (!figures.why.empty()) {
    row["failed"] = figures.why;
    return row;
  }
  row["rates"] = figures.rates;
  row["per_s"] = spread.median;
  row["mad"] = spread.mad;
  row["busy"] = figures.busy;
  row["floor_ns"] = ns_each(subject.figures[index_of("floor")]);
  if (sync_ns > 0) row["sync_ns"] = sync_ns;
  if (figures.latencies.count() > 0) {
    row["calls"] = figures.latencies.count();
    row["p50_ns"] = figures.latencies.ns_at(0.5);
    row["p99_ns"] = figures.latencies.ns_at(0.99);
    row["p999_ns"] = figures.latencies.ns_at(0.999);
  }
  return row;
}

void add_rows(const Results& results, json& rows, json& skipped) {
  const double sync_ns = spread_of(results.sync_us).median * 1e3;
  for (const Subject& subject : results.subjects) {
    if (!subject.why.empty()) {
      skipped.push_back({{"design", subject.name}, {"why", subject.why}});
      continue;
    }
    for (size_t i = 0; i < all_cases().size(); ++i)
      if (!subject.figures[i].rates.empty()) rows.push_back(row_of(subject, i, sync_ns));
  }
}

}  // namespace

void print_tables(const Results& results, const Effort& effort, bool is_durable) {
  std::printf("### %s\n\n%u accounts; %s form: %u repeats of %g s each, the order rotated.\n\n",
              is_durable ? "Durable" : "In memory", effort.accounts(is_durable), effort.form,
              is_durable ? effort.repeats_durable : effort.repeats_memory,
              is_durable ? effort.seconds_durable : effort.seconds_memory);
  if (is_durable)
    std::printf("One block written and synced: %s us (medians of the repeats: %s to %s).\n\n",
                figure(spread_of(results.sync_us).median).c_str(),
                figure(spread_of(results.sync_us).min).c_str(),
                figure(spread_of(results.sync_us).max).c_str());
  print_payments(results, is_durable);
  print_latencies(results);
  print_locks(results);
}

bool write_json(const std::string& path, const Results& memory, const Results& durable,
                const Effort& effort) {
  json all = bench::about_run("bench_peers");
  all["form"] = effort.form;
  all["accounts"] = effort.accounts_memory;
  all["accounts_durable"] = effort.accounts_durable;
  all["handicap_ns"] = effort.handicap_ns;
  all["rows"] = all["skipped"] = json::array();
  add_rows(memory, all["rows"], all["skipped"]);
  add_rows(durable, all["rows"], all["skipped"]);
  std::ofstream file(path);
  file << all.dump(1) << "\n";
  return static_cast<bool>(file.flush());
}

}  // namespace casbook::peers
