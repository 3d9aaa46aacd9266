// How reading at one position grows with the accounts that are read.
#include "growth/together.h"

namespace casbook::growth {
namespace {

constexpr uint32_t kTriesMax = 20;
constexpr uint64_t kAccountsEach = 1 << 20;  // read in one repeat, by as many snapshots as it takes

struct Reading {
  double ns = 0;  // of one account, what was in vain included
  double tries = 0;
  std::string why{};
};

// Until it was not overrun. By the wall clock: while it lasts others pay.
template <class Read>
Reading read_until(uint64_t accounts, uint64_t times, Read&& read) {
  Reading reading;
  uint64_t tries = 0;
  const int64_t start = bench::now_ns();
  for (uint64_t i = 0; i < times; ++i)
    for (uint32_t tried = 1;; ++tried) {
      ++tries;
      if (read()) break;
      if (tried == kTriesMax) {
        reading.why = "overrun in " + std::to_string(kTriesMax) + " tries";
        return reading;
      }
    }
  const auto each = static_cast<double>(times);
  reading.ns = static_cast<double>(bench::now_ns() - start) / each / static_cast<double>(accounts);
  reading.tries = static_cast<double>(tries) / each;
  return reading;
}

template <class Read>
Point measure(const Effort& effort, uint64_t accounts, Read&& read) {
  Point point{.x = static_cast<double>(accounts)};
  const uint64_t wanted = effort.is_tiny ? 4096 : kAccountsEach;
  const uint64_t times = std::max<uint64_t>(1, std::min<uint64_t>(wanted / accounts, 20'000));
  std::vector<double> tries;
  for (uint32_t i = 0; i < effort.repeats && point.why.empty(); ++i) {
    const Reading reading = read_until(accounts, times, read);
    point.why = reading.why;
    if (!reading.why.empty()) break;
    point.ns.push_back(reading.ns);
    tries.push_back(reading.tries);
  }
  if (!tries.empty()) add_median(point, "tries", tries);
  return point;
}

std::vector<Account> drawn(const OwnBook& own, uint64_t count) {
  std::vector<Account> accounts(own.accounts().begin(),
                                own.accounts().begin() + static_cast<std::ptrdiff_t>(count));
  Random random(5);
  for (uint64_t i = count; i > 1; --i) std::swap(accounts[i - 1], accounts[random.below(i)]);
  return accounts;
}

// `series`: of chosen accounts, of the whole book.
void measure_all(const Effort& effort, const std::vector<uint64_t>& sizes, const OwnBook& own,
                 Series& chosen, Series& whole) {
  for (const uint64_t count : sizes) {
    const std::vector<Account> accounts = drawn(own, count);
    chosen.points.push_back(
        measure(effort, count, [&] { return static_cast<bool>(own.book().balances(accounts)); }));
  }
  const uint64_t all = own.accounts().size();
  whole.points.push_back(
      measure(effort, all, [&] { return static_cast<bool>(own.book().snapshot()); }));
}

// One payer on the other core for as long as the book is there.
class Background {
 public:
  explicit Background(const std::shared_ptr<OwnBook>& own)
      : team_(
            [own](uint32_t) {
              stay_on(0);
              return payer(own, own->accounts().size());
            },
            1) {
    expect(team_.grow_to(1), "a payer could not get ready");
    team_.end_growing();
  }
  void work_for(int64_t ns) { team_.begin({.processes = 1, .ns = ns}); }

 private:
  Team team_;
};

}  // namespace

Curve snapshot_curve(const Effort& effort) {
  Curve curve{.name = "snapshot",
              .title = "Accounts read at one position",
              .x = "accounts",
              .y = "ns per account, wall clock",
              .series = {{"chosen accounts"},
                         {"the whole book"},
                         {"chosen accounts, while one pays"},
                         {"the whole book, while one pays"}}};
  auto& series = curve.series;
  const auto sizes = effort.sizes(
      {1, 4, 16, 64, 256, 1024, 4096, 1u << 14, 1u << 16, 1u << 18, 1u << 20, 1u << 22}, 1024);
  for (const uint64_t all : effort.sizes({1u << 10, 1u << 16, 1u << 20, 1u << 22}, 1u << 10)) {
    const bool is_last = effort.is_tiny || all == sizes.back();
    const auto own = share_book({.accounts = all, .payments = effort.payments_less});
    const auto chosen = is_last ? sizes : std::vector<uint64_t>{};
    measure_all(effort, chosen, *own, series[0], series[1]);
    Background payer(own);
    payer.work_for(int64_t{3600} * 1'000'000'000);
    stay_on(1);
    measure_all(effort, chosen, *own, series[2], series[3]);
    stay_anywhere();
  }
  return curve;
}

}  // namespace casbook::growth
