// A majority's memory is told of before the disks are asked, and all disks are asked at once when
// it is one of them that somebody waits for.
#include <initializer_list>

#include <gtest/gtest.h>

#include "log/durable.h"
#include "log/log_reader.h"
#include "support/sim_scene.h"

namespace casbook::test {
namespace {

constexpr int64_t kDelayNs = replicate::WriteDelayLimits{}.delay_ns;

class Scene : public SimScene {
 public:
  Scene() : SimScene({.link = {.delay_ns = 50 * kSimUs, .jitter_ns = 0}}) {
    for (auto& node : nodes_) node->disk_ns = 100 * kSimUs;
    run_for(kSimSecond);
  }

  // Of one payment while somebody waits on those events: when it is quorum, and durable.
  struct Reached {
    int64_t quorum_ns = 0, durable_ns = 0;
  };
  Reached reach(std::initializer_list<arena::OwnEvent> events) {
    const int64_t begun = pay_one(events);
    Reached reached;
    until_it_is(log::quorum_position);
    reached.quorum_ns = events_.now() - begun;
    until_it_is(log::durable_position);
    reached.durable_ns = events_.now() - begun;
    return reached;
  }
  void slow_down_followers(int64_t disk_ns) {
    for (auto& node : nodes_)
      if (node.get() != leader()) node->disk_ns = disk_ns;
  }
  // Until it is durable since somebody waits for that, of a payment that a majority has already.
  int64_t reach_later() {
    pay_one({arena::kQuorumEvent});
    until_it_is(log::quorum_position);
    const int64_t begun = events_.now();
    (void)arena::prepare_wait(store().own_event(arena::kDurableEvent));
    leader()->demand();
    until_it_is(log::durable_position);
    return events_.now() - begun;
  }

 private:
  const commit::Store& store() { return leader()->book().store(); }
  int64_t pay_one(std::initializer_list<arena::OwnEvent> events) {
    run_for(20 * kSimMs);
    for (const arena::OwnEvent event : events) (void)arena::prepare_wait(store().own_event(event));
    const int64_t begun = events_.now();
    pay(*leader(), 1, 1, 0);
    return begun;
  }
  void until_it_is(Position (*reached)(const commit::Store&)) {
    EXPECT_TRUE(run_until([&] { return reached(store()).lsn() + 1 == log::log_end(store()); }, 1));
  }
};

TEST(EntryInMemory, WaitsForOthersWhileOnlyAMajorityIsWaitedFor) {
  Scene cluster;
  for (int i = 0; i < 5; ++i) {
    const auto reached = cluster.reach({arena::kQuorumEvent});
    EXPECT_LT(reached.quorum_ns, kDelayNs / 2);
    EXPECT_GE(reached.durable_ns, kDelayNs);
    EXPECT_LT(reached.durable_ns, 3 * kDelayNs) << "and no longer";
  }
  EXPECT_EQ(cluster.violation(), "");
}

TEST(EntryInMemory, GoesToAllDisksWhenOneOfThemIsWaitedFor) {
  Scene cluster;
  for (int i = 0; i < 5; ++i) {
    const auto reached = cluster.reach({arena::kDurableEvent});
    EXPECT_LT(reached.quorum_ns, kDelayNs / 2);
    EXPECT_LT(reached.durable_ns, kDelayNs);
    EXPECT_LT(cluster.reach_later(), kDelayNs) << "by a word of its own";
  }
  EXPECT_EQ(cluster.violation(), "");
}

TEST(EntryInMemory, IsNotToldOfWhileOnlyTheDiskIsWaitedFor) {
  Scene cluster;
  const auto alone = cluster.reach({arena::kDurableEvent});
  EXPECT_EQ(alone.quorum_ns, alone.durable_ns) << "one answer says both";
  const auto both = cluster.reach({arena::kDurableEvent, arena::kQuorumEvent});
  EXPECT_LT(both.quorum_ns, both.durable_ns);
  EXPECT_EQ(cluster.violation(), "");
}

// By then somebody may wait for memory.
TEST(EntryInMemory, IsToldOfWhenTheDiskTakesLong) {
  Scene cluster;
  cluster.slow_down_followers(100 * kSimMs);
  const auto reached = cluster.reach({arena::kDurableEvent});
  EXPECT_LT(reached.quorum_ns, 5 * kSimMs);
  EXPECT_GE(reached.durable_ns, 100 * kSimMs);
  EXPECT_EQ(cluster.violation(), "");
}

}  // namespace
}  // namespace casbook::test
