// A copy that was overtaken on its way: the node that asked for it got the missing entries from the
// log of a new leader meanwhile, and acknowledged more, which the new leader counted. The copy of
// the old leader, whole by then, must not take their place.
//
//   behind   cut off for long; asks the old leader for a copy; that one is stopped in the middle of
//   it next     leads meanwhile, its log reaches back far enough: behind has all, and is counted
//   old      goes on, cut off from next: the copy comes to its end
//   next     is gone
//
// Then the other two go on by themselves, and have to have what was durable.
#include <gtest/gtest.h>

#include <cstdio>

#include "support/hunt.h"
#include "support/sim_scene.h"

namespace casbook::test {
namespace {

class OvertakenCopy : public SimScene {
 public:
  explicit OvertakenCopy(uint64_t seed)
      : SimScene({.nodes = 3, .seed = seed, .is_compacting = true}) {}

  // Empty: it came to the moment that matters, and nothing is wrong. `came_to_it`: false where a
  // run shows nothing.
  std::string play(bool& came_to_it) {
    came_to_it = false;
    SimNode* const old = leader();
    if (!old) return "";
    SimNode& behind = node(old->id() % count() + 1);
    SimNode& next = node(behind.id() % count() + 1);
    auto hold = next.holds().hold();  // its log loses nothing
    if (!leave_behind(*old, behind)) return violation();
    // Nothing of the others but the copy.
    mend();
    cut(next, behind);
    if (!run_until([&] { return behind.is_copying(); }, 5)) return violation();
    old->stop_until(events_.now() + 60 * kSimSecond);
    mend();
    if (!run_until([&] { return next.is_leading(); }, 10)) return violation();
    pay(next, 2, 20);
    const uint64_t index = last_index(next);
    const uint64_t term = next.term_at(index);
    const auto is_counted = [&] { return next.replicator().commit_index() >= index; };
    if (!run_until(is_counted, 10) || behind.term_at(index) != term) return violation();
    cut(next, *old);
    old->stop_until(events_.now());
    came_to_it = run_until([&] { return !behind.is_copying(); }, 10);
    next.lose_power();
    mend();
    run_until([&] { return leader() && leader()->has_all_applied(); }, 10);
    if (SimNode* const led = leader()) pay(*led, 2, 5);
    run_for(kSimSecond);
    if (came_to_it && violation().empty() && behind.term_at(index) != term)
      return "an entry that was counted is lost";
    return violation();
  }

 private:
  void cut(const SimNode& one, const SimNode& other) {
    network_.cut(one.id(), other.id());
    network_.cut(other.id(), one.id());
  }
  // Until the log of the leader begins behind what the other has; not by so much that nobody sends
  // that one entries any more.
  bool leave_behind(SimNode& old, SimNode& behind) {
    cut_off({behind.id()});
    const uint64_t next = last_index(behind) + 1;
    const int64_t until = events_.now() + 10 * kSimSecond;
    do {
      pay(old, 1, 5);
      run_for(20 * kSimMs);
    } while (old.is_leading() && old.term_at(next) != 0 && events_.now() < until);
    return old.is_leading() && old.term_at(next) == 0;
  }
};

struct Played {
  uint64_t counted = 0;  // runs that came to the moment that matters
  std::string found;
};
Played play(uint64_t seeds) {
  Played played;
  for (uint64_t seed = 1; seed <= seeds && played.found.empty(); ++seed) {
    bool came_to_it = false;
    const std::string found = OvertakenCopy(seed).play(came_to_it);
    played.counted += came_to_it;
    if (!found.empty()) played.found = "seed " + std::to_string(seed) + ": " + found;
  }
  return played;
}

TEST(OvertakenCopy, TakesNobodysPlace) {
  const Played played = play(10);
  EXPECT_EQ(played.found, "");
  EXPECT_GE(played.counted, 5u) << "runs that show nothing";
}

TEST(OvertakenCopy, ThatIsInstalledAllTheSameIsFound) {
  const std::string found = hunt_in_child(100, [] {
    base::probes.mutant = base::Mutant::copy_installed_unruled;
    return play(10).found;
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found, "");
  EXPECT_NE(found, "it never ends");
}

}  // namespace
}  // namespace casbook::test
