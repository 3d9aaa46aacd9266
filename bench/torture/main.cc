// The same payments through each design of bench/peers while holders are stopped past their TTL and
// killed, clocks are stepped, and answers get lost. Prints Markdown; what it is doing meanwhile
// goes to the standard error.
//
//   bench_torture [--tiny | --long] [--only NAME]... [--json FILE] [--seed N]
//                 [--ttl-ms N]
//
//   --only    designs whose name begins so
//   --ttl-ms  of those that take one so short
//
// Exit status 1: a row of casbook's has something wrong or stuck; the control, casbook's leases
// with the guard taken out, has nothing wrong, so that this would not see; or a row is not whole.
// Those of others are whatever was measured. Servers are those of scripts/peers, by the variables
// that it prints; with --tiny they are left out unless CASBOOK_BENCH_PEERS=1.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "peers/endpoint.h"
#include "torture/report.h"
#include "torture/try_judge.h"

namespace casbook::torture {
namespace {

struct Options {
  Effort effort{};
  std::vector<std::string> only{};
  std::string json{};
  uint64_t seed = 1;
};

[[noreturn]] void give_up(const char* what, const char* option) {
  std::fprintf(stderr, "bench_torture: %s %s\n", what, option);
  std::exit(2);
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--tiny") {
      options.effort = Effort::tiny();
    } else if (option == "--long") {
      options.effort = Effort::at_length();
    } else if (++i >= argc) {
      give_up("unknown option, or one without its value:", option.c_str());
    } else if (option == "--only") {
      options.only.emplace_back(argv[i]);
    } else if (option == "--json") {
      options.json = argv[i];
    } else if (option == "--ttl-ms") {
      options.effort.ttl_ms = std::atoll(argv[i]);
    } else if (option == "--seed") {
      options.seed = std::strtoull(argv[i], nullptr, 10);
    } else {
      give_up("unknown option:", option.c_str());
    }
  }
  return options;
}

bool is_chosen(const std::string& name, const std::vector<std::string>& only) {
  bool is_chosen = only.empty();
  for (const std::string& begin : only) is_chosen |= name.compare(0, begin.size(), begin) == 0;
  return is_chosen;
}

// What the exit status is about.
bool is_as_it_must_be(const Row& row) {
  const auto fails = [&](const char* why) {
    std::fprintf(stderr, "bench_torture: %s: %s\n", row.name.c_str(), why);
    return false;
  };
  const bool is_casbook = row.name.compare(0, 7, "casbook") == 0;
  if (!row.problem.empty()) return fails(row.problem.c_str());
  if (row.disagreements != 0) return fails(("the two checkers disagree: " + row.example).c_str());
  if (!row.why.empty()) return !is_casbook || fails(row.why.c_str());
  if (row.about.form == peers::Form::control)
    return row.all.has_wrong_money() || fails("nothing is wrong: this would see nothing");
  if (!is_casbook) return true;
  return row.is_clean() || fails(row.example.empty() ? "somebody was stuck" : row.example.c_str());
}

int run(const Options& options) {
  if (const std::string why = try_judge(); !why.empty()) give_up(why.c_str(), "");
  static const bench::Place place("torture");
  std::vector<Row> rows;
  for (const peers::Listed& listed : peers::all_designs()) {
    if (!is_chosen(listed.name, options.only)) continue;
    const int64_t begun = bench::now_ns();
    std::fprintf(stderr, "%s", listed.name);
    rows.push_back(torture(listed, options.effort, place, options.seed));
    const Row& row = rows.back();
    std::fprintf(stderr, ": %s (%.1f s)\n", row.why.empty() ? "played" : row.why.c_str(),
                 static_cast<double>(bench::now_ns() - begun) / 1e9);
  }
  print_report(rows, options.effort);
  if (!options.json.empty() && !write_json(options.json, rows, options.effort))
    give_up("cannot write", options.json.c_str());
  bool is_well = !rows.empty();
  for (const Row& row : rows) is_well = is_as_it_must_be(row) && is_well;
  std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(options.seed));
  return is_well ? 0 : 1;
}

}  // namespace
}  // namespace casbook::torture

int main(int argc, char** argv) {
  using namespace casbook::torture;
  const Options options = read_options(argc, argv);
  if (options.effort.form == std::string("tiny")) casbook::peers::leave_servers_out();
  return run(options);
}
