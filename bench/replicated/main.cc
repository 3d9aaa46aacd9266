// Payments on three hosts beside the floor of the same path and beside other systems, in one run.
// The hosts are namespaces of this machine (root is needed), their disks are folders of one. Prints
// Markdown.
//
//   bench_replicated [--tiny] [--without-servers] [--without-peers] [--without-engine]
//                    [--without-growth] [--only-growth] [--table TABLE] [--only ROW]...
//                    [--small-book]
//
// TABLE is one of followers, absence, joining, catching-up: of those of growth this alone.
// ROW is one of quorum, durable, together, failover, loss, bytes: these of casbook's rows alone.
// --small-book: as many accounts and ids as with --tiny, but as many payments as without.
//
// Works below $CASBOOK_BENCH_DIR, or below the build folder. --tiny: only to show that it works.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <thread>

#include <sys/utsname.h>

#include "replicated/rows.h"

namespace casbook::bench {
namespace {

struct Options {
  Effort effort;
  std::string growth_table{};  // of these alone; empty: all
  bool with_peers = true, with_engine = true, with_growth = true, with_rest = true;
  Rows rows;
};

void print_machine(const Place& place) {
  utsname system;
  uname(&system);
  std::printf("Linux %s, %u processors, three hosts in %s\n\n", system.release,
              std::thread::hardware_concurrency(), place.path().c_str());
}

void print_own(const Place& place, const Options& options) {
  Table own({"casbook on three hosts", "floor", "casbook", "ratio", "aim", ""});
  if (options.with_engine)
    add_casbook_rows(place, options.effort, options.rows, own);
  else
    add_floor_rows(place, options.effort, "as asked for", own);
  own.print();
  if (!options.rows.are_all()) return;
  Table wire({"floor by the wire", "bridge", "switch of the tests", "ratio"});
  add_wire_rows(place, options.effort, wire);
  wire.print();
}

void print_followers(const Place& place, const Options& options) {
  Table growth({"followers", "one caller, durable, p50", "4 callers, 1,024 in flight each, durable",
                "processor time per payment, leader's daemon", "each follower's",
                "bytes on the wire"});
  add_growth_rows(place, options.effort, growth);
  growth.print();
}

void print_absence(const Place& place, const Options& options) {
  Table absence({"a host that was away", "records behind", "seconds", "records per second"});
  add_absence_rows(place, options.effort, absence);
  absence.print();
}

void print_joining(const Place& place, const Options& options) {
  Table joining({"payments while a host is added", "before", "meanwhile", "ratio", "aim", ""});
  add_joining_rows(place, options.effort, joining);
  joining.print();
}

void print_catching_up(const Place& place, const Options& options) {
  Table catching_up({"a host that has to catch up, copies unbounded", "records", "bytes", "seconds",
                     "bytes per second", "records per second"});
  add_catching_up_rows(place, options.effort, catching_up);
  catching_up.print();
}

struct GrowthTable {
  const char* name;
  void (*print)(const Place& place, const Options& options);
};
constexpr GrowthTable kGrowthTables[] = {{"followers", print_followers},
                                         {"absence", print_absence},
                                         {"joining", print_joining},
                                         {"catching-up", print_catching_up}};

void print_growth(const Place& place, const Options& options) {
  for (const GrowthTable& table : kGrowthTables)
    if (options.growth_table.empty() || options.growth_table == table.name)
      table.print(place, options);
}

bool is_growth_table(const std::string& name) {
  return std::ranges::any_of(kGrowthTables, [&](const auto& table) { return name == table.name; });
}

void print_peers(const Place& place, const Options& options) {
  Table peers({"one payment at a time, on three hosts", "p50, us", "times floor", "p99, us",
               "times floor", "1 caller, per s", "4 callers, per s"});
  add_peer_rows(place, options.effort, peers);
  peers.print();
}

Options read_options(int argc, char** argv) {
  Options options;
  const char* servers = std::getenv("CASBOOK_BENCH_PEERS");
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--tiny")
      options.effort = Effort::tiny();
    else if (option == "--without-servers")
      options.effort.with_servers = false;
    else if (option == "--without-peers")
      options.with_peers = false;
    else if (option == "--without-engine")
      options.with_engine = false;
    else if (option == "--without-growth")
      options.with_growth = false;
    else if (option == "--only" && i + 1 < argc && options.rows.add(argv[i + 1]))
      ++i, options.with_peers = options.with_growth = false;
    else if (option == "--small-book")
      options.effort.accounts = Effort::tiny().accounts,
      options.effort.payments = Effort::tiny().payments;
    else if (option == "--only-growth")
      options.with_peers = options.with_rest = false;
    else if (option == "--table" && i + 1 < argc && is_growth_table(argv[i + 1]))
      options.with_peers = options.with_rest = false, options.growth_table = argv[++i];
    else {
      std::fprintf(stderr, "bench_replicated: unknown option %s\n", argv[i]);
      std::exit(2);
    }
  }
  if (servers && *servers) options.effort.with_servers = std::strcmp(servers, "0") != 0;
  return options;
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  const Options options = read_options(argc, argv);
  static const Place place("replicated");  // removed by exit() too
  print_machine(place);
  if (options.with_rest) print_own(place, options);
  if (options.with_growth) print_growth(place, options);
  if (options.with_peers) print_peers(place, options);
  return 0;
}
