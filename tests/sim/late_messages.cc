// AppendEntries and their answers that say what is over, in whole nodes. Of the guards that
// replicate/README.md lists, by plan what chance does not come to:
//
//   D2  the answers of a follower are lost, for so long that the leader's log begins behind the
//   last
//       one that came. The leader's heartbeats then end where its log begins, far before what the
//       follower knows to be committed, and tell of more
//   D3  the answer "I lack entry R" is overtaken by the one that was given when R had come, and
//       arrives when the leader, which has not heard of that follower for an election timeout,
//       would believe it: the next entry that it would send is the one behind R
#include <gtest/gtest.h>

#include <cstdio>

#include "support/datagram_reader.h"
#include "support/hunt.h"
#include "support/sim_scene.h"

namespace casbook::test {
namespace {

using replicate::AppendResult;
using replicate::Frame;
using replicate::ReferenceFrame;

class LateScene : public SimScene {
 public:
  using SimScene::SimScene;

 protected:
  SimNode& follower_of(const SimNode& led) { return node(led.id() % count() + 1); }
  // What the leader knows of that node's disk.
  static uint64_t match_at(const SimNode& led, const SimNode& follower) {
    for (const auto& state : led.replicator().nodes())
      if (state.id == follower.id()) return state.synced_index;
    return 0;
  }
};

// --- D2 ------------------------------------------------------------------------------------------

class UnheardFollower : public LateScene {
 public:
  explicit UnheardFollower(uint64_t seed)
      : LateScene({.nodes = 3, .seed = seed, .is_compacting = true}) {}

  // Whether heartbeats came that end before what the follower knows to be committed.
  bool play() {
    SimNode& led = *leader();
    SimNode& unheard = follower_of(led);
    if (!run_until([&] { return unheard.has_all_applied(); }, 5)) return false;
    network_.cut(unheard.id(), led.id());
    const uint64_t match = match_at(led, unheard);
    const int64_t until = events_.now() + 20 * kSimSecond;
    while (led.is_leading() && led.term_at(match) != 0 && events_.now() < until) {
      pay(led, 1, 5);
      run_for(20 * kSimMs);
    }
    const uint64_t known = unheard.replicator().commit_index();
    const bool is_behind =
        led.is_leading() && led.term_at(match) == 0 && led.term_at(known - 1) != 0 && match < known;
    pay(led, 2, 5);
    run_for(100 * kSimMs);  // some heartbeats
    const bool is_over = led.is_leading() && led.replicator().commit_index() > known;
    mend();
    const bool is_even = run_until([&] { return unheard.has_all_applied(); }, 10);
    return is_behind && is_over && is_even && unheard.copies() == 0;
  }
};

TEST(UnheardFollower, KeepsItsCommitIndex) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    UnheardFollower scene(seed);
    EXPECT_TRUE(scene.play()) << "a run that shows nothing, seed " << seed;
    EXPECT_EQ(scene.violation(), "");
  }
}

TEST(UnheardFollower, WhoseCommitIndexFallsIsFound) {
  const std::string found = hunt_in_child(100, [] {
    base::probes.mutant = base::Mutant::consensus_commit_falls;
    UnheardFollower scene(1);
    scene.play();
    return scene.violation();
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found.find("the commit index of node"), std::string::npos);
}

// --- D3 ------------------------------------------------------------------------------------------

class LateRejection : public LateScene {
 public:
  explicit LateRejection(uint64_t seed) : LateScene({.nodes = 3, .seed = seed}) {}

  // Empty: the leader sends nothing again of what it knows the follower to have. `came_to_it`:
  // false where a run shows nothing.
  std::string play(bool& came_to_it) {
    came_to_it = false;
    SimNode& led = *leader();
    SimNode& behind = follower_of(led);
    if (!run_until([&] { return behind.has_all_applied(); }, 5)) return "";
    behind.kill();
    pay(led, 1, 40);
    run_for(10 * kSimMs);
    take_rejection(behind.id(), led.id());
    behind.start();
    const auto has_all = [&] { return match_at(led, behind) == last_index(led); };
    if (!run_until([&] { return !late_.empty() && has_all(); }, 5)) return "";
    // Another answer got the entries sent, the first one has yet to come.
    const bool is_of_the_last = rejected_ == match_at(led, behind);
    network_.cut(behind.id(), led.id());
    run_for(400 * kSimMs);
    watch(led, behind);
    const uint64_t late = led.replicator().transport().counts().dropped_late;
    network_.put_back(led.id(), late_);
    const bool is_dropped = led.replicator().transport().counts().dropped_late != late;
    came_to_it = is_of_the_last && led.is_leading() && match_at(led, behind) == rejected_ &&
                 (is_dropped || base::mutated(base::Mutant::transport_unordered));
    run_for(100 * kSimMs);
    mend();
    pay(led, 1, 5);
    run_until([&] { return behind.has_all_applied(); }, 10);
    return violation().empty() ? sent_again_ : violation();
  }

 private:
  // The first one that it sends goes into late_.
  void take_rejection(uint64_t from, uint64_t to) {
    network_.set_tap([=, this](uint64_t sender, uint64_t receiver, auto datagram) {
      if (sender != from || receiver != to || !late_.empty()) return false;
      for_each_frame(datagram, [this](const Frame& frame) {
        const auto* const result = std::get_if<AppendResult>(&frame);
        if (result && result->rejected != 0) rejected_ = result->rejected;
      });
      if (rejected_ != 0) late_.assign(datagram.begin(), datagram.end());
      return rejected_ != 0;
    });
  }
  void watch(const SimNode& led, const SimNode& follower) {
    network_.set_tap([&, this](uint64_t sender, uint64_t receiver, auto datagram) {
      if (sender != led.id() || receiver != follower.id()) return false;
      for_each_frame(datagram, [&](const Frame& frame) {
        const auto* const reference = std::get_if<ReferenceFrame>(&frame);
        if (!reference || !is_for(*reference, follower.id())) return;
        if (const uint64_t match = match_at(led, follower); reference->prev_index < match)
          sent_again_ = "the leader goes back to entry " +
                        std::to_string(reference->prev_index + 1) +
                        ", and knows that the other has " + std::to_string(match);
      });
      return false;
    });
  }
  static bool is_for(const ReferenceFrame& reference, uint64_t node) {
    const auto to = reference.destinations.list();
    return to.empty() || std::ranges::find(to, node) != to.end();
  }

  std::vector<std::byte> late_;
  uint64_t rejected_ = 0;
  std::string sent_again_;
};

TEST(LateRejection, IsNotBelieved) {
  uint64_t counted = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    bool came_to_it = false;
    EXPECT_EQ(LateRejection(seed).play(came_to_it), "") << "seed " << seed;
    counted += came_to_it;
  }
  EXPECT_GE(counted, 4u) << "runs that show nothing";
}

TEST(LateRejection, ThatIsBelievedIsFound) {
  const std::string found = hunt_in_child(100, [] {
    base::probes.mutant = base::Mutant::transport_unordered;
    bool came_to_it = false;
    return LateRejection(1).play(came_to_it);
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found.find("the leader goes back"), std::string::npos);
}

}  // namespace
}  // namespace casbook::test
