// What chance shows too seldom, with the same parts:
//
//   D4  a leader that was cut off with hundreds of entries that nobody else has unlearns them in a
//   few
//       round trips, not in one for each; time shows it only where links are slow
//   a leader that was cut off with a minority confirms no read once the others have gone on
//   a leader whose disk is full hands over the lead until one takes it
//   a follower that was started again counts for what it has, not for what it had
//   D1  a follower that gets a change of the members in the midst of other entries can make the
//   next what only stand-bys have is not called quorum
#include <gtest/gtest.h>

#include <cerrno>

#include "log/durable.h"
#include "log/log_reader.h"
#include "log/terms.h"
#include "support/hunt.h"
#include "support/sim_scene.h"

namespace casbook::test {
namespace {

constexpr int kBursts = 6, kBurst = 100;
constexpr SimLink kSlow{.delay_ns = 5 * kSimMs, .jitter_ns = 0};

class Scene : public SimScene {
 public:
  // `spares`: nodes that are no members.
  Scene(uint64_t nodes, const SimLink& link, uint64_t seed = 1, uint64_t spares = 0)
      : SimScene({.nodes = nodes, .spares = spares, .seed = seed, .link = link}) {}

  // How many entries the leader had for itself, how many the others had meanwhile; how long until
  // all nodes were even again.
  struct Unlearned {
    uint64_t entries = 0, others = 0;
    int64_t ns = 0;
  };
  Unlearned unlearn() {
    Unlearned result;
    SimNode& deposed = *leader();
    cut_off({deposed.id()});
    const uint64_t committed = deposed.replicator().commit_index();
    pay(deposed, kBursts, kBurst);
    while (deposed.term_at(committed + result.entries + 1) != 0) ++result.entries;
    // The next one writes as much, and another leads when the network is whole again.
    run_until([&] { return leader() && leader() != &deposed; }, 5);
    SimNode& second = *leader();
    run_for(100 * kSimMs);  // until it may be paid there
    pay(second, kBursts, kBurst);
    run_until([&] { return second.has_all_applied(); }, 20);
    result.others = second.replicator().commit_index() - committed;
    second.kill();
    second.start();
    run_until([&] { return leader() && leader() != &deposed && leader() != &second; }, 5);
    mend();
    const int64_t healed = events_.now();
    run_until(
        [&] {
          for (auto& node : nodes_)
            if (!node->has_all_applied()) return false;
          return true;
        },
        30);
    result.ns = events_.now() - healed;
    return result;
  }
  // The leader and another, alone. Whether a read is confirmed there that lacks what the others
  // have.
  bool confirms_stale() {
    SimNode& old = *leader();
    const uint64_t with = old.id() % nodes_.size() + 1;
    // What the others said long ago still comes, so it leads longer than they believe in it.
    for (uint64_t other = 1; other <= nodes_.size(); ++other)
      if (other != with) network_.link(other, old.id()).delay_ns = 120 * kSimMs;
    run_for(kSimSecond / 2);
    cut_off({old.id(), with});
    const commit::Store& store = old.book().store();
    arena::ReplicationLines& lines = store.mapping().replication();
    const int64_t until = events_.now() + kSimSecond;
    while (old.is_leading() && events_.now() < until) {
      const Position known = truth_.end();
      const uint64_t asked = lines.confirm_asked.load_acquire() + 1;
      (void)lines.confirm_asked.cas_acq_rel(asked - 1, asked);
      old.demand();
      run_for(kSimMs);
      if (!old.is_leading()) break;  // it may have another book by now
      const bool is_stale = log::log_end(store) <= known.lsn() ||
                            log::standing_of(store, known) != log::Standing::held;
      if (is_stale && lines.confirmed.load_acquire() >= asked) return true;
    }
    return false;
  }
  // Its disk has no room for another segment, and the first word of that reaches nobody. Whether
  // another leads in the end.
  bool is_lead_handed_over() {
    SimNode& full = *leader();
    constexpr Operations kRoom = only(Operation::create) | only(Operation::allocate);
    full.storage().fail(
        {.operations = kRoom, .nth = 1, .error_number = ENOSPC, .is_lasting = true});
    for (uint64_t to = 1; to <= nodes_.size(); ++to) network_.cut(full.id(), to);
    pay(full, 2, kBurst);  // shorter than an election timeout
    mend();
    run_until([&] { return leader() && leader() != &full; }, 3);
    return leader() != &full;
  }
  // Of five one is started again when it had told the leader of entries that its disk does not have
  // yet; then one more gets them. How many have them when they are called quorum.
  uint64_t count_those_who_have_the_quorum() {
    SimNode& led = *leader();
    SimNode& again = *nodes_[led.id() % nodes_.size()];
    SimNode& later = *nodes_[(led.id() + 1) % nodes_.size()];
    run_until([&] { return again.has_all_applied(); }, 5);
    again.disk_ns = kSimSecond;
    const int64_t long_after = events_.now() + 10 * kSimSecond;
    for (auto& node : nodes_)
      if (node.get() != &led && node.get() != &again) node->stop_until(long_after);
    const uint64_t before = last_index(led);
    pay(led, 1, 2);  // more would wait for the quorum of these
    const uint64_t index = last_index(led);
    run_until([&] { return again.term_at(index) != 0; }, 1);
    run_for(kSimMs);
    again.kill();
    for (const uint64_t other : {led.id(), again.id()})
      for (const uint64_t one : {led.id(), again.id()})
        network_.link(one, other).delay_ns = 5 * kSimMs;
    again.start();
    run_until([&] { return again.replicator().leader().has_value(); }, 1);
    run_for(6 * kSimMs);
    later.stop_until(events_.now());
    const commit::Store& store = led.book().store();
    run_until(
        [&] {
          return !led.is_leading() || log::quorum_position(store).lsn() + 1 >= log::log_end(store);
        },
        1);
    uint64_t holders = 0;
    for (auto& node : nodes_) holders += node->term_at(index) != 0;
    return led.is_leading() && index > before ? holders : 0;
  }
  // A follower that was away gets entries with a change in their midst, and leads then. Whether it
  // makes the next change.
  bool goes_on_after_a_change_in_a_batch() {
    SimNode& led = *leader();
    SimNode& away = *nodes_[led.id() % 3];
    cut_off({away.id()});
    pay(led, 1, 20);
    if (!add_standby(4)) return false;
    pay(led, 1, 20);
    run_for(100 * kSimMs);
    mend();
    run_until([&] { return away.has_all_applied(); }, 10);
    (void)!ask({.kind = MemberRequest::Kind::transfer, .id = away.id()});
    run_until([&] { return leader() == &away; }, 5);
    EXPECT_EQ(leader(), &away) << "a run that shows nothing";
    return ask({.kind = MemberRequest::Kind::remove, .id = 4});
  }
  // Of five two stand by, and the leader is alone with these. Whether what they have is reached.
  bool is_reached_by_standbys(Position (*reached)(const commit::Store&)) {
    EXPECT_TRUE(add_standby(4));
    EXPECT_TRUE(add_standby(5));
    run_until([&] { return nodes_[3]->has_all_applied() && nodes_[4]->has_all_applied(); }, 5);
    SimNode& led = *leader();
    cut_off({led.id(), 4, 5});
    const commit::Store& store = led.book().store();
    const uint64_t before = log::log_end(store);
    pay(led, 1, 20);
    run_for(50 * kSimMs);
    EXPECT_GT(log::log_end(store), before) << "a run that shows nothing";
    return reached(store).lsn() >= before;
  }

 private:
  using MemberRequest = replicate::MemberRequest;

  bool add_standby(uint64_t id) {
    return ask({.kind = MemberRequest::Kind::add,
                .id = id,
                .address = sim_configuration(id).servers.back().address,
                .stays_standby = true});
  }
  // Of the leader.
  bool ask(MemberRequest request) {
    SimNode& node = *leader();
    request.until_ns = events_.now() + 2 * kSimSecond;
    const auto ticket = node.ask(request);
    std::optional<Result<void>> answer;
    const auto has_answer = [&] {
      if (!answer) answer = node.take_answer(*ticket);
      return answer.has_value();
    };
    if (ticket) run_until(has_answer, 5);
    return answer && *answer;
  }
};

TEST(StaleLeader, UnlearnsInAFewRoundTrips) {
  Scene cluster(3, kSlow);
  const auto unlearned = cluster.unlearn();
  EXPECT_GT(unlearned.entries, 300u) << "a run that shows nothing";
  EXPECT_GT(unlearned.others, 300u) << "a run that shows nothing";
  EXPECT_LT(unlearned.ns, 1 * kSimSecond);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(StaleLeader, ThatStepsBackSinglyIsFound) {
  const std::string found = hunt_in_child(60, []() -> std::string {
    base::probes.mutant = base::Mutant::consensus_steps_back_singly;
    Scene cluster(3, kSlow);
    const auto unlearned = cluster.unlearn();
    if (unlearned.ns < 1 * kSimSecond) return "";
    return std::to_string(unlearned.entries) + " entries took " +
           std::to_string(unlearned.ns / kSimMs) + " ms";
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found, "");
}

TEST(FullLeader, HandsOverUntilAnotherTakesTheLead) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Scene cluster(3, {}, seed);
    EXPECT_TRUE(cluster.is_lead_handed_over()) << "seed " << seed;
    EXPECT_EQ(cluster.violation(), "");
  }
}

// Some of these seeds come to the moment that matters.
TEST(RestartedFollower, CountsForWhatItHasNotForWhatItHad) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Scene cluster(5, {}, seed);
    EXPECT_GE(cluster.count_those_who_have_the_quorum(), 3u) << "seed " << seed;
    EXPECT_EQ(cluster.violation(), "");
  }
}

std::string find_stale_read(uint64_t seeds) {
  for (uint64_t seed = 1; seed <= seeds; ++seed)
    if (Scene(5, {}, seed).confirms_stale())
      return "seed " + std::to_string(seed) + ": a read that lacks what was committed is confirmed";
  return "";
}

TEST(MinorityLeader, ConfirmsNothingOld) { EXPECT_EQ(find_stale_read(20), ""); }

TEST(MinorityLeader, ThatTakesOneAnswerForProofIsFound) {
  const std::string found = hunt_in_child(60, [] {
    base::probes.mutant = base::Mutant::round_unproven;
    return find_stale_read(100);
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found, "");
}

bool change_in_a_batch() { return Scene(3, {}, 1, 1).goes_on_after_a_change_in_a_batch(); }

TEST(ChangeInABatch, IsNotTheLastOne) { EXPECT_TRUE(change_in_a_batch()); }

TEST(ChangeInABatch, ThatIsPutInItsFirstPlaceIsFound) {
  const std::string found = hunt_in_child(60, [] {
    base::probes.mutant = base::Mutant::consensus_change_mid_batch;
    return std::string(change_in_a_batch() ? "" : "no other change is made after it");
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found, "");
}

bool is_reached_by_standbys(Position (*reached)(const commit::Store&)) {
  return Scene(3, {}, 1, 2).is_reached_by_standbys(reached);
}

TEST(StandBys, CountForNothing) {
  EXPECT_FALSE(is_reached_by_standbys(log::quorum_position));
  EXPECT_FALSE(is_reached_by_standbys(log::durable_position));
}

void expect_found(base::Mutant mutant, Position (*reached)(const commit::Store&)) {
  const std::string found = hunt_in_child(60, [&] {
    base::probes.mutant = mutant;
    return std::string(is_reached_by_standbys(reached) ? "two that stand by are counted" : "");
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found, "");
}

TEST(StandBys, ThatCountAreFound) {
  expect_found(base::Mutant::quorum_counts_standby, log::quorum_position);
}

TEST(StandBys, ThatVoteAreFound) {
  expect_found(base::Mutant::consensus_standby_votes, log::durable_position);
}

}  // namespace
}  // namespace casbook::test
