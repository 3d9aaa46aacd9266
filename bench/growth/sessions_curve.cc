// How payments of all processes together grow with the number of processes.
#include "growth/floors_together.h"
#include "growth/huge_pages.h"
#include "growth/rounds.h"

namespace casbook::growth {
namespace {

constexpr uint64_t kMany = 1u << 16, kFew = 16;

// Long enough for every process to have several turns on a core.
int64_t round_ns(const Effort& effort, uint64_t processes) {
  constexpr int64_t kEachNs = 4'000'000;
  return std::max<int64_t>(effort.round_ns,
                           effort.is_tiny ? 0 : static_cast<int64_t>(processes) * kEachNs);
}

void measure(const Effort& effort, const std::vector<uint64_t>& sizes, Team::Prepare prepare,
             const Book* book, Series& series) {
  Team team(std::move(prepare), static_cast<uint32_t>(sizes.back()));
  for (const uint64_t count : sizes) {
    Point point{.x = static_cast<double>(count)};
    const auto processes = static_cast<uint32_t>(count);
    if (!team.grow_to(processes)) {
      point.why = "a process could not get ready";
      series.points.push_back(std::move(point));
      return;
    }
    const Round round{.processes = processes, .ns = round_ns(effort, count)};
    std::optional<Friction> friction;
    if (book) friction.emplace(*book);
    std::vector<double> cpu, switches;
    repeat_rounds(team, round, std::min(effort.repeats, 3u), point, [&](const RoundResult& result) {
      add_rate(point, result);
      cpu.push_back(result.cpu_ns_each());
      double sum = 0;
      for (const bench::Worked& worked : result.by_process)
        sum += static_cast<double>(worked.switches);
      switches.push_back(sum * 1e6 /
                         static_cast<double>(std::max<uint64_t>(1, result.operations())));
    });
    if (friction) friction->add_to(point);
    add_median(point, "processor time per payment, ns", cpu);
    add_median(point, "switches per million", switches);
    time_calls(team, round, processes, point);
    series.points.push_back(std::move(point));
  }
}

Team::Prepare payers(const std::shared_ptr<OwnBook>& own, uint64_t accounts) {
  return [=](uint32_t) { return payer(own, accounts); };
}

}  // namespace

Curve sessions_curve(const Effort& effort) {
  Curve curve{.name = "sessions",
              .title = "Processes that pay at the same time",
              .x = "processes",
              .y = "ns per payment, of all together",
              .series = {{"casbook, 65,536 accounts"},
                         {"casbook, 16 accounts"},
                         {"casbook, 65,536 accounts, pages of 4 KiB"},
                         {"two CAS, record, id, 65,536 accounts"},
                         {"two robust mutexes, 16 accounts"}}};
  auto& series = curve.series;
  const auto all = effort.sizes({1, 2, 4, 8, 16, 64, 256}, 4);
  // As many as there is time for: each touches 200,000 pages before it is ready.
  // On small pages, of which each process has 200,000 to touch before it is ready.
  const auto some = effort.sizes({1, 2, 4, 8, 16}, 4);
  const uint64_t accounts = effort.is_tiny ? 4096 : kMany;
  const std::string small = "/dev/shm";
  const std::string large = huge_page_directory().empty() ? small : huge_page_directory();
  const auto measure_book = [&](const std::vector<uint64_t>& sizes, uint64_t drawn_from,
                                const std::string& directory, Series& line) {
    const auto own = share_book({.accounts = accounts,
                                 .payments = effort.payments_less,
                                 .sessions = static_cast<uint32_t>(sizes.back()) + 8,
                                 .directory = directory});
    measure(effort, sizes, payers(own, drawn_from), &own->book(), line);
  };
  measure_book(large == small ? some : all, accounts, large, series[0]);
  measure_book(large == small ? some : all, kFew, large, series[1]);
  if (large != small) measure_book(some, accounts, small, series[2]);
  measure(effort, some, plain_payers(accounts, effort.payments_less), nullptr, series[3]);
  measure(effort, all, locked_payers(kFew), nullptr, series[4]);
  return curve;
}

}  // namespace casbook::growth
