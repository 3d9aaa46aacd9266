// The lock designs and ledgers that people use, and casbook, on the same payments in one run.
// Prints Markdown; what it is doing meanwhile goes to the standard error.
//
//   bench_peers [--tiny | --long] [--memory | --durable] [--only NAME]... [--json FILE]
//               [--accounts N] [--payments N] [--repeats N] [--seconds S] [--handicap-ns N] [--list]
//
//   --only         designs whose name begins so
//   --payments     ids that a design has room for
//   --handicap-ns  burnt in each payment of casbook's: whether a comparison notices
//
// Servers are those of scripts/peers, by the variables that it prints. With --tiny they are left
// out unless CASBOOK_BENCH_PEERS=1. Works below $CASBOOK_BENCH_DIR, or below the build folder.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "peers/endpoint.h"
#include "peers/report.h"

namespace casbook::peers {
namespace {

struct Options {
  Effort effort;
  bool with_memory = true, with_durable = true, is_list = false;
  std::vector<std::string> only{};
  std::string json{};
};

[[noreturn]] void give_up(const char* what, const char* option) {
  std::fprintf(stderr, "bench_peers: %s %s\n", what, option);
  std::exit(2);
}

// Options with a value. False: it is none of them.
bool take_value(Options& options, const std::string& option, const char* value) {
  Effort& effort = options.effort;
  if (option == "--only")
    options.only.push_back(value);
  else if (option == "--json")
    options.json = value;
  else if (option == "--accounts")
    effort.accounts_memory = effort.accounts_durable = static_cast<uint32_t>(std::atoi(value));
  else if (option == "--payments")
    effort.payments = static_cast<uint64_t>(std::atoll(value));
  else if (option == "--repeats")
    effort.repeats_memory = effort.repeats_durable = static_cast<uint32_t>(std::atoi(value));
  else if (option == "--seconds")
    effort.seconds_memory = effort.seconds_durable = std::atof(value);
  else if (option == "--handicap-ns")
    effort.handicap_ns = std::atoi(value);
  else
    return false;
  return true;
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--tiny")
      options.effort = Effort::tiny();
    else if (option == "--long")
      options.effort = Effort::at_length();
    else if (option == "--memory")
      options.with_durable = false;
    else if (option == "--durable")
      options.with_memory = false;
    else if (option == "--list")
      options.is_list = true;
    else if (i + 1 >= argc || !take_value(options, option, argv[i + 1]))
      give_up("unknown option, or one without its value:", argv[i]);
    else
      ++i;
  }
  if (options.effort.accounts_durable < options.effort.accounts_hot)
    give_up("too few:", "--accounts");
  return options;
}

void print_list() {
  for (const Listed& listed : all_designs()) {
    const auto design = listed.make ? listed.make() : nullptr;
    if (!design) {
      std::printf("%s: built without %s\n", listed.name, listed.needs);
      continue;
    }
    const About& about = design->about();
    std::printf("%s\n  %s\n  money: %s\n  a holder's death is noticed by: %s\n  floor: %s\n",
                listed.name, about.work, about.store, about.death, about.floor);
  }
}

// That all was measured, or skipped for a reason of its own.
bool is_whole(const Results& results) {
  bool is_whole = true;
  for (const Subject& subject : results.subjects)
    for (const Figures& figures : subject.figures)
      if (subject.why.empty() && !figures.why.empty()) {
        std::fprintf(stderr, "bench_peers: %s: %s\n", subject.name.c_str(), figures.why.c_str());
        is_whole = false;
      }
  return is_whole;
}

int run(const Options& options) {
  static const bench::Place place("peers");
  Results memory, durable;
  if (options.with_memory) {
    memory = measure(options.effort, false, options.only, place);
    print_tables(memory, options.effort, false);
    for (Subject& subject : memory.subjects) subject.crew.reset();
  }
  if (options.with_durable) {
    durable = measure(options.effort, true, options.only, place);
    print_tables(durable, options.effort, true);
  }
  if (!options.json.empty() && !write_json(options.json, memory, durable, options.effort))
    give_up("cannot write", options.json.c_str());
  return is_whole(memory) && is_whole(durable) ? 0 : 1;
}

}  // namespace
}  // namespace casbook::peers

int main(int argc, char** argv) {
  using namespace casbook::peers;
  const Options options = read_options(argc, argv);
  if (options.effort.form == std::string("tiny")) leave_servers_out();
  if (options.is_list) {
    print_list();
    return 0;
  }
  return run(options);
}
