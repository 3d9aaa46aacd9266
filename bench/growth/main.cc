// How the time of a payment grows with what a book holds and with who uses it. Prints Markdown;
// what it is doing meanwhile goes to the standard error.
//
//   bench_growth [--tiny] [--only CURVE]... [--repeats N] [--json FILE]
//
// CURVE is one of accounts, ids, sessions, postings, hot, wide, snapshot, readers, followers. Needs
// 20 GiB of memory for accounts and ids; as root it measures pages of 2 MiB too.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "growth/report.h"
#include "harness.h"

namespace casbook::growth {
namespace {

struct Named {
  const char* name;
  Curve (*measure)(const Effort& effort);
};

constexpr Named kCurves[] = {
    {"accounts", accounts_curve}, {"ids", ids_curve},         {"sessions", sessions_curve},
    {"postings", postings_curve}, {"hot", hot_curve},         {"wide", wide_curve},
    {"snapshot", snapshot_curve}, {"readers", readers_curve}, {"followers", followers_curve}};

struct Options {
  Effort effort;
  std::vector<std::string> only{};
  std::string json{};
};

[[noreturn]] void give_up(const char* what, const char* option) {
  std::fprintf(stderr, "bench_growth: %s %s\n", what, option);
  std::exit(2);
}

bool is_curve(const std::string& name) {
  return std::any_of(std::begin(kCurves), std::end(kCurves),
                     [&](const Named& curve) { return curve.name == name; });
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (option == "--tiny") {
      options.effort = Effort::tiny();
      continue;
    }
    if (option == "--only" && value && is_curve(value))
      options.only.push_back(value);
    else if (option == "--json" && value)
      options.json = value;
    else if (option == "--repeats" && value && std::atoi(value) > 0)
      options.effort.repeats = static_cast<uint32_t>(std::atoi(value));
    else
      give_up("unknown option, or one without its value:", argv[i]);
    ++i;
  }
  return options;
}

// That nothing failed. What was overrun, or skipped for a reason, is a result.
bool is_whole(const Curve& curve) {
  for (const Series& series : curve.series)
    for (const Point& point : series.points)
      if (!point.why.empty() && !point.why.starts_with("overrun") &&
          !point.why.starts_with("skipped")) {
        std::fprintf(stderr, "bench_growth: %s, %s, %g: %s\n", curve.name.c_str(),
                     series.name.c_str(), point.x, point.why.c_str());
        return false;
      }
  return true;
}

int run(const Options& options) {
  std::vector<Curve> curves;
  bool are_whole = true;
  for (const Named& named : kCurves) {
    const auto& only = options.only;
    if (!only.empty() && std::find(only.begin(), only.end(), named.name) == only.end()) continue;
    const int64_t start = bench::now_ns();
    curves.push_back(named.measure(options.effort));
    std::fprintf(stderr, "%s: %.0f s\n", named.name,
                 static_cast<double>(bench::now_ns() - start) / 1e9);
    print_tables(curves.back());
    are_whole &= is_whole(curves.back());
  }
  if (!options.json.empty() && !write_json(options.json, curves, options.effort))
    give_up("cannot write", options.json.c_str());
  return are_whole ? 0 : 1;
}

}  // namespace
}  // namespace casbook::growth

int main(int argc, char** argv) {
  return casbook::growth::run(casbook::growth::read_options(argc, argv));
}
