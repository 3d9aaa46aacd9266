// The lock designs and ledgers that people use, and casbook, on the same payments in one run.
#include <cstdio>
#include "peers/crew.h"
#include "peers/try_out.h"
#include "served/place.h"

int main() {
  using namespace casbook::peers;
  static const casbook::bench::Place place("peers");
  for (const Listed& listed : all_designs()) {
    auto design = listed.make();
    std::string why = design->about().name == listed.name ? "" : "another name";
    if (why.empty())
      why = design->start({.accounts = 1000,
                           .payments = 1'000'000,
                           .id_window_ms = 1000,
                           .folder = place.folder(listed.name)});
    if (why.empty()) why = try_out(*design);
    std::printf("%-30s %s\n", listed.name, why.c_str());
    if (!why.empty()) continue;
    Crew crew(*design, 2, 0);
    for (uint32_t callers : {1u, 2u})
      for (uint32_t accounts : {16u, 1000u}) {
        auto r = crew.run({.callers = callers, .accounts = accounts, .ns = 100'000'000});
        std::printf("  %u %u %.0f %s\n", callers, accounts, r.per_s, r.why.c_str());
        auto t = crew.run(
            {.callers = callers, .accounts = accounts, .is_timed = true, .ns = 100'000'000});
        std::printf("  timed %.0f p50 %.0f p99 %.0f p99.9 %.0f\n", t.per_s, t.latencies.ns_at(.5),
                    t.latencies.ns_at(.99), t.latencies.ns_at(.999));
      }
    auto l = crew.run({.work = Work::lock, .callers = 2, .accounts = 16, .ns = 100'000'000});
    auto f = crew.run({.work = Work::floor, .callers = 1, .accounts = 16, .ns = 100'000'000});
    std::printf("  locks %.0f floor %.0f\n", l.per_s, f.per_s);
  }
}
