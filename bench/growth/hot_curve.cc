// How a payment grows as more processes meet on fewer accounts.
#include "growth/floors_together.h"
#include "growth/line_exchange.h"
#include "growth/rounds.h"

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
  repeat_rounds(team, {.processes = 1, .ns = effort.round_ns}, effort.repeats, alone,
                [&](const RoundResult& result) { add_rate(alone, result); });
  if (book) friction.emplace(*book);
  const Round round{.processes = 2, .ns = effort.round_ns};
  std::vector<double> exchanges;
  for (uint32_t i = 0; i < effort.repeats; ++i) {
    exchanges.push_back(line_exchange_ns());
    repeat_rounds(team, round, 1, both, [&](const RoundResult& result) { add_rate(both, result); });
  }
  if (friction) friction->add_to(both);
  add_median(both, "a line from core to core, ns", exchanges);
  time_calls(team, {.processes = 2, .ns = effort.round_ns * 2}, 2, both);
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
