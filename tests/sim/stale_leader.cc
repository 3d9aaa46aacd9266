// D4: a leader that was cut off with hundreds of entries that nobody else has unlearns them in a
// few round trips, not in one for each. Time shows it only where links are slow, so this is a run
// of its own, with the same parts.
#include <gtest/gtest.h>

#include "api/book_impl.h"
#include "support/hunt.h"
#include "support/scratch_directory.h"
#include "support/sim_payers.h"

namespace casbook::test {
namespace {

constexpr uint64_t kNodes = 3;
constexpr int kBursts = 6, kBurst = 100;
constexpr int64_t kLinkNs = 5 * kSimMs;

class SlowCluster {
 public:
  SlowCluster() {
    for (uint64_t id = 1; id <= kNodes; ++id)
      nodes_.push_back(std::make_unique<SimNode>(
          events_, network_, truth_,
          SimNodeOptions{.id = id,
                         .seed = id,
                         .entry_bytes_max = 1,  // an entry for each record
                         .directory = directory_.path() + "/" + std::to_string(id)}));
    truth_.set_holds([this](uint64_t node, uint64_t index,
                            uint64_t term) { return nodes_[node - 1]->term_at(index) == term; },
                     [this](uint64_t node, uint64_t index, uint64_t term) {
                       return nodes_[node - 1]->has_lost(index, term);
                     });
    network_.set_all({.delay_ns = kLinkNs, .jitter_ns = 0});
    payers_ = std::make_unique<SimPayers>(
        events_, truth_, nodes_,
        SimPayersOptions{
            .payments_max = 3, .clients = 2, .have_sleepers = false, .take_leases = false});
    for (auto& node : nodes_) node->start();
    payers_->begin();
  }

  // How many entries the leader had for itself, how many the others had meanwhile; how long until
  // all nodes were even again.
  struct Unlearned {
    uint64_t entries = 0, others = 0;
    int64_t ns = 0;
  };
  Unlearned run() {
    Unlearned result;
    run_until([&] { return payers_->answers().size() >= 2; }, 20);
    SimNode& deposed = *leader();
    for (uint64_t other = 1; other <= kNodes; ++other) {
      if (other == deposed.id()) continue;
      network_.cut(deposed.id(), other);
      network_.cut(other, deposed.id());
    }
    const uint64_t committed = deposed.replicator().commit_index();
    pay(deposed);
    while (deposed.term_at(committed + result.entries + 1) != 0) ++result.entries;
    // The next one writes as much, and another leads when the network is whole again.
    run_until([&] { return leader() && leader() != &deposed; }, 5);
    SimNode& second = *leader();
    run_for(100 * kSimMs);  // until it may be paid there
    pay(second);
    run_until([&] { return second.has_all_applied(); }, 20);
    result.others = second.replicator().commit_index() - committed;
    second.kill();
    second.start();
    run_until([&] { return leader() && leader() != &deposed && leader() != &second; }, 5);
    network_.set_all({.delay_ns = kLinkNs, .jitter_ns = 0});
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
  const std::string& violation() const { return truth_.violation(); }

 private:
  SimNode* leader() {
    for (auto& node : nodes_)
      if (node->is_leading()) return node.get();
    return nullptr;
  }
  void run_until(const std::function<bool()>& condition, int64_t seconds) {
    const int64_t until = events_.now() + seconds * kSimSecond;
    while (!condition() && events_.now() < until && events_.run_next()) {
    }
  }
  void run_for(int64_t ns) {
    const int64_t until = events_.now() + ns;
    run_until([&] { return events_.now() >= until; }, 1);
  }
  void pay(SimNode& node) {
    auto core = api::open_core(node.directory(), SimBook::kName, arena::Access::read_write);
    if (!core) return;
    auto session = BookAccess::wrap(*core).open_session();
    const auto from = (*core)->accounts.find({*ExternalId::parse("account 0")});
    const auto to = (*core)->accounts.find({*ExternalId::parse("account 1")});
    if (!session || !from || !to) return;
    for (int burst = 0; burst < kBursts; ++burst) {
      for (uint64_t i = 0; i < kBurst; ++i)
        (void)!session->pay(
            Payment({ExternalId::of_number(++paid_)}).debit(*from, 1).credit(*to, 1));
      node.demand();
      run_for(kSimMs);
    }
  }

  SimEvents events_{false};
  SimTruth truth_{events_, kNodes};
  test_support::ScratchDirectory directory_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  SimNetwork network_{events_, 1, kNodes,
                      [this](uint64_t to, const std::vector<std::byte>& datagram) {
                        nodes_[to - 1]->receive(datagram);
                      }};
  std::unique_ptr<SimPayers> payers_;
  uint64_t paid_ = 500'000;
};

TEST(StaleLeader, UnlearnsInAFewRoundTrips) {
  SlowCluster cluster;
  const auto unlearned = cluster.run();
  EXPECT_GT(unlearned.entries, 300u) << "a run that shows nothing";
  EXPECT_GT(unlearned.others, 300u) << "a run that shows nothing";
  EXPECT_LT(unlearned.ns, 1 * kSimSecond);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(StaleLeader, ThatStepsBackSinglyIsFound) {
  const std::string found = hunt_in_child(60, []() -> std::string {
    base::probes.mutant = base::Mutant::consensus_steps_back_singly;
    SlowCluster cluster;
    const auto unlearned = cluster.run();
    if (unlearned.ns < 1 * kSimSecond) return "";
    return std::to_string(unlearned.entries) + " entries took " +
           std::to_string(unlearned.ns / kSimMs) + " ms";
  });
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found, "");
}

}  // namespace
}  // namespace casbook::test
