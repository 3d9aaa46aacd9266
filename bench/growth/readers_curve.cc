// What readers cost the one who pays.
#include "growth/rounds.h"

namespace casbook::growth {
namespace {

enum class Reads { balance, snapshot };

Team::Operation reader(const std::shared_ptr<OwnBook>& own, uint32_t process, uint64_t accounts,
                       Reads reads) {
  constexpr uint64_t kTogether = 16;
  return [own, accounts, reads, attached = std::make_shared<Attached>(*own),
          random = Random(process + 100)]() mutable {
    if (reads == Reads::balance)
      return static_cast<bool>(attached->book.balance(own->accounts()[random.below(accounts)]));
    Account chosen[kTogether];
    for (Account& account : chosen) account = own->accounts()[random.below(accounts)];
    // Overrun: it was not on the core for as long as the ring lasts.
    for (;;)
      if (const auto balances = attached->book.balances(chosen); balances)
        return true;
      else if (balances.error().code != Code::overrun)
        return false;
  };
}

// The payer has core 0, all readers core 1: what is seen is what they cost him in memory, not in
// turns on a core.
void measure(const Effort& effort, const std::vector<uint64_t>& sizes, uint64_t all,
             uint64_t accounts, Reads reads, Series& series) {
  const auto own = share_book({.accounts = all, .payments = effort.payments_less});
  const auto processes_max = static_cast<uint32_t>(sizes.back() + 1);
  Team team(
      [=](uint32_t process) {
        stay_on(process == 0 ? 0 : 1);
        return process == 0 ? payer(own, accounts) : reader(own, process, accounts, reads);
      },
      processes_max);
  expect(team.grow_to(processes_max), "a reader could not get ready");
  for (const uint64_t readers : sizes) series.points.push_back({.x = static_cast<double>(readers)});
  std::vector<std::vector<double>> rates(sizes.size());
  const auto round_of = [&](const Point& point) {
    return Round{.processes = static_cast<uint32_t>(point.x) + 1, .ns = effort.round_ns};
  };
  for (uint32_t i = 0; i < effort.repeats; ++i)
    for (size_t k = 0; k < sizes.size(); ++k) {
      Point& point = series.points[k];
      repeat_rounds(team, round_of(point), 1, point, [&](const RoundResult& result) {
        const bench::Worked& paid = result.by_process[0];
        point.ns.push_back(static_cast<double>(paid.cpu_ns) / static_cast<double>(paid.operations));
        rates[k].push_back(static_cast<double>(result.operations() - paid.operations) * 1e9 /
                           static_cast<double>(result.ns));
      });
    }
  for (size_t k = 0; k < sizes.size(); ++k) {
    add_median(series.points[k], "reads per s", rates[k]);
    time_calls(team, round_of(series.points[k]), 1, series.points[k]);
  }
}

}  // namespace

Curve readers_curve(const Effort& effort) {
  Curve curve{.name = "readers",
              .title = "Processes that read while one pays",
              .x = "readers",
              .y = "ns of the payer's processor time",
              .series = {{"16 accounts, one balance after the other"},
                         {"16 accounts, 16 at one position"},
                         {"1 M accounts, one balance after the other"}}};
  const auto sizes = effort.sizes({0, 1, 2, 4, 8}, 2);
  const uint64_t many = effort.is_tiny ? 4096 : 1u << 20;
  measure(effort, sizes, 1024, 16, Reads::balance, curve.series[0]);
  measure(effort, sizes, 1024, 16, Reads::snapshot, curve.series[1]);
  measure(effort, sizes, many, many, Reads::balance, curve.series[2]);
  return curve;
}

}  // namespace casbook::growth
