// How payments of many postings fare where processes meet on few accounts: beside others like them,
// and one alone beside payers of two postings, which are done sooner and so come in between.
#include "growth/huge_pages.h"
#include "growth/together.h"
#include "growth/wide_payment.h"

namespace casbook::growth {
namespace {

struct Mix {
  const char* name;
  uint32_t processes, postings, others;  // of the first, and of all others
};

constexpr Mix kMixes[] = {
    {"two processes, 5 postings", 2, 5, 5},         {"two, 8", 2, 8, 8},
    {"four processes, 5 postings", 4, 5, 5},        {"four, 8", 4, 8, 8},
    {"one of 8 postings beside one of 2", 2, 8, 2}, {"one of 8 beside three of 2", 4, 8, 2}};

// Pages of 2 MiB where they can be had: what counts here are lines that meet, not pages.
std::string directory() {
  return huge_page_directory().empty() ? Shape{}.directory : huge_page_directory();
}

Team::Prepare payers(const std::shared_ptr<OwnBook>& own, uint64_t accounts, const Mix& mix) {
  return [=](uint32_t process) -> Team::Operation {
    return [=, postings = process == 0 ? mix.postings : mix.others, series = own_series(),
            attached = std::make_shared<Attached>(*own),
            random = Random(own_series())]() mutable {
      return is_paid(attached->session.pay(wide_payment(*own, random, accounts, postings, series)));
    };
  };
}

// The wide ones together, or the one.
double wide_per_s(const RoundResult& result, const Mix& mix) {
  if (mix.postings == mix.others || !result.is_whole) return result.per_s();
  const bench::Worked& first = result.by_process[0];
  return static_cast<double>(first.operations) * 1e9 / static_cast<double>(first.ns);
}

// What the process that did least did of what each did on the average; and the others, beside a
// wide one.
void add_shares(Point& point, const Mix& mix, const std::vector<RoundResult>& rounds) {
  std::vector<double> least, others;
  for (const RoundResult& round : rounds) {
    uint64_t fewest = UINT64_MAX;
    for (const bench::Worked& worked : round.by_process)
      fewest = std::min(fewest, worked.operations);
    const auto all = static_cast<double>(round.operations());
    least.push_back(static_cast<double>(fewest * mix.processes) / all);
    others.push_back((all - static_cast<double>(round.by_process[0].operations)) * 1e9 /
                     static_cast<double>(round.ns));
  }
  add_median(point, "least of a process, share of the average", least);
  if (mix.postings != mix.others) add_median(point, "narrow payments per second", others);
}

Point measure(const Effort& effort, const std::shared_ptr<OwnBook>& own, uint64_t accounts,
              const Mix& mix) {
  Team team(payers(own, accounts, mix), mix.processes);
  expect(team.grow_to(mix.processes), "a process could not get ready");
  team.end_growing();
  Point point{.x = static_cast<double>(accounts)};
  const Friction friction(own->book());
  std::vector<RoundResult> rounds;
  for (uint32_t i = 0; i < effort.repeats; ++i) {
    rounds.push_back(team.run({.processes = mix.processes, .ns = effort.round_ns}));
    if (!rounds.back().is_whole) point.why = "an operation failed";
    if (const double rate = wide_per_s(rounds.back(), mix); rate > 0)
      point.ns.push_back(1e9 / rate);
  }
  friction.add_to(point);
  add_shares(point, mix, rounds);
  const RoundResult timed =
      team.run({.processes = mix.processes, .ns = effort.round_ns * 4, .is_timed = true});
  for (const bench::Worked& worked : timed.by_process) {
    point.latencies.add(worked.latencies);
    if (mix.postings != mix.others) break;
  }
  return point;
}

}  // namespace

Curve wide_curve(const Effort& effort) {
  Curve curve{.name = "wide",
              .title = "Payments of 5 and 8 postings on hot accounts",
              .x = "accounts drawn from",
              .y = "ns per payment of that many postings, of all together"};
  const auto own =
      share_book({.accounts = 64, .payments = effort.payments_less, .directory = directory()});
  for (const Mix& mix : kMixes) {
    Series& series = curve.series.emplace_back(Series{.name = mix.name});
    for (const uint64_t accounts : effort.sizes({8, 16, 64}, 16))
      series.points.push_back(measure(effort, own, accounts, mix));
  }
  return curve;
}

}  // namespace casbook::growth
