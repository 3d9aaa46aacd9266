// How a payment grows as more processes meet on fewer accounts.
#include "growth/floors_together.h"

namespace casbook::growth {
namespace {

struct Lines {
  Series &alone, &both;
};

// One process and two, in turn.
void measure(const Effort& effort, uint64_t accounts, Team& team, const Book* book,
             const Lines& lines) {
  Point alone{.x = static_cast<double>(accounts)}, both = alone;
  std::optional<Friction> friction;
  for (uint32_t i = 0; i < effort.repeats; ++i)
    add_rate(alone, team.run({.processes = 1, .ns = effort.round_ns}));
  if (book) friction.emplace(*book);
  for (uint32_t i = 0; i < effort.repeats; ++i)
    add_rate(both, team.run({.processes = 2, .ns = effort.round_ns}));
  if (friction) friction->add_to(both);
  const RoundResult timed = team.run({.processes = 2, .ns = effort.round_ns * 2, .is_timed = true});
  for (const bench::Worked& worked : timed.by_process) both.latencies.add(worked.latencies);
  lines.alone.points.push_back(std::move(alone));
  lines.both.points.push_back(std::move(both));
}

void measure_new(const Effort& effort, uint64_t accounts, Team::Prepare prepare, const Book* book,
                 const Lines& lines) {
  Team team(std::move(prepare), 2);
  expect(team.grow_to(2), "a process could not get ready");
  team.end_growing();
  measure(effort, accounts, team, book, lines);
}

}  // namespace

Curve hot_curve(const Effort& effort) {
  Curve curve{.name = "hot",
              .title = "Hot accounts: one process and two on as many",
              .x = "accounts drawn from",
              .y = "ns per payment, of all together",
              .series = {{"casbook, one process"},
                         {"casbook, two"},
                         {"two CAS, record, id, one process"},
                         {"two CAS, record, id, two"},
                         {"two robust mutexes, one process"},
                         {"two robust mutexes, two"}}};
  auto& series = curve.series;
  const auto sizes =
      effort.sizes({2, 4, 16, 64, 256, 1024, 4096, 1u << 14, 1u << 17, 1u << 20}, 16);
  const auto own = share_book({.accounts = sizes.back(), .payments = effort.payments_less});
  for (const uint64_t accounts : sizes) {
    measure_new(effort, accounts, [=](uint32_t) { return payer(own, accounts); }, &own->book(),
                {series[0], series[1]});
    measure_new(effort, accounts, plain_payers(accounts, effort.payments_less), nullptr,
                {series[2], series[3]});
    measure_new(effort, accounts, locked_payers(accounts), nullptr, {series[4], series[5]});
  }
  return curve;
}

}  // namespace casbook::growth
