// A bit of a simulated host's memory flips: whose book it is says so and where, does not lead and
// is not read any more, and the others pay on. That nothing is said where nothing is wrong, the
// seeds of seeds.cc show: there each quarantine is a violation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/book_impl.h"
#include "support/hunt.h"
#include "support/scratch_directory.h"
#include "support/sim_payers.h"

namespace casbook::test {
namespace {

using replicate::Role;
using replicate::Standing;
using testing::HasSubstr;

class FlippedCluster {
 public:
  FlippedCluster(uint64_t nodes, uint64_t seed)
      : random_(seed),
        truth_(events_),
        network_(events_, seed, nodes, [this](uint64_t to, const std::vector<std::byte>& datagram) {
          nodes_[to - 1]->receive(datagram);
        }) {
    for (uint64_t id = 1; id <= nodes; ++id) {
      nodes_.push_back(std::make_unique<SimNode>(
          events_, network_, truth_,
          SimNodeOptions{.id = id,
                         .nodes = nodes,
                         .seed = seed * 100 + id,
                         .directory = directory_.path() + "/" + std::to_string(id)}));
      nodes_.back()->may_be_quarantined = true;
    }
    truth_.set_holds([this](uint64_t node, uint64_t index,
                            uint64_t term) { return nodes_[node - 1]->term_at(index) == term; },
                     [this](uint64_t node, uint64_t index, uint64_t term) {
                       return nodes_[node - 1]->has_lost(index, term);
                     });
    network_.set_all({.loss_permille = seed % 3 == 0 ? 50u : 0});
    payers_ = std::make_unique<SimPayers>(
        events_, truth_, nodes_,
        SimPayersOptions{.seed = seed, .pause_ns = 5 * kSimMs, .have_sleepers = false, .expect_quarantines = true});
    for (auto& node : nodes_) node->start();
    payers_->begin();
    EXPECT_TRUE(pays(20));
  }

  SimNode& node(uint64_t id) { return *nodes_[id - 1]; }
  SimNode* leader() {
    for (auto& node : nodes_)
      if (node->is_leading()) return node.get();
    return nullptr;
  }
  SimNode& follower() {
    for (auto& node : nodes_)
      if (!node->is_leading()) return *node;
    std::abort();
  }
  // A bit of a cell that nobody writes: else the next record that does finds it.
  void flip_idle(SimNode& node) {
    const auto& profiles = node.book().store().mapping().cells(arena::CellTable::profiles);
    const uint64_t unit = profiles.first_unit + (profiles.count - 1) * 4;
    flip(node, unit, 2 + static_cast<uint32_t>(random_.below(30)));
  }
  // The balance of an account that pays all the time.
  void flip_busy(SimNode& node) {
    const auto& accounts = node.book().store().mapping().cells(arena::CellTable::accounts);
    flip(node, accounts.first_unit + 1, 2);
  }
  void flip(SimNode& node, uint64_t unit, uint32_t offset) {
    uint64_t* const words = node.book().store().mapping().region<uint64_t>(arena::Region::cells);
    words[unit * 8 + offset] ^= uint64_t{1} << random_.below(32);
    flipped_ = "(unit " + std::to_string(unit) + ")";
  }
  const std::string& flipped() const { return flipped_; }

  bool run_until(const std::function<bool()>& condition, int64_t ns) {
    const int64_t until = events_.now() + ns;
    while (!condition() && events_.now() < until && events_.run_next()) {
    }
    return condition();
  }
  void run_for(int64_t ns) {
    const int64_t until = events_.now() + ns;
    run_until([&] { return events_.now() >= until; }, ns);
  }
  // So many more payments are answered.
  bool pays(size_t count) {
    payers_->allow(count + 20);
    const size_t wanted = payers_->answers().size() + count;
    return run_until([&] { return payers_->answers().size() >= wanted; }, 10 * kSimSecond);
  }
  bool is_quarantined_within(SimNode& node, int64_t ns) {
    return run_until([&] { return !node.quarantine().empty(); }, ns);
  }
  // What a reader on that host is told of an account.
  Code reads(SimNode& node) {
    auto core = api::open_core(node.directory(), SimBook::kName, arena::Access::read_only);
    if (!core) return core.error().code;
    const auto account = (*core)->accounts.find({*ExternalId::parse("account 0")});
    if (!account) return account.error().code;
    const auto balance = BookAccess::wrap(*core).balance(*account);
    return balance ? Code{} : balance.error().code;
  }
  size_t quarantined() {
    size_t count = 0;
    for (auto& node : nodes_) count += !node->quarantine().empty();
    return count;
  }
  const std::string& violation() const { return truth_.violation(); }

 private:
  SimEvents events_{false};
  Random random_;
  SimTruth truth_;
  test_support::ScratchDirectory directory_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  SimNetwork network_;
  std::unique_ptr<SimPayers> payers_;
  std::string flipped_;
};

constexpr uint64_t kSeeds = 8;

// Nobody with a quarantined book leads, also when the leader dies. Empty: so it is.
std::string leads_without(FlippedCluster& cluster, SimNode& odd) {
  for (int i = 0; i < 4; ++i) {
    SimNode* const leader = cluster.leader();
    if (!leader || leader == &odd) return "nobody leads, or the quarantined one does";
    leader->kill();
    leader->start();
    if (!cluster.pays(10)) return "nobody pays any more";
    if (odd.replicator().role() == Role::leader) return "the quarantined one leads";
  }
  return {};
}

TEST(FlippedBit, OfAFollowerIsFoundAndItsBookNotUsedAnyMore) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FlippedCluster cluster(seed % 2 ? 3 : 5, seed);
    SimNode& odd = cluster.follower();
    cluster.flip_idle(odd);
    ASSERT_TRUE(cluster.is_quarantined_within(odd, kSimSecond)) << "seed " << seed;
    EXPECT_THAT(odd.quarantine(), HasSubstr(cluster.flipped()));
    EXPECT_EQ(cluster.reads(odd), Code::quarantined);
    EXPECT_EQ(odd.replicator().standing(), Standing::quarantined);
    EXPECT_TRUE(odd.replicator().quarantine()->is_of_majority);
    EXPECT_EQ(leads_without(cluster, odd), "") << "seed " << seed;
    EXPECT_EQ(cluster.quarantined(), 1u) << "seed " << seed;
    EXPECT_EQ(cluster.violation(), "") << "seed " << seed;
  }
}

TEST(FlippedBit, OfTheLeaderIsFoundAndAnotherLeads) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FlippedCluster cluster(seed % 2 ? 3 : 5, seed);
    SimNode& odd = *cluster.leader();
    cluster.flip_idle(odd);
    ASSERT_TRUE(cluster.is_quarantined_within(odd, kSimSecond)) << "seed " << seed;
    EXPECT_THAT(odd.quarantine(), HasSubstr(cluster.flipped()));
    EXPECT_TRUE(cluster.pays(20)) << "seed " << seed;
    EXPECT_NE(cluster.leader(), &odd);
    EXPECT_EQ(odd.replicator().standing(), Standing::quarantined);
    EXPECT_EQ(cluster.reads(odd), Code::quarantined);
    EXPECT_EQ(leads_without(cluster, odd), "") << "seed " << seed;
    EXPECT_EQ(cluster.quarantined(), 1u) << "seed " << seed;
    EXPECT_EQ(cluster.violation(), "") << "seed " << seed;
  }
}

// The record that changes that cell does not fit; the digest may be before it.
TEST(FlippedBit, InABusyCellOfAFollowerIsFound) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FlippedCluster cluster(3, seed);
    SimNode& odd = cluster.follower();
    cluster.flip_busy(odd);
    ASSERT_TRUE(cluster.is_quarantined_within(odd, 2 * kSimSecond)) << "seed " << seed;
    EXPECT_TRUE(cluster.pays(20)) << "seed " << seed;
    EXPECT_EQ(cluster.quarantined(), 1u) << "seed " << seed;
    EXPECT_EQ(cluster.violation(), "") << "seed " << seed;
  }
}

// What is made of it is committed before anybody can say so: nobody may go on with that.
TEST(FlippedBit, InABusyCellOfTheLeaderStopsThePayments) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FlippedCluster cluster(3, seed);
    SimNode& odd = *cluster.leader();
    cluster.flip_busy(odd);
    ASSERT_TRUE(cluster.is_quarantined_within(odd, 3 * kSimSecond)) << "seed " << seed;
    EXPECT_EQ(odd.book().store().control().gate.load_relaxed() & 1, 0u);
    EXPECT_NE(odd.replicator().standing(), Standing::following);
  }
}

TEST(QuarantineByHand, OfAFollowerIsKeptAndOfALeaderHandedOver) {
  FlippedCluster cluster(3, 1);
  SimNode& follower = cluster.follower();
  follower.book().quarantine({});
  ASSERT_TRUE(cluster.is_quarantined_within(follower, kSimSecond));
  EXPECT_EQ(cluster.reads(follower), Code{}) << "reading goes on";
  EXPECT_TRUE(cluster.pays(20));
  SimNode& leader = *cluster.leader();
  leader.book().quarantine({});
  ASSERT_TRUE(cluster.is_quarantined_within(leader, kSimSecond));
  EXPECT_TRUE(cluster.pays(20)) << "the third leads";
  EXPECT_EQ(leader.replicator().standing(), Standing::quarantined);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(QuarantineByHand, OutlivesTheDaemon) {
  FlippedCluster cluster(3, 2);
  SimNode& follower = cluster.follower();
  follower.book().quarantine({});
  ASSERT_TRUE(cluster.is_quarantined_within(follower, kSimSecond));
  follower.kill();
  cluster.run_for(200 * kSimMs);
  follower.start();
  EXPECT_TRUE(cluster.is_quarantined_within(follower, kSimSecond));
  EXPECT_TRUE(cluster.pays(20));
  EXPECT_EQ(cluster.violation(), "");
}

// --- seeded bugs ---

TEST(Mutants, ABusyLeaderThatKeepsChangedCellsIsFound) {
  const std::string found = hunt_in_child(60, []() -> std::string {
    base::probes.mutant = base::Mutant::digest_keeps_changed;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      FlippedCluster cluster(3, seed);
      cluster.pays(100);
      if (cluster.quarantined() != 0) return "a book is quarantined, and nothing is wrong";
    }
    return {};
  });
  EXPECT_NE(found, "");
}

TEST(Mutants, AnOddLeaderThatJudgesAloneIsFound) {
  const std::string found = hunt_in_child(60, []() -> std::string {
    base::probes.mutant = base::Mutant::digest_judged_alone;
    FlippedCluster cluster(3, 1);
    SimNode& odd = *cluster.leader();
    cluster.flip_idle(odd);
    cluster.run_for(2 * kSimSecond);
    return odd.quarantine().empty() && cluster.quarantined() != 0 ? "the right ones are told" : "";
  });
  EXPECT_NE(found, "");
}

TEST(Mutants, AQuarantinedNodeThatStandsIsFound) {
  const std::string found = hunt_in_child(60, []() -> std::string {
    base::probes.mutant = base::Mutant::quarantined_stands;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      FlippedCluster cluster(3, seed);
      SimNode& odd = cluster.follower();
      cluster.flip_idle(odd);
      cluster.is_quarantined_within(odd, kSimSecond);
      const std::string wrong = leads_without(cluster, odd);
      if (!wrong.empty()) return wrong;
    }
    return {};
  });
  EXPECT_NE(found, "");
}

}  // namespace
}  // namespace casbook::test
