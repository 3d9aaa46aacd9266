#include "growth/report.h"

#include <cstdio>
#include <fstream>
#include <functional>
#include <set>

#include "machine.h"
#include "spread.h"
#include "table.h"

namespace casbook::growth {
namespace {

using bench::figure;
using bench::Table;
using nlohmann::json;

using Cell = std::function<std::string(const Point&)>;

std::string size_text(double x) {
  char text[32];
  const bool is_binary = x >= 1024 && static_cast<uint64_t>(x) % 1024 == 0;
  if (is_binary && x >= 1 << 20)
    std::snprintf(text, sizeof(text), "%.0f Mi", x / (1 << 20));
  else if (is_binary)
    std::snprintf(text, sizeof(text), "%.0f Ki", x / 1024);
  else if (x >= 1e6)
    std::snprintf(text, sizeof(text), "%.0f M", x / 1e6);
  else
    std::snprintf(text, sizeof(text), "%.0f", x);
  return text;
}

std::string spread_cell(const Point& point) {
  if (!point.why.empty()) return point.why;
  const bench::Spread spread = bench::spread_of(point.ns);
  return figure(spread.median) + " (" + figure(spread.min) + " to " + figure(spread.max) + ")";
}

std::string tail_cell(const Point& point) {
  if (point.latencies.count() == 0) return "";
  const auto text = [&](double share) {
    const double ns = point.latencies.ns_at(share);
    return ns > 0 ? figure(ns / 1e3) : std::string("-");
  };
  return text(0.5) + " / " + text(0.99) + " / " + text(0.999) + " / " + text(0.9999);
}

// A column for each of `series`, a row for each size that one of them has.
void print(const std::string& corner, const std::vector<const Series*>& series, const Cell& cell) {
  std::vector<std::string> head{corner};
  std::set<double> sizes;
  for (const Series* one : series) {
    head.push_back(one->name);
    for (const Point& point : one->points) sizes.insert(point.x);
  }
  Table table(head);
  for (const double size : sizes) {
    std::vector<std::string> row{size_text(size)};
    for (const Series* one : series) {
      row.emplace_back();
      for (const Point& point : one->points)
        if (point.x == size) row.back() = cell(point);
    }
    table.add(row);
  }
  table.print();
}

std::vector<const Series*> those(const Curve& curve,
                                 const std::function<bool(const Point&)>& condition) {
  std::vector<const Series*> chosen;
  for (const Series& series : curve.series)
    for (const Point& point : series.points)
      if (condition(point)) {
        chosen.push_back(&series);
        break;
      }
  return chosen;
}

void print_also(const Curve& curve) {
  for (const Series& series : curve.series) {
    if (series.points.empty() || series.points[0].also.empty()) continue;
    std::vector<std::string> head{series.name};
    for (const auto& [name, value] : series.points[0].also) head.push_back(name);
    Table table(head);
    for (const Point& point : series.points) {
      std::vector<std::string> row{size_text(point.x)};
      for (const auto& [name, value] : point.also) row.push_back(figure(value));
      table.add(row);
    }
    table.print();
  }
}

json row_of(const Point& point) {
  json row{{"x", point.x}};
  if (!point.why.empty()) row["failed"] = point.why;
  if (!point.ns.empty()) {
    const bench::Spread spread = bench::spread_of(point.ns);
    row["ns"] = point.ns;
    row["median"] = spread.median;
  }
  if (point.latencies.count() > 0) {
    row["calls"] = point.latencies.count();
    row["p50_ns"] = point.latencies.ns_at(0.5);
    row["p99_ns"] = point.latencies.ns_at(0.99);
    row["p999_ns"] = point.latencies.ns_at(0.999);
    row["p9999_ns"] = point.latencies.ns_at(0.9999);
  }
  for (const auto& [name, value] : point.also) row["also"][name] = value;
  return row;
}

}  // namespace

void print_tables(const Curve& curve) {
  std::printf("### %s\n\n", curve.title.c_str());
  const auto measured = those(curve, [](const Point&) { return true; });
  if (measured.empty()) return;
  print(curve.x + "; " + curve.y + ": median (least to most)", measured, spread_cell);
  const auto timed = those(curve, [](const Point& point) { return point.latencies.count() > 0; });
  if (!timed.empty()) print("one call, us: p50 / p99 / p99.9 / p99.99", timed, tail_cell);
  print_also(curve);
}

bool write_json(const std::string& path, const std::vector<Curve>& curves, const Effort& effort) {
  json all = bench::about_run("bench_growth");
  all["form"] = effort.is_tiny ? "tiny" : "whole";
  all["repeats"] = effort.repeats;
  for (const Curve& curve : curves) {
    json one{{"name", curve.name}, {"title", curve.title}, {"x", curve.x}, {"y", curve.y}};
    for (const Series& series : curve.series) {
      json rows = json::array();
      for (const Point& point : series.points) rows.push_back(row_of(point));
      if (!rows.empty()) one["series"].push_back({{"name", series.name}, {"points", rows}});
    }
    all["curves"].push_back(one);
  }
  std::ofstream file(path);
  file << all.dump(1) << "\n";
  return static_cast<bool>(file.flush());
}

}  // namespace casbook::growth
