// The durable path beside its floors and beside other systems, on one disk, in one run. Prints
// Markdown.
//
//   bench_durable [--tiny] [--without-servers] [--without-peers] [--without-engine]
//
// Works below $CASBOOK_BENCH_DIR, or below the build folder. --tiny: only to show that it works.
#include <cstdio>
#include <cstring>
#include <thread>

#include <sys/utsname.h>

#include "durable/engine_rows.h"
#include "durable/peer_rows.h"

namespace casbook::bench {
namespace {

struct Options {
  Effort effort;
  bool with_peers = true, with_engine = true;
};

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
    else {
      std::fprintf(stderr, "bench_durable: unknown option %s\n", argv[i]);
      std::exit(2);
    }
  }
  if (servers && *servers) options.effort.with_servers = std::strcmp(servers, "0") != 0;
  return options;
}

void print_machine(const Place& place) {
  utsname system;
  uname(&system);
  std::printf("Linux %s, %u processors, in %s\n\n", system.release,
              std::thread::hardware_concurrency(), place.path().c_str());
}

void print_engine(const Place& place, const Effort& effort) {
  Table table({"casbook", "floor", "casbook", "ratio", "aim", ""});
  static ServedBook book(place.folder("book"),
                         {.accounts = effort.accounts, .payments = effort.payments});
  if (const std::string why = book.serve(); !why.empty()) {
    std::printf("casbook is skipped: %s\n\n", why.c_str());
    add_floor_rows(place, effort, table);
  } else {
    book.fill();
    add_one_caller_rows(place, effort, book, table);
    add_group_rows(place, effort, book, table);
    add_follower_rows(effort, book, table);
  }
  table.print();
}

void print_peers(const Place& place, const Effort& effort) {
  Table table({"one payment at a time, durable", "p50, us", "times floor", "p99, us", "times floor",
               "1 caller, per s", "4 callers, per s"});
  add_peer_rows(place, effort, table);
  table.print();
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  const Options options = read_options(argc, argv);
  static const Place place("durable");  // removed by exit() too
  print_machine(place);
  if (options.with_engine) print_engine(place, options.effort);
  if (options.with_peers) print_peers(place, options.effort);
  return 0;
}
