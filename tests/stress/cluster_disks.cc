// The disk of a real leader: stands still for seconds, is full. Each host has a small ext4 in a
// file on another one, both through loop devices; whoever freezes the outer one stops the device of
// the inner one, and nothing else.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "support/cluster_fixture.h"
#include "support/loop_disk.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr const char* kMakeDisk =
    "set -e; exec 2>&1\n"
    "truncate -s 160M outer.img; mkfs.ext4 -q -m 0 outer.img; mkdir outer\n"
    "mount -o loop outer.img outer\n"
    "truncate -s 48M outer/inner.img; mkfs.ext4 -q -m 0 -O ^has_journal outer/inner.img\n"
    "mount -o loop outer/inner.img journal";
constexpr const char* kFiller = "journal/filler";

class ClusterDisks : public ClusterFaults {
 protected:
  void SetUp() override {
    make(3);
    if (IsSkipped()) return;
    for (uint32_t host = 1; host <= count(); ++host) {
      const Ended made = start_on(run_->hosts(), host, "sh", {"-c", kMakeDisk})->wait();
      if (made.exit_code != 0) GTEST_SKIP() << "no disks of their own: " << made.out;
    }
    start();
  }
  // By a process that outlives a test that is killed: nobody else would thaw it.
  void freeze_disk_for(uint32_t host, int64_t us) {
    run_->on_host(host, [us] {
      if (fork() != 0) return;
      setsid();
      const int fd = open("outer", O_RDONLY | O_CLOEXEC);
      if (ioctl(fd, FIFREEZE, 0) == 0) sleep_us(us), ioctl(fd, FITHAW, 0);
      _exit(0);
    });
  }
  std::string events_of_leader() { return run_->daemons().events(leader_); }
};

// The others' disks are a majority, and heartbeats do not wait for any disk.
TEST_F(ClusterDisks, OfALeaderThatStandsStillForSecondsChangesNoLeader) {
  const uint64_t synced = run_->look(leader_).durable;
  freeze_disk_for(leader_, 3'000'000);
  sleep_us(100'000);
  expect_quiet(2'700'000);
  EXPECT_GT(run_->look(leader_).durable, synced);
  expect_quiet(1'000'000);
  run_->end({.is_quorum_kept = true});
}

TEST_F(ClusterDisks, OfALeaderThatIsFullMovesTheLeadOnce) {
  ASSERT_TRUE(run_->on_host(leader_, [] {
    new Filler(kFiller);  // stays
  }));
  const uint32_t full = leader_;
  ASSERT_TRUE(await([&] {
    return events_of_leader().find("event=no_next_segment") != std::string::npos;
  })) << run_->all_events();
  expect_another_leads(2);
  expect_quiet(seconds(2, 30));
  EXPECT_TRUE(run_->daemons().is_running(full)) << run_->all_events();
  ASSERT_TRUE(run_->on_host(full, [] { require(unlink(kFiller) == 0, "unlink"); }));
  EXPECT_TRUE(await([&] {
    return run_->daemons().events(full).find("event=next_segment_ready") != std::string::npos;
  })) << run_->all_events();
  expect_quiet(500'000);
  run_->end({.is_quorum_kept = true});
}

}  // namespace
}  // namespace casbook
