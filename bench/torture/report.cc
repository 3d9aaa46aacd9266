#include "torture/report.h"

#include <algorithm>
#include <cstdio>

#include "machine.h"
#include "table.h"
#include "torture/mechanism.h"
#include "torture/time_namespace.h"

namespace casbook::torture {
namespace {

using bench::figure;
using bench::Table;
using nlohmann::json;
using peers::Form;

const char* name_of(Form form) {
  constexpr const char* kNames[] = {"usual", "safe", "control"};
  return kNames[static_cast<int>(form)];
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}
double most_of(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

std::string next_text(const Counts& counts) {
  if (counts.next_ms.empty()) return "never";
  return figure(median_of(counts.next_ms)) + " (" + figure(most_of(counts.next_ms)) + ")";
}
std::string count_text(uint64_t count) {
  return count == 0 ? "0" : "**" + std::to_string(count) + "**";
}
std::string of_text(uint64_t count, uint64_t bouts) {
  return count_text(count) + " of " + std::to_string(bouts);
}
std::string cost_text(int64_t ns) {
  const auto value = static_cast<double>(ns);
  return ns == 0 ? "" : ns < 1'000'000 ? figure(value / 1e3) + " us" : figure(value / 1e6) + " ms";
}

void print_table(const std::vector<Row>& rows) {
  Table table({"design", "form", "paid twice", "lost", "overdrawn", "stuck", "waits out a stop",
               "next after a kill, ms", "next after a stop, ms", "TTL, stop, ms", "a payment"});
  for (const Row& row : rows) {
    if (!row.why.empty() || row.all.bouts == 0) continue;
    const Counts& all = row.all;
    const std::string ttl = row.about.uses_ttl ? std::to_string(row.pace.ttl_ms) : "-";
    table.add({row.name, name_of(row.about.form), count_text(all.twice), count_text(all.lost),
               count_text(all.overdrawn), of_text(all.stuck, all.bouts),
               of_text(row.stops.blocked, row.stops.bouts), next_text(row.kills),
               next_text(row.stops), ttl + ", " + std::to_string(row.pace.stop_ms),
               cost_text(row.pace.payment_ns)});
  }
  table.print();
}

void print_left_out(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (!row.why.empty())
      std::printf("- `%s` is left out: %s\n", row.name.c_str(), row.why.c_str());
    if (row.all.stood_still != 0)
      std::printf("- `%s`: the machine stood still in bouts that do not say who was stuck: %llu\n",
                  row.name.c_str(), static_cast<unsigned long long>(row.all.stood_still));
    if (!row.problem.empty())
      std::printf("- `%s` was not played to its end: %s\n", row.name.c_str(), row.problem.c_str());
  }
  std::printf("\n");
}

void print_mechanisms(const std::vector<Row>& rows) {
  std::printf("Why:\n\n");
  for (const Row& row : rows)
    if (row.why.empty() && row.name.find("-durable") == std::string::npos)
      std::printf("- `%s`: %s\n", row.name.c_str(), mechanism_of(row.name));
  std::printf("\n");
}

json counts_of(const Counts& counts) {
  return {{"bouts", counts.bouts},    {"twice", counts.twice},
          {"lost", counts.lost},      {"overdrawn", counts.overdrawn},
          {"stuck", counts.stuck},    {"waits_out_a_stop", counts.blocked},
          {"next_ms", counts.next_ms}};
}

json json_of(const Row& row) {
  json stories = json::object();
  for (const auto& [name, counts] : row.by_story) stories[name] = counts_of(counts);
  return {{"design", row.name},
          {"form", name_of(row.about.form)},
          {"durable", row.about.is_durable},
          {"has_ttl", row.about.uses_ttl},
          {"ttl_ms", row.pace.ttl_ms},
          {"stop_ms", row.pace.stop_ms},
          {"limit_ms", row.pace.limit_ms},
          {"payment_ns", row.pace.payment_ns},
          {"all", counts_of(row.all)},
          {"kills", counts_of(row.kills)},
          {"stops", counts_of(row.stops)},
          {"stories", stories},
          {"first_wrong", row.example},
          {"mechanism", mechanism_of(row.name)}};
}

}  // namespace

void print_report(const std::vector<Row>& rows, const Effort& effort) {
  uint64_t bouts = 0;
  for (const Row& row : rows) bouts = std::max(bouts, row.all.bouts);
  std::printf(
      "%s form: %llu bouts for each design.%s\n\n", effort.form,
      static_cast<unsigned long long>(bouts),
      can_enter_time_namespace() ? "" : " No time namespaces here: clocks were not stepped.");
  print_table(rows);
  print_left_out(rows);
  print_mechanisms(rows);
  std::fflush(stdout);
}

bool write_json(const std::string& path, const std::vector<Row>& rows, const Effort& effort) {
  json all = bench::about_run("bench_torture");
  all.update({{"form", effort.form},
              {"has_time_namespaces", can_enter_time_namespace()},
              {"rows", json::array()},
              {"left_out", json::array()}});
  for (const Row& row : rows) {
    if (row.why.empty())
      all["rows"].push_back(json_of(row));
    else
      all["left_out"].push_back({{"design", row.name}, {"why", row.why}});
  }
  std::ofstream file(path);
  file << all.dump(1) << "\n";
  return static_cast<bool>(file.flush());
}

}  // namespace casbook::torture
