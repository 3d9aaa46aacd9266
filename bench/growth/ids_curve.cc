// How a payment grows with the ids that its window holds.
#include "arena/available_memory.h"
#include "growth/huge_pages.h"
#include "growth/subject.h"

namespace casbook::growth {
namespace {

constexpr auto kLongWindow = std::chrono::hours(24);
constexpr uint64_t kAccounts = 1024;

void fill_to(OwnBook& own, Random& random, uint64_t& held, uint64_t wanted) {
  for (; held < wanted; ++held) pay_once(own, random);
}

struct Sized {
  Series &payments, &loads;
  Series* filling = nullptr;
};

// So few that what they add does not change how full the table is.
uint64_t operations_at(const Effort& effort, uint64_t ids) {
  return std::min(effort.operations, ids / 64);
}

Point time_payments(const Effort& effort, OwnBook& own, uint64_t ids, double x) {
  Point point{.x = x};
  Random random(3);
  const uint64_t count = operations_at(effort, ids);
  for (uint32_t i = 0; i < effort.repeats; ++i)
    point.ns.push_back(time_each(count, [&] { pay_once(own, random); }));
  time_singly(count * 2, point.latencies, [&] { pay_once(own, random); });
  return point;
}

// What is in the way of a book of that shape; empty: nothing.
std::string why_not(uint64_t ids) {
  constexpr uint64_t kBytesEach = 345, kMore = 512u << 20;
  const auto available = arena::available_memory_bytes();
  const uint64_t needed = ids * kBytesEach + kMore;
  if (!available || *available > needed) return "";
  return "skipped: needs " + std::to_string(needed >> 20) + " MiB of memory";
}

// A book made for so many ids, and holding them, all within the window. `filling`, where there is
// one, gets what payments took on the way, at these sizes.
void measure_sized(const Effort& effort, uint64_t ids, const std::string& directory,
                   const Sized& lines, Control& control, const std::vector<uint64_t>& on_the_way) {
  const auto x = static_cast<double>(ids);
  if (std::string why = why_not(ids); !why.empty())
    return lines.payments.points.push_back({.x = x, .why = std::move(why)});
  const Shape shape{
      .accounts = kAccounts, .payments = ids, .window = kLongWindow, .directory = directory};
  OwnBook own(bench::own_name(), shape.accounts, options_of(shape));
  touch_book(own.name());
  DependentLoads of_table(own, shape, true);
  (void)Book::destroy(own.name(), shape.directory);
  Random random(2);
  uint64_t held = 0;
  for (const uint64_t some : on_the_way) {
    fill_to(own, random, held, some - some / 8);
    lines.filling->points.push_back(time_payments(effort, own, some, static_cast<double>(some)));
    held += operations_at(effort, some) * (effort.repeats + 2);
  }
  fill_to(own, random, held, ids - ids / 8);
  Point point = time_payments(effort, own, ids, x), load{.x = x};
  if (lines.filling) lines.filling->points.push_back(point);
  for (uint32_t i = 0; i < effort.repeats; ++i) load.ns.push_back(of_table.ns(effort.operations));
  point.also.emplace_back("table of ids, MiB", static_cast<double>(of_table.bytes()) / (1 << 20));
  point.also.emplace_back("a small book in the same seconds, ns", control.ns(effort.operations));
  if (directory != "/dev/shm")
    point.also.emplace_back("on pages of 2 MiB, share", share_of_huge_pages());
  lines.payments.points.push_back(std::move(point));
  lines.loads.points.push_back(std::move(load));
}

// Where each entry was used before, so that every payment forgets an old id: paid eight times as
// many ids as the window has, never more of them within it than it was made for.
void measure_long_lived(const Effort& effort, uint64_t ids, Series& series) {
  constexpr uint64_t kTurns = 9;
  constexpr int64_t kTurnNs = 1'050'000'000;  // of the window and a bit, which turns wait for
  const auto own = make_book({.accounts = kAccounts, .payments = ids});
  Random random(2);
  for (uint64_t turn = 0; turn < (effort.is_tiny ? 1 : kTurns); ++turn) {
    const int64_t start = bench::now_ns();
    for (uint64_t i = 0; i < ids; ++i) pay_once(*own, random);
    while (!effort.is_tiny && bench::now_ns() < start + kTurnNs) usleep(1000);
  }
  series.points.push_back(time_payments(effort, *own, ids, static_cast<double>(ids)));
}

}  // namespace

Curve ids_curve(const Effort& effort) {
  Curve curve{.name = "ids",
              .title = "Payment ids in the window",
              .x = "ids",
              .y = "ns of processor time",
              .series = {{"a payment, the book made for so many ids"},
                         {"one dependent load in the table of ids"},
                         {"a payment, pages of 2 MiB"},
                         {"one dependent load, pages of 2 MiB"},
                         {"a payment, the book made for the most"},
                         {"a payment, all entries used before"}}};
  auto& series = curve.series;
  // Before the large books: idle memory was slow to reach again after them.
  for (const uint64_t ids : effort.sizes({1u << 16, 1u << 20, 1u << 22}, 1u << 16))
    measure_long_lived(effort, ids, series[5]);
  Control control(effort);
  const std::vector<uint64_t> sizes =
      effort.sizes({1u << 16, 1u << 18, 1u << 20, 1u << 22, 1u << 24, 50'000'000}, 1u << 16);
  for (const uint64_t ids : sizes) {
    const bool is_last = ids == sizes.back();
    measure_sized(
        effort, ids, "/dev/shm", {series[0], series[1], is_last ? &series[4] : nullptr}, control,
        is_last ? std::vector<uint64_t>(sizes.begin(), sizes.end() - 1) : std::vector<uint64_t>{});
  }
  for (const uint64_t ids : effort.sizes({1u << 16, 1u << 20, 1u << 22, 1u << 24}, 1u << 16))
    if (!huge_page_directory().empty())
      measure_sized(effort, ids, huge_page_directory(), {series[2], series[3]}, control, {});
  return curve;
}

}  // namespace casbook::growth
