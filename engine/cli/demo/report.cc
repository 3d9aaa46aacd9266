#include "cli/demo/report.h"

#include <memory>

#include "cli/demo/clock.h"
#include "cli/demo/number_text.h"
#include "cli/output.h"

namespace casbook::cli::demo {

namespace {

constexpr uint64_t kPacedNsToMention = 500'000'000;

struct Figures {
  uint64_t orders = 0, payouts = 0, refused = 0, duplicates = 0, stale = 0, resumed = 0;
  double payments_per_second = 0;
  uint64_t p50_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0;
};

double per_second(uint64_t count, uint64_t ns) {
  return ns == 0 ? 0 : static_cast<double>(count) * kSecond / static_cast<double>(ns);
}

Figures measure(const Board& board, const Course& course) {
  Figures f;
  const auto all = std::make_unique<Histogram>();
  all->add(board.gateway.latency);
  f.orders = board.gateway.executed.load_relaxed();
  f.refused = board.gateway.refused.load_relaxed();
  f.duplicates = board.gateway.duplicates.load_relaxed();
  for (const WorkerBoard& worker : board.workers) {
    all->add(worker.vitals.latency);
    f.payouts += worker.vitals.executed.load_relaxed();
    f.refused += worker.vitals.refused.load_relaxed();
    f.stale += worker.superseded.load_relaxed() + worker.missing.load_relaxed();
    f.resumed += worker.settled_before.load_relaxed() + worker.settled_again.load_relaxed();
  }
  // The gateway ends before the run when its orders do.
  f.payments_per_second = per_second(f.orders, board.ended_ns.load_relaxed()) +
                          per_second(f.payouts, static_cast<uint64_t>(course.run_ns));
  f.p50_ns = all->quantile_ns(0.5);
  f.p99_ns = all->quantile_ns(0.99);
  f.p999_ns = all->quantile_ns(0.999);
  f.max_ns = all->max_ns();
  return f;
}

void print_row(std::string name, const std::string& value) {
  name.resize(38, ' ');
  print(name + value + "\n");
}

void print_table(const Figures& f, const Board& board, const Course& course) {
  print("\n");
  print_row("payments per second", with_commas(static_cast<uint64_t>(f.payments_per_second)) +
                                       "  (" + with_commas(f.orders) + " orders, " +
                                       with_commas(f.payouts) + " payouts in " +
                                       ns_text(static_cast<uint64_t>(course.run_ns)) + ")");
  if (const uint64_t paced = board.paced_ns.load_relaxed(); paced > kPacedNsToMention)
    print_row("", "the gateway waited " + ns_text(paced) + " so that its orders would last");
  print_row("latency of pay() p50/p99/p99.9/max", ns_text(f.p50_ns) + " / " + ns_text(f.p99_ns) +
                                                      " / " + ns_text(f.p999_ns) + " / " +
                                                      ns_text(f.max_ns));
  print_row("refused for lack of money", with_commas(f.refused));
  print_row("duplicates given the first answer", with_commas(f.duplicates));
  print_row("stale-lease payments refused", with_commas(f.stale));
  print_row("kills survived",
            with_commas(course.incidents.comebacks) + " of " + with_commas(course.incidents.kills));
  print_row("consistent snapshots of the book", with_commas(board.risk.snapshots.load_relaxed()));
  print("\n");
}

void print_claims(const std::vector<Claim>& claims) {
  for (const Claim& claim : claims)
    print((claim.holds ? "ok      " : "FAILED  ") + claim.text + "\n          " + claim.evidence +
          "\n");
}

Json to_json(const Figures& f, const Board& board, const Course& course,
             const std::vector<Claim>& claims) {
  Json object{{"payments_per_second", static_cast<uint64_t>(f.payments_per_second)},
              {"orders", f.orders},
              {"payouts", f.payouts},
              {"run_ns", course.run_ns},
              {"paced_ns", board.paced_ns.load_relaxed()},
              {"p50_ns", f.p50_ns},
              {"p99_ns", f.p99_ns},
              {"p999_ns", f.p999_ns},
              {"max_ns", f.max_ns},
              {"refused", f.refused},
              {"duplicates", f.duplicates},
              {"stale", f.stale},
              {"resumed", f.resumed},
              {"kills", course.incidents.kills},
              {"stops", course.incidents.stops},
              {"snapshots", board.risk.snapshots.load_relaxed()}};
  bool ok = true;
  for (const Claim& claim : claims) {
    object["claims"].push_back(
        {{"text", claim.text}, {"ok", claim.holds}, {"evidence", claim.evidence}});
    ok &= claim.holds;
  }
  object["ok"] = ok;
  return object;
}

}  // namespace

void print_report(const Setting& setting, const Course& course, const std::vector<Claim>& claims,
                  bool as_json) {
  const Board& board = setting.records.board();
  const Figures figures = measure(board, course);
  if (as_json) {
    print(json_line(to_json(figures, board, course, claims)));
    return;
  }
  print_table(figures, board, course);
  print_claims(claims);
}

}  // namespace casbook::cli::demo
