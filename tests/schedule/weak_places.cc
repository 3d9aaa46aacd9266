// Which of the orders in commit and log are shown to be needed. One by one each is dropped at run
// time, in one place of the source, and the random schedules in weak memory have to notice:
// support/ordered_places.def holds the verdict on each place.
//
// In the ordinary run those that are noticed at once; with CASBOOK_FULL=1 all of them, each for
// CASBOOK_SECONDS (default 4), and a line of the table is printed for each.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/commit_exploration.h"
#include "support/hunt.h"
#include "support/weak_memory.h"

namespace casbook::test {
namespace {

enum class Verdict { caught, rare, covered, unseen };

struct Row {
  const char* file;
  const char* function;
  const char* effect;
  int nth;  // of that effect in the function, by line
  Verdict verdict;
  const char* reason;
};
constexpr Row kRows[] = {
#define CASBOOK_PLACE(file, function, effect, nth, verdict, reason) \
  {file, function, effect, nth, Verdict::verdict, reason},
#include "support/ordered_places.def"
#undef CASBOOK_PLACE
};

struct Seen {
  OrderedPlace place;
  std::string function;  // without template arguments
  int nth;
  const Row* row;

  std::string name() const {
    return place.file + " " + function + " " + effect_name(place.effect) + " " +
           std::to_string(nth);
  }
};

const Row* find_row(const Seen& seen) {
  const auto is_it = [&](const Row& row) {
    return seen.place.file == row.file && seen.function == row.function && seen.nth == row.nth &&
           std::strcmp(effect_name(seen.place.effect), row.effect) == 0;
  };
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), is_it);
  return row == std::end(kRows) ? nullptr : row;
}

constexpr RunWorld kWorlds[] = {run_payers, run_gate, run_followers};

// Every ordered place of commit and log that some hundred worlds come to, by line.
std::vector<Seen> all_places() {
  std::map<OrderedPlace, uint64_t> visits;
  weakness = {.is_on = true, .visits = &visits};
  for (uint64_t seed = 1; seed <= 500; ++seed)
    for (const RunWorld run : kWorlds) EXPECT_EQ(run(seed), "");
  weakness = {};
  std::vector<Seen> places;
  for (const auto& [place, count] : visits) {
    if (!place.file.starts_with("commit/") && !place.file.starts_with("log/")) continue;
    Seen seen{place, place.function.substr(0, place.function.find('<')), 1, nullptr};
    for (const Seen& other : places)
      seen.nth += other.place.effect == place.effect && other.place.file == place.file &&
                  other.function == seen.function;
    seen.row = find_row(seen);
    places.push_back(seen);
  }
  return places;
}

std::string hunt(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  weakness.is_on = true;
  for (uint64_t seed = 1;; seed += 10) {
    for (const RunWorld run : kWorlds)
      for (uint64_t i = 0; i < 10; ++i) {
        const std::string violation = run(seed + i);
        if (!violation.empty()) return violation;
        if (std::chrono::duration<double>(Clock::now() - start).count() > seconds) return "";
      }
    weakness.seed = seed;
    const std::string violation = run_core_scenarios();
    if (!violation.empty()) return violation;
    weakness.seed = 0;
  }
}

// The directed schedules of followers and of the ring of copies too: laps of it, at many seeds.
std::string hunt_in_laps(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  weakness.is_on = true;
  for (weakness.seed = 1; std::chrono::duration<double>(Clock::now() - start).count() < seconds;
       ++weakness.seed) {
    if (const std::string violation = run_scenarios(); !violation.empty()) return violation;
    if (const std::string violation = run_long_scenarios(); !violation.empty()) return violation;
  }
  return "";
}

// Empty: not noticed.
std::string hunt_without(const OrderedPlace* place, double seconds,
                         std::string (*hunter)(double) = hunt) {
  return hunt_in_child(static_cast<unsigned>(seconds) + 60, [=] {
    weakness.dropped = place;
    return hunter(seconds);
  });
}

double seconds_each() {
  const char* text = std::getenv("CASBOOK_SECONDS");
  return text ? std::atof(text) : 4;
}

TEST(WeakPlaces, EachHasAVerdict) {
  const std::vector<Seen> places = all_places();
  for (const Seen& seen : places)
    EXPECT_NE(seen.row, nullptr) << "no verdict in ordered_places.def: " << seen.name() << ", line "
                                 << seen.place.line;
  for (const Row& row : kRows)
    EXPECT_TRUE(std::ranges::any_of(places, [&](const Seen& seen) { return seen.row == &row; }))
        << "never come to: " << row.file << " " << row.function << " " << row.effect;
}

TEST(WeakPlaces, DroppedOrdersAreNoticed) {
  for (const Seen& seen : all_places()) {
    if (!seen.row || seen.row->verdict != Verdict::caught) continue;
    EXPECT_NE(hunt_without(&seen.place, 4 * seconds_each()), "") << seen.name();
  }
}

// The long form: also those that are seldom noticed, and those that should not be.
TEST(WeakPlaces, AllOfThem) {
  if (!std::getenv("CASBOOK_FULL")) GTEST_SKIP() << "CASBOOK_FULL=1: minutes";
  EXPECT_EQ(hunt_without(nullptr, seconds_each(), hunt_in_laps), "");
  for (const Seen& seen : all_places()) {
    std::string caught = hunt_without(&seen.place, seconds_each());
    if (caught.empty()) caught = hunt_without(&seen.place, seconds_each(), hunt_in_laps);
    std::printf("%s: %s\n", seen.name().c_str(), caught.empty() ? "-" : caught.c_str());
    if (seen.row && seen.row->verdict == Verdict::covered) {
      EXPECT_EQ(caught, "") << seen.name() << " was thought to be covered: " << seen.row->reason;
    }
  }
}

TEST(WeakPlaces, NothingDroppedNothingNoticed) { EXPECT_EQ(hunt_without(nullptr, 2), ""); }

}  // namespace
}  // namespace casbook::test
