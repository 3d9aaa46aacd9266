// Consensus under loss, duplication, reordering, crashes and slow disks, by seeds.
#include <gtest/gtest.h>

#include "base/probe.h"
#include "support/consensus_cluster.h"

namespace casbook::test {
namespace {

using base::Mutant;

// What breaks first; empty: nothing, and the cluster gets on once it is left alone.
std::string run_seed(uint64_t seed, int64_t ms) {
  Random random(seed * 7919);
  const uint64_t nodes = random.one_in(2) ? 3 : 5;
  ConsensusCluster cluster(nodes, seed,
                           {.loss_percent = static_cast<uint32_t>(random.below(20)),
                            .duplicate_percent = static_cast<uint32_t>(random.below(20)),
                            .delay_ms_max = static_cast<uint32_t>(1 + random.below(20)),
                            .disk_ms_max = static_cast<uint32_t>(random.below(30)),
                            .report_ms_max = static_cast<uint32_t>(random.below(10))});
  for (int64_t i = 0; i < ms && cluster.violation().empty(); ++i) {
    cluster.tick();
    const uint64_t node = 1 + random.below(nodes);
    if (const uint64_t leads = cluster.leader(); leads && random.one_in(2)) cluster.submit(leads);
    if (cluster.is_up(node) && random.one_in(4)) cluster.submit(node);
    if (random.one_in(100)) cluster.cut(node, 1 + random.below(nodes));
    if (random.one_in(400)) cluster.isolate(node);
    if (random.one_in(300)) cluster.heal();
    if (random.one_in(50)) cluster.hold_disk(node, random.one_in(2));
    if (random.one_in(200)) cluster.is_up(node) ? cluster.crash(node) : cluster.restart(node);
    if (cluster.is_up(node) && random.one_in(200))
      cluster.carry_out(node, cluster.at(node).transfer(0, cluster.now_ms()));
    if (cluster.is_up(node) && random.one_in(300))
      cluster.compact(node, cluster.committed_on_all_disks());
  }
  if (!cluster.violation().empty()) return cluster.violation();
  cluster.set_faults({});
  cluster.heal();
  for (uint64_t id = 1; id <= nodes; ++id) {
    cluster.hold_disk(id, false);
    if (!cluster.is_up(id)) cluster.restart(id);
  }
  const uint64_t leads = cluster.settle();
  if (!leads) return "no leader within 10 s";
  const uint64_t index = cluster.submit(leads);
  cluster.run(3000);
  for (uint64_t id = 1; id <= nodes && index; ++id)
    if (cluster.at(id).commit_index() < index)
      return "node " + std::to_string(id) + " does not catch up: commit " +
             std::to_string(cluster.at(id).commit_index()) + " of " + std::to_string(index);
  return cluster.violation();
}

TEST(ConsensusRandom, AgreesUnderFaults) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const std::string broken = run_seed(seed, 3000);
    ASSERT_EQ(broken, "") << "seed " << seed;
  }
}

// Broken rules that show in some seed.
class ConsensusMutants : public testing::TestWithParam<Mutant> {};
TEST_P(ConsensusMutants, AreSeenByChance) {
  base::probes.mutant = GetParam();
  std::string broken;
  for (uint64_t seed = 1; seed <= 200 && broken.empty(); ++seed) broken = run_seed(seed, 3000);
  base::probes.mutant = Mutant::none;
  std::printf("%s\n", broken.c_str());
  EXPECT_NE(broken, "");
}
INSTANTIATE_TEST_SUITE_P(All, ConsensusMutants,
                         testing::Values(Mutant::consensus_commit_falls,
                                         Mutant::consensus_version_dropped),
                         [](const auto& given) { return std::string(mutant_name(given.param)); });

}  // namespace
}  // namespace casbook::test
