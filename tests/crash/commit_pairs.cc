// Two deaths in one book: a process is killed at a fault point of any scenario, another at one of
// any other, among what the first left behind. Then the survivor settles both.
//
// A sample in each run; all pairs with CASBOOK_FULL=1.
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/crash_scenarios.h"
#include "support/random.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;

struct Place {
  const Scenario* scenario;
  FaultPoint point;

  std::string text() const { return scenario->name + " at " + base::fault_point_name(point); }
};

std::vector<Place> all_places() {
  std::vector<Place> places;
  for (const Scenario& scenario : scenarios()) {
    const Passages passages = passages_of(scenario);
    for (size_t i = 0; i < kFaultPoints; ++i)
      if (passages.at[i] != 0) places.push_back({&scenario, static_cast<FaultPoint>(i)});
  }
  return places;
}

// Shuts the book and opens it again. Two of them would not know whose turn it is.
bool is_an_operator(const Place& place) {
  return place.scenario->name == "marks" || place.scenario->name == "quarantine";
}

// Who shuts the book is settled first, then who holds the ring.
int turn_of(const Place& place) {
  return is_an_operator(place) ? 0 : place.scenario->refuses ? 1 : 2;
}

bool strike(Stage& stage, const Place& place, uint64_t series, bool may_be_refused) {
  stage.book.begin_series(series);
  stage.strike = {place.point};
  Child victim([&] { place.scenario->act(stage); });
  const bool is_struck = victim.was_killed_by(SIGKILL);
  EXPECT_TRUE(is_struck || may_be_refused || victim.succeeded())
      << place.text() << ": the victim failed by itself";
  return is_struck;
}

void settle(Stage& stage, const Place& place, uint64_t series) {
  stage.book.begin_series(series);
  place.scenario->settle(stage);
}

bool strike_both(const Place& first, const Place& second) {
  Stage stage;
  stage.is_shared = true;
  stage.book.begin_series(1);
  first.scenario->prepare(stage);
  stage.book.begin_series(2);
  second.scenario->prepare(stage);
  const bool may_be_refused = first.scenario->refuses || second.scenario->refuses;
  const bool is_first_struck = strike(stage, first, 1, may_be_refused);
  const bool is_second_struck = strike(stage, second, 2, may_be_refused);
  const bool is_first_later = turn_of(second) < turn_of(first);
  if (!is_first_later) settle(stage, first, 1);
  settle(stage, second, 2);
  if (is_first_later) settle(stage, first, 1);
  stage.others.clear();
  stage.book.check();
  return is_first_struck && is_second_struck;
}

// Not: two whose preparation cannot be made twice in one book; a wait for who is refused.
bool fit_together(const Place& first, const Place& second) {
  if (is_an_operator(first) && is_an_operator(second)) return false;
  const auto waits = [](const Place& place) { return place.scenario->name == "lease_notify"; };
  if (first.scenario->refuses ? waits(second) : second.scenario->refuses && waits(first))
    return false;
  return first.scenario != second.scenario || first.scenario->name.starts_with("pay_");
}

TEST(CommitPairs, TheSurvivorSettlesTwoDeaths) {
  const std::vector<Place> places = all_places();
  const bool is_full = std::getenv("CASBOOK_FULL") != nullptr;
  const char* given = std::getenv("CASBOOK_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("%zu places, seed %llu\n", places.size(), static_cast<unsigned long long>(seed));
  test::Random random(seed);
  uint64_t pairs = 0, both = 0;
  const auto run = [&](const Place& first, const Place& second) {
    if (!fit_together(first, second)) return;
    SCOPED_TRACE(first.text() + ", then " + second.text());
    ++pairs;
    both += strike_both(first, second);
  };
  if (is_full) {
    for (const Place& first : places)
      for (const Place& second : places) run(first, second);
  } else {
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i)
      run(places[random.below(places.size())], places[random.below(places.size())]);
  }
  std::printf("%llu pairs, both struck in %llu\n", static_cast<unsigned long long>(pairs),
              static_cast<unsigned long long>(both));
  EXPECT_GT(both, pairs / 2);
}

}  // namespace
}  // namespace casbook
