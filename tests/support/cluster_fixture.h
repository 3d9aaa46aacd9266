// Tests of one fault at a time on a cluster of hosts. CASBOOK_FULL=1: each lasts as long as in the
// wild.
#pragma once

#include <cstdlib>

#include <gtest/gtest.h>

#include "support/cluster_run.h"

namespace casbook::test_support {

inline bool is_full() { return std::getenv("CASBOOK_FULL") != nullptr; }
inline int64_t seconds(int64_t in_short, int64_t in_full) {
  return (is_full() ? in_full : in_short) * 1'000'000;
}

class ClusterFaults : public testing::Test {
 protected:
  void begin(uint32_t hosts) {
    make(hosts);
    if (!IsSkipped()) start();
  }
  void make(uint32_t hosts) {
    run_.emplace(HostsOptions{.count = hosts});
    if (!run_->hosts().are_there()) GTEST_SKIP() << "no hosts here: " << run_->hosts().why_not();
    run_->make_daemons(patient_plan());
  }
  void start() {
    ASSERT_TRUE(run_->begin()) << "nobody pays at the beginning\n" << run_->all_events();
    leader_ = run_->await_leader();
    ASSERT_NE(leader_, 0u);
  }
  EtherSwitch& wire() { return run_->hosts().wire(); }
  uint32_t count() { return run_->hosts().count(); }
  std::vector<uint32_t> others(uint32_t host) {
    std::vector<uint32_t> list;
    for (uint32_t other = 1; other <= count(); ++other)
      if (other != host) list.push_back(other);
    return list;
  }
  uint64_t term() { return run_->look(leader_).leader_term; }
  // The same one leads, in the same term, for so long, and is paid.
  void expect_quiet(int64_t us) {
    const uint64_t before = term();
    const int64_t end_ns = monotonic_ns() + us * 1000;
    while (monotonic_ns() < end_ns) {
      EXPECT_TRUE(run_->await_progress()) << run_->all_events();
      ASSERT_EQ(run_->leader(), leader_) << run_->all_events();
    }
    EXPECT_EQ(term(), before) << run_->all_events();
  }
  // Another leads, after at most so many elections.
  void expect_another_leads(uint64_t terms_max) {
    const uint64_t before = run_->look(leader_).leader_term;
    const uint32_t former = leader_;
    leader_ = run_->await_leader(former);
    ASSERT_NE(leader_, 0u) << run_->all_events();
    EXPECT_LE(term(), before + terms_max) << run_->all_events();
  }

  std::optional<ClusterRun> run_;
  uint32_t leader_ = 0;
};

}  // namespace casbook::test_support
