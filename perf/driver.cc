// Runs one scenario, for the scripts in this folder.
//
//   perf_driver SCENARIO --operations N             the operations, nothing else: for callgrind
//   perf_driver SCENARIO --marked N                 N, and then kMarked of them with marks between
//                                                   them: for a trace of memory accesses
//   perf_driver SCENARIO --seconds S                as fast as it goes: for sampling
//   perf_driver SCENARIO --seconds S --rate R       R operations per second, begun when they are
//   due:
//                                                   prints two histograms, "ns count" per line, of
//                                                   the time since an operation was due and of the
//                                                   time it took
//   perf_driver --list | --list-of-many             scenarios; those of many callers have --seconds
//                                                   alone, and --tiny 1: only whether it works
//   --commands FIFO --answers FIFO                  of a profiler, see window.h
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cli/demo/histogram.h"
#include "harness.h"
#include "scenarios.h"

namespace casbook::perf {
namespace {

using bench::now_ns;
using Histogram = cli::demo::Histogram;

constexpr uint64_t kMarked = 32;

void run_count(const Operation& operation, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) operation();
}

void run_marked(const OneCaller& scenario, const Operation& operation, uint64_t count) {
  print_books();
  run_count(operation, (count / scenario.together + 1) * scenario.together);
  for (uint64_t i = 0; i < kMarked; ++i) {
    mark();
    run_count(operation, scenario.together);
  }
  mark();
}

void run_for(const Operation& operation, double seconds, Window& window) {
  window.open();
  const int64_t begin = now_ns(), end = begin + static_cast<int64_t>(seconds * 1e9);
  uint64_t done = 0;
  for (; now_ns() < end; done += 64) run_count(operation, 64);
  const int64_t took = now_ns() - begin;
  window.close();
  std::printf("%.1f ns per operation, %lu operations\n",
              static_cast<double>(took) / static_cast<double>(done),
              static_cast<unsigned long>(done));
}

void print(const char* name, const Histogram& histogram) {
  std::printf("%s\n", name);
  // Each bucket by the quantile that reaches it: the histogram shows no more.
  const uint64_t total = histogram.count();
  uint64_t before = 0;
  for (const double q : {0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999,
                         0.9995, 0.9999, 0.99999, 1.0}) {
    const uint64_t ns = histogram.quantile_ns(q);
    if (ns < before) continue;
    std::printf("%.5f %lu\n", q, static_cast<unsigned long>(ns));
    before = ns;
  }
  std::printf("count %lu\n", static_cast<unsigned long>(total));
}

// An operation that had to wait for the one before counts from when it was due: what a caller in an
// open system sees. Else one stall would hide all the waiting that it caused.
void run_at_rate(const Operation& operation, double seconds, double rate) {
  static Histogram since_due{}, taken{};
  const int64_t begin = now_ns();
  const auto count = static_cast<uint64_t>(seconds * rate);
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t due = begin + static_cast<int64_t>(static_cast<double>(i) * 1e9 / rate);
    int64_t start = now_ns();
    while (start < due) start = now_ns();
    operation();
    const int64_t end = now_ns();
    since_due.record(static_cast<uint64_t>(end - due));
    taken.record(static_cast<uint64_t>(end - start));
  }
  print("since_due", since_due);
  print("taken", taken);
}

struct Options {
  std::map<std::string, std::string> words;
  double number(const std::string& name) const {
    const auto found = words.find(name);
    return found == words.end() ? 0 : std::strtod(found->second.c_str(), nullptr);
  }
  std::string text(const std::string& name) const {
    const auto found = words.find(name);
    return found == words.end() ? "" : found->second;
  }
};

void run_one_caller(const OneCaller& scenario, const Options& options, Window& window) {
  const auto count = static_cast<uint64_t>(options.number("--operations"));
  const auto marked = static_cast<uint64_t>(options.number("--marked"));
  const uint64_t counted = count + (marked + kMarked) * scenario.together;
  const uint64_t payments = count + marked > 0 ? counted + scenario.accounts : 4'000'000;
  if (marked > 0) print_marker();  // before there is much in the trace
  const Operation operation = scenario.prepare(std::max<uint64_t>(payments, 10'000));
  const double seconds = options.number("--seconds"), rate = options.number("--rate");
  if (marked > 0)
    run_marked(scenario, operation, marked);
  else if (count > 0)
    run_count(operation, count);
  else if (rate > 0)
    run_at_rate(operation, seconds, rate);
  else
    run_for(operation, seconds, window);
}

template <class Scenarios>
int list(const Scenarios& scenarios) {
  for (const auto& [name, scenario] : scenarios) std::printf("%s\n", name.c_str());
  return 0;
}

int run(const std::vector<std::string>& words) {
  const auto& of_one = scenarios_of_one();
  const auto& of_many = scenarios_of_many();
  if (words.size() == 1 && words[0] == "--list") return list(of_one);
  if (words.size() == 1 && words[0] == "--list-of-many") return list(of_many);
  Options options;
  for (size_t i = 1; i + 1 < words.size(); i += 2) options.words[words[i]] = words[i + 1];
  const bool is_known = !words.empty() && (of_one.contains(words[0]) || of_many.contains(words[0]));
  if (!is_known || options.words.empty()) {
    std::fprintf(stderr,
                 "perf_driver: expected SCENARIO (see --list, --list-of-many) and "
                 "--operations N, --marked N or --seconds S [--rate R]\n");
    return 2;
  }
  Window window(options.text("--commands"), options.text("--answers"));
  if (of_one.contains(words[0]))
    run_one_caller(of_one.at(words[0]), options, window);
  else
    of_many.at(words[0])(options.number("--seconds"), options.number("--tiny") > 0, window);
  return 0;
}

}  // namespace
}  // namespace casbook::perf

int main(int argc, char** argv) { return casbook::perf::run({argv + 1, argv + argc}); }
