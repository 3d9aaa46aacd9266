// Consensus while its members change: what libraft leaves open, each with the guard and without
// (replicate/README.md, D1 and D22 to D25), and by chance, under loss, crashes and slow disks.
//
//   CASBOOK_CONSENSUS_SEEDS=N   so many (200)
//   CASBOOK_SEED=N              only this one
#include <cstdlib>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/probe.h"
#include "support/consensus_cluster.h"

namespace casbook::test {
namespace {

using base::Mutant;
using journal::EntryType;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

using namespace replicate;

class WithMutant {
 public:
  explicit WithMutant(Mutant mutant) { base::probes.mutant = mutant; }
  ~WithMutant() { base::probes.mutant = Mutant::none; }
};

Server server(uint64_t id, ServerRole role = ServerRole::voter) {
  return {id, "10.0.0." + std::to_string(id) + ":7400", role};
}
Configuration with(Configuration all, const Server& one) {
  std::erase_if(all.servers, [&](const Server& other) { return other.id == one.id; });
  all.servers.push_back(one);
  std::ranges::sort(all.servers, {}, &Server::id);
  return all;
}
Configuration without(Configuration all, uint64_t id) {
  std::erase_if(all.servers, [&](const Server& other) { return other.id == id; });
  return all;
}

EntryPtr records(uint64_t index, uint64_t term) {
  return std::make_shared<LogEntry>(LogEntry{.index = index, .term = term, .body = {}});
}
EntryPtr change(uint64_t index, uint64_t term, const Configuration& configuration) {
  return std::make_shared<LogEntry>(LogEntry{
      .index = index, .term = term, .type = EntryType::change, .body = encode(configuration)});
}

// A follower of three among messages that the test makes up.
class Follower {
 public:
  explicit Follower(uint64_t id, const Configuration& first) {
    auto opened =
        Consensus::open({.node = id, .term = 1, .entries = {change(1, 1, first)}}, {}, now);
    if (!opened) throw std::runtime_error(opened.error().message());
    consensus = *std::move(opened);
  }
  Update receive(uint64_t from, const Message& message) {
    auto update = consensus->receive(from, message, ++now);
    if (!update) throw std::runtime_error(update.error().message());
    return *std::move(update);
  }
  Update append(uint64_t from, uint64_t term, uint64_t prev, uint64_t prev_term,
                std::vector<EntryPtr> entries, uint64_t commit = 1) {
    AppendEntries m{.term = term, .prev_index = prev, .prev_term = prev_term, .commit = commit};
    m.count = static_cast<uint32_t>(entries.size());
    m.entries = std::move(entries);
    const Update update = receive(from, m);
    if (!update.entries.empty())
      (void)!consensus->persisted(update.entries.back()->index, update.entries.back()->term, ++now);
    return update;
  }
  std::vector<uint64_t> asked_for_votes() {
    std::vector<uint64_t> asked;
    for (int i = 0; i < 4 && asked.empty(); ++i) {
      now = std::max(now + 1, consensus->deadline_ms());
      const auto update = consensus->timeout(now);
      for (const Outgoing& out : update->messages)
        if (std::holds_alternative<VoteRequest>(out.message)) asked.push_back(out.to);
    }
    return asked;
  }

  std::unique_ptr<Consensus> consensus;
  int64_t now = 1'000'000;
};

const Configuration kThree = ConsensusCluster::configuration(3);

// --- D22 -----------------------------------------------------------------------------------------

// Two changes come before the follower knows that the first is committed; the second is cut off.
std::vector<uint64_t> voters_after_a_cut() {
  Follower node(3, kThree);
  const Configuration four = with(kThree, server(4));
  node.append(1, 2, 1, 1, {records(2, 2), change(3, 2, four)});
  node.append(1, 2, 3, 2, {records(4, 2), change(5, 2, with(four, server(5)))});
  EXPECT_EQ(node.consensus->configuration().servers.size(), 5u);
  node.append(2, 3, 4, 2, {records(5, 3)});
  EXPECT_EQ(node.consensus->configuration(), four);
  return node.asked_for_votes();
}

TEST(ChangeCutOff, LeavesTheOneBeforeInForce) {
  EXPECT_THAT(voters_after_a_cut(), UnorderedElementsAre(1, 2, 4));
  const WithMutant mutant(Mutant::consensus_change_forgotten);
  EXPECT_THAT(voters_after_a_cut(), UnorderedElementsAre(1, 2)) << "libraft's own way";
}

// The change before is another leader's and goes too.
TEST(ChangeCutOff, SettlesNothingThatIsCutOffItself) {
  Follower node(3, kThree);
  node.append(1, 2, 1, 1, {change(2, 2, with(kThree, server(4)))});
  node.append(2, 3, 1, 1, {change(2, 3, without(kThree, 1))});
  EXPECT_EQ(node.consensus->configuration(), without(kThree, 1));
  EXPECT_EQ(node.consensus->committed_configuration(), kThree);
  node.append(2, 4, 1, 1, {records(2, 4)});
  EXPECT_EQ(node.consensus->configuration(), kThree);
  EXPECT_THAT(node.asked_for_votes(), UnorderedElementsAre(1, 2));
}

// --- D23 -----------------------------------------------------------------------------------------

// Raft's one-server changes as first published. A leader's change is on it and the new node alone;
// another leads, changes otherwise before anything of its own term is committed, with a majority
// of what it makes of the members; and the first one comes back with a majority of what it made.
std::string change_of_a_leader_that_has_not_begun() {
  ConsensusCluster cluster(4, 23, {}, 1);
  const uint64_t old = cluster.settle();
  cluster.run(50);
  const Configuration four = cluster.at(old).configuration();
  for (uint64_t other = 1; other <= 4; ++other)
    if (other != old) cluster.cut(old, other), cluster.cut(other, old);
  EXPECT_NE(cluster.submit(old, with(four, server(5))), 0u);
  cluster.run(100);
  EXPECT_EQ(cluster.at(5).stored_index(), cluster.log(old).size());
  const uint64_t term = cluster.at(old).term();
  const auto has_next = [&] {
    return cluster.leader() && cluster.at(cluster.leader()).term() > term;
  };
  for (int i = 0; i < 3000 && !has_next(); ++i) cluster.tick();
  const uint64_t next = cluster.leader();
  uint64_t with_it = 0, beside = 0;
  for (uint64_t other = 1; other <= 4; ++other)
    if (other != old && other != next) (with_it ? beside : with_it) = other;
  cluster.isolate(beside);
  const uint64_t index = cluster.submit(next, without(four, old));
  cluster.run(100);
  if (index == 0) return cluster.violation();
  cluster.isolate(next), cluster.isolate(with_it);
  cluster.heal();
  cluster.isolate(next), cluster.isolate(with_it);
  cluster.run(3000);
  return cluster.violation();
}

TEST(ChangeTooEarly, IsRefused) {
  EXPECT_EQ(change_of_a_leader_that_has_not_begun(), "");
  const WithMutant mutant(Mutant::consensus_change_early);
  EXPECT_NE(change_of_a_leader_that_has_not_begun(), "");
}

TEST(ChangeTooEarly, MayBeMadeWhenTheTermHasBegun) {
  ConsensusCluster cluster(3, 5, {}, 2);
  const uint64_t leads = cluster.settle();
  cluster.run(50);
  EXPECT_TRUE(cluster.at(leads).may_change());
  EXPECT_FALSE(cluster.at(1 + leads % 3).may_change());
  ASSERT_NE(cluster.submit(leads, with(kThree, server(4))), 0u);
  EXPECT_FALSE(cluster.at(leads).may_change());
  EXPECT_EQ(cluster.submit(leads, with(kThree, server(5))), 0u) << "one at a time";
  cluster.run(50);
  EXPECT_TRUE(cluster.at(leads).may_change());
}

// --- D17, D24, D25 -------------------------------------------------------------------------------

TEST(ChangeToOneVoter, IsRefused) {
  ConsensusCluster cluster(3, 5);
  const uint64_t leads = cluster.settle();
  cluster.run(50);
  ASSERT_NE(cluster.submit(leads, without(kThree, 1 + leads % 3)), 0u);
  cluster.run(50);
  Configuration one = cluster.at(leads).configuration();
  ASSERT_EQ(one.voters(), 2u);
  for (Server& each : one.servers)
    if (each.id != leads) each.role = ServerRole::standby;
  EXPECT_EQ(cluster.submit(leads, one), 0u);
  LogEntry entry{.index = cluster.at(leads).last_index() + 1,
                 .term = cluster.at(leads).term(),
                 .type = EntryType::change,
                 .body = encode(one)};
  const auto refused =
      cluster.at(leads).submit(std::make_shared<LogEntry>(entry), cluster.now_ms());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("1 voters"));
}

TEST(StandBy, VotesWhereACandidateCountsIt) {
  Follower node(3, with(kThree, server(3, ServerRole::standby)));
  EXPECT_THAT(node.asked_for_votes(), testing::IsEmpty()) << "and stands for no election";
  const Update update = node.receive(
      1, VoteRequest{.version = 2, .term = 5, .candidate = 1, .last_index = 9, .last_term = 4});
  ASSERT_EQ(update.messages.size(), 1u);
  EXPECT_TRUE(std::get<VoteResult>(update.messages[0].message).is_granted);
  EXPECT_THAT(node.asked_for_votes(), testing::IsEmpty());
}

// Removed, and made a voter again before it heard of it.
TEST(NoMember, VotesWhereACandidateCountsIt) {
  Follower node(3, kThree);
  node.append(1, 2, 1, 1, {change(2, 2, without(kThree, 3))});
  const Update update = node.receive(1, VoteRequest{.version = 2,
                                                    .term = 5,
                                                    .candidate = 1,
                                                    .last_index = 9,
                                                    .last_term = 4,
                                                    .disrupt_leader = true});
  ASSERT_EQ(update.messages.size(), 1u);
  EXPECT_TRUE(std::get<VoteResult>(update.messages[0].message).is_granted);
  EXPECT_THAT(node.asked_for_votes(), testing::IsEmpty());
  EXPECT_EQ(node.consensus->configuration(), without(kThree, 3));
}

// Its leader is dead. It stands for no election, so it has to forget it by itself.
TEST(StandBy, ForgetsASilentLeader) {
  Follower node(3, with(kThree, server(3, ServerRole::standby)));
  node.append(1, 2, 1, 1, {records(2, 2)});
  EXPECT_EQ(node.consensus->leader()->id, 1u);
  const VoteRequest request{
      .version = 2, .term = 3, .candidate = 2, .last_index = 2, .last_term = 2};
  const auto is_granted = [&] {
    const Update update = node.receive(2, request);
    return std::get<VoteResult>(update.messages.at(0).message).is_granted;
  };
  EXPECT_FALSE(is_granted()) << "it hears a leader";
  EXPECT_THAT(node.asked_for_votes(), testing::IsEmpty());
  EXPECT_EQ(node.consensus->leader(), std::nullopt);
  EXPECT_TRUE(is_granted());
}

TEST(Leader, ThatIsRemovedIsFollowedAtOnce) {
  ConsensusCluster cluster(3, 31);
  const uint64_t old = cluster.settle();
  cluster.run(50);
  ASSERT_NE(cluster.submit(old, without(kThree, old)), 0u);
  cluster.run(30);
  const uint64_t next = cluster.leader();
  EXPECT_NE(next, old) << "an election timeout is five times as long";
  EXPECT_NE(next, 0u);
  const uint64_t term = cluster.at(next).term();
  EXPECT_NE(cluster.submit(next), 0u);
  cluster.run(3000);
  EXPECT_EQ(cluster.at(next).term(), term) << "who is removed disturbs nobody";
  cluster.crash(old), cluster.restart(old);
  cluster.run(3000);
  EXPECT_EQ(cluster.at(next).term(), term) << "nor when it starts again";
  EXPECT_EQ(cluster.at(old).role(), Role::follower);
  EXPECT_EQ(cluster.violation(), "");
}

// --- lives ---------------------------------------------------------------------------------------

TEST(NewNode, GetsTheLogStandsByAndVotes) {
  ConsensusCluster cluster(3, 37, {}, 1);
  const uint64_t leads = cluster.settle();
  for (int i = 0; i < 300; ++i) cluster.submit(leads);
  cluster.run(50);
  EXPECT_EQ(cluster.at(4).last_index(), 0u);
  ASSERT_NE(cluster.submit(leads, with(kThree, server(4, ServerRole::joining))), 0u);
  cluster.run(200);
  EXPECT_EQ(cluster.at(4).commit_index(), cluster.at(leads).commit_index());
  EXPECT_EQ(cluster.at(leads).match_index(4), cluster.log(leads).size());
  ASSERT_NE(cluster.submit(leads, with(kThree, server(4))), 0u);
  cluster.run(100);
  const uint64_t third = leads == 3 ? 2 : 3;
  cluster.crash(third);
  const uint64_t index = cluster.submit(leads);
  cluster.run(100);
  EXPECT_EQ(cluster.at(leads).commit_index(), index) << "three of four";
  cluster.isolate(4);
  const uint64_t later = cluster.submit(leads);
  cluster.run(100);
  EXPECT_LT(cluster.at(leads).commit_index(), later) << "two of four";
  EXPECT_EQ(cluster.violation(), "");
}

TEST(NewNode, SurvivesTheLeaderThatMadeItOne) {
  for (const int64_t ms : {1, 2, 3, 5, 8, 20}) {
    ConsensusCluster cluster(3, 41, {}, 1);
    const uint64_t leads = cluster.settle();
    cluster.run(50);
    ASSERT_NE(cluster.submit(leads, with(kThree, server(4, ServerRole::standby))), 0u);
    cluster.run(100);
    ASSERT_NE(cluster.submit(leads, with(kThree, server(4))), 0u);
    cluster.run(ms);
    cluster.crash(leads);
    const uint64_t next = cluster.settle();
    ASSERT_NE(next, 0u) << ms;
    cluster.restart(leads);
    ASSERT_NE(cluster.settle(), 0u) << ms;
    cluster.run(100);
    for (uint64_t id = 1; id <= 4; ++id)
      EXPECT_EQ(cluster.at(id).configuration(), cluster.at(next).configuration()) << ms;
    EXPECT_EQ(cluster.violation(), "") << ms;
  }
}

// A leader that is cut off removes one; the others make another a member meanwhile.
TEST(ChangeOfAMinority, IsUndone) {
  ConsensusCluster cluster(3, 43, {}, 1);
  const uint64_t old = cluster.settle();
  cluster.run(50);
  cluster.isolate(old);
  ASSERT_NE(cluster.submit(old, without(kThree, 1 + old % 3)), 0u);
  cluster.run(2000);
  const uint64_t next = cluster.leader();
  ASSERT_NE(next, old);
  ASSERT_NE(cluster.submit(next, with(kThree, server(4))), 0u);
  cluster.run(100);
  cluster.heal();
  cluster.run(500);
  for (uint64_t id = 1; id <= 4; ++id) {
    EXPECT_EQ(cluster.at(id).configuration(), with(kThree, server(4))) << id;
    EXPECT_EQ(cluster.at(id).commit_index(), cluster.at(next).commit_index()) << id;
  }
  EXPECT_EQ(cluster.violation(), "");
}

// --- by chance -----------------------------------------------------------------------------------

struct Reached {
  uint64_t terms = 0, committed = 0, changes = 0;
};

Configuration changed_somehow(Random& random, const Configuration& all, uint64_t nodes) {
  const uint64_t id = 1 + random.below(nodes);
  const Server* known = all.find(id);
  if (!known)
    return with(all, server(id, random.one_in(2) ? ServerRole::standby : ServerRole::voter));
  if (!known->is_voter()) return with(all, server(id));
  // Few voters, and little happens any more.
  return all.voters() > 3 || random.one_in(8) ? without(all, id) : all;
}

// What breaks first; empty: nothing, and the members get on once they are left alone.
std::string run_seed(uint64_t seed, Reached& reached) {
  Random random(seed * 6151);
  const uint64_t voters = 2 + random.below(4), spares = 1 + random.below(2);
  const uint64_t nodes = voters + spares;
  ConsensusCluster cluster(voters, seed,
                           {.loss_percent = static_cast<uint32_t>(random.below(15)),
                            .duplicate_percent = static_cast<uint32_t>(random.below(15)),
                            .delay_ms_max = static_cast<uint32_t>(1 + random.below(15)),
                            .disk_ms_max = static_cast<uint32_t>(random.below(20)),
                            .report_ms_max = static_cast<uint32_t>(random.below(10))},
                           spares);
  for (int64_t i = 0; i < 3000 && cluster.violation().empty(); ++i) {
    cluster.tick();
    const uint64_t node = 1 + random.below(nodes);
    const uint64_t leads = cluster.leader();
    if (leads && random.one_in(4)) cluster.submit(leads);
    const uint64_t asked = leads && !random.one_in(4) ? leads : node;
    if (cluster.is_up(asked) && random.one_in(15))
      reached.changes +=
          cluster.submit(asked,
                         changed_somehow(random, cluster.at(asked).configuration(), nodes)) != 0;
    if (random.one_in(100)) cluster.cut(node, 1 + random.below(nodes));
    if (random.one_in(300)) cluster.isolate(random.one_in(2) && leads ? leads : node);
    if (random.one_in(120)) cluster.heal();
    if (random.one_in(60)) cluster.hold_disk(node, random.one_in(4));
    if (random.one_in(250) || (!cluster.is_up(node) && random.one_in(20)))
      cluster.is_up(node) ? cluster.crash(node) : cluster.restart(node);
    if (cluster.is_up(node) && random.one_in(200))
      cluster.carry_out(node, cluster.at(node).transfer(0, cluster.now_ms()));
  }
  if (!cluster.violation().empty()) return cluster.violation();
  cluster.set_faults({});
  cluster.heal();
  for (uint64_t id = 1; id <= nodes; ++id) {
    cluster.hold_disk(id, false);
    if (!cluster.is_up(id)) cluster.restart(id);
  }
  const uint64_t leads = cluster.settle();
  if (!leads) return cluster.violation().empty() ? "no leader within 10 s" : cluster.violation();
  const uint64_t index = cluster.submit(leads);
  cluster.run(3000);
  for (const Server& each : cluster.at(leads).configuration().servers)
    if (index && cluster.at(each.id).commit_index() < index)
      return "node " + std::to_string(each.id) + " does not catch up";
  reached.terms += cluster.at(leads).term();
  reached.committed += cluster.committed();
  return cluster.violation();
}

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : otherwise;
}

TEST(ChangesByChance, AgreeUnderFaults) {
  const uint64_t only = number_from("CASBOOK_SEED", 0);
  const uint64_t first = only ? only : 1;
  const uint64_t seeds = only ? 1 : number_from("CASBOOK_CONSENSUS_SEEDS", 200);
  Reached reached;
  for (uint64_t seed = first; seed < first + seeds; ++seed)
    ASSERT_EQ(run_seed(seed, reached), "") << "CASBOOK_SEED=" << seed;
  std::printf("%lu terms, %lu entries committed, %lu changes begun\n", reached.terms,
              reached.committed, reached.changes);
  if (only) return;
  EXPECT_GT(reached.terms, 3 * seeds);
  EXPECT_GT(reached.changes, 5 * seeds);
}

struct Seeded {
  Mutant mutant;
  const char* name;
};
class ChangeMutants : public testing::TestWithParam<Seeded> {};
TEST_P(ChangeMutants, AreSeenByChance) {
  const WithMutant mutant(GetParam().mutant);
  std::string broken;
  Reached reached;
  uint64_t seed = 0;
  while (broken.empty() && seed < 400) broken = run_seed(++seed, reached);
  std::printf("seed %lu: %s\n", seed, broken.c_str());
  EXPECT_NE(broken, "");
}
INSTANTIATE_TEST_SUITE_P(
    All, ChangeMutants,
    testing::Values(Seeded{Mutant::consensus_change_mid_batch, "change_mid_batch"},
                    Seeded{Mutant::consensus_changes_overlap, "changes_overlap"},
                    Seeded{Mutant::consensus_standby_votes, "standby_votes"}),
    [](const auto& given) { return std::string(given.param.name); });

}  // namespace
}  // namespace casbook::test
