// The disk of a real leader: stands still for seconds, is full.
#include "support/cluster_fixture.h"
#include "support/host_disks.h"

namespace casbook {
namespace {

using namespace test_support;

class ClusterDisks : public ClusterFaults {
 protected:
  void SetUp() override {
    make(3);
    if (IsSkipped()) return;
    disks_.emplace(run_->hosts(), 48);
    if (!disks_->are_there()) GTEST_SKIP() << "no disks of their own: " << disks_->why_not();
    start();
  }
  std::string events_of_leader() { return run_->daemons().events(leader_); }

  std::optional<HostDisks> disks_;
};

// The others' disks are a majority, and heartbeats do not wait for any disk.
TEST_F(ClusterDisks, OfALeaderThatStandsStillForSecondsChangesNoLeader) {
  const uint64_t synced = run_->look(leader_).durable;
  disks_->freeze_for(leader_, 3'000'000);
  sleep_us(100'000);
  expect_quiet(2'700'000);
  EXPECT_GT(run_->look(leader_).durable, synced);
  expect_quiet(1'000'000);
  run_->end({.is_quorum_kept = true});
}

TEST_F(ClusterDisks, OfALeaderThatIsFullMovesTheLeadOnce) {
  disks_->fill(leader_);
  const uint32_t full = leader_;
  ASSERT_TRUE(await([&] {
    return events_of_leader().find("event=no_next_segment") != std::string::npos;
  })) << run_->all_events();
  expect_another_leads(2);
  expect_quiet(seconds(2, 30));
  EXPECT_TRUE(run_->daemons().is_running(full)) << run_->all_events();
  disks_->make_room(full);
  EXPECT_TRUE(await([&] {
    return run_->daemons().events(full).find("event=next_segment_ready") != std::string::npos;
  })) << run_->all_events();
  expect_quiet(500'000);
  run_->end({.is_quorum_kept = true});
}

}  // namespace
}  // namespace casbook
