// A host that was away so long that the others' logs have lost what it lacks: it gets a copy while
// payers pay, is killed on the way, and comes to the same book. A new host begins with a copy. One
// that lost its disk is refused. CASBOOK_CATCH_UP_KILLS (3) and CASBOOK_SEED choose.
#include <cstdlib>
#include <filesystem>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "journal/format.h"
#include "support/cluster_check.h"
#include "support/cluster_daemons.h"
#include "support/cluster_payer.h"
#include "support/random.h"

namespace casbook {
namespace {

using namespace test_support;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr int kSeconds = 40;

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

ClusterPlan plan_of(const std::string& rate, uint32_t members = 0) {
  ClusterPlan plan;
  plan.segment = "4MiB";
  plan.more = "[checkpoint]\nevery = \"200ms\"\n";
  plan.cluster = "catch_up_bytes_per_second = \"" + rate + "\"\n";
  plan.members = members;
  return plan;
}

class ClusterCatchUp : public testing::Test {
 protected:
  void begin(uint32_t hosts, const ClusterPlan& plan) {
    seed_ = number_from("CASBOOK_SEED", std::random_device()());
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed_));
    hosts_.emplace(HostsOptions{.count = hosts, .seed = seed_});
    if (!hosts_->are_there()) GTEST_SKIP() << "no hosts here: " << hosts_->why_not();
    payers_.resize(hosts);
    daemons_.emplace(*hosts_, CASBOOK_COMMAND_INSTRUMENTED, plan);
    members_ = plan.members ? plan.members : hosts;
    for (uint32_t host = 1; host <= members_; ++host) {
      daemons_->start(host);
      pay_from(host);
    }
    ASSERT_TRUE(await_progress(20)) << "nobody pays at the beginning" << all_events();
  }
  void pay_from(uint32_t host) {
    payers_[host - 1].emplace(
        fork_on(*hosts_, host, [&, host] { pay_on_host(host, daemons_->book(), *truth_); }));
  }
  // So many more payments reached their level.
  bool await_progress(uint64_t payments) {
    const uint64_t before = truth_->reached();
    return await([&] { return truth_->reached() >= before + payments; }, kSeconds);
  }
  bool await_event(uint32_t host, const std::string& text) {
    return await([&] { return daemons_->events(host).find(text) != std::string::npos; }, kSeconds);
  }

  // As the book of that host says; 0 where there is none just now.
  uint64_t refused_disks(uint32_t host) {
    *refused_disks_ = 0;
    fork_on(*hosts_, host, [&] {
      if (const auto book = Book::observe(daemons_->book()))
        *refused_disks_ = book->status().cluster.refused_disks;
    }).wait();
    return *refused_disks_;
  }

  std::vector<uint64_t> segments(uint32_t host) const {
    std::vector<uint64_t> numbers;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(hosts_->disk(host) + "/journal", ignored))
      if (const auto number = journal::segment_number(entry.path().filename().string()))
        numbers.push_back(*number);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }
  // Until none of the others has a segment any more that it has now.
  bool await_compaction(uint32_t but_host) {
    std::map<uint32_t, uint64_t> last;
    for (uint32_t host = 1; host <= hosts_->count(); ++host)
      if (const auto numbers = segments(host); host != but_host && !numbers.empty())
        last[host] = numbers.back();
    return await(
        [&] {
          for (const auto& [host, number] : last) {
            const auto numbers = segments(host);
            if (numbers.empty() || numbers.front() <= number) return sleep_us(50'000), false;
          }
          return true;
        },
        2 * kSeconds);
  }

  void end_evenly(uint32_t first_hosts) {
    truth_->must_stop = 1;
    for (auto& payer : payers_) {
      if (!payer) continue;
      EXPECT_TRUE(await([&] { return payer->has_ended(); })) << "a payer does not end";
      payer.reset();
    }
    const bool is_even = await(
        [&] {
          for (uint32_t host = 1; host <= first_hosts; ++host)
            fork_on(*hosts_, host, [&, host] {
              look_on_host(daemons_->book(), report_of(host));
            }).wait();
          for (uint32_t host = 1; host <= first_hosts; ++host)
            if (report_of(host).position != report_of(1).position ||
                report_of(host).durable != report_of(1).position || report_of(1).position == 0)
              return sleep_us(50'000), false;
          return true;
        },
        kSeconds);
    ASSERT_TRUE(is_even) << all_events();
    for (uint32_t host = 1; host <= first_hosts; ++host) {
      EXPECT_TRUE(fork_on(*hosts_, host, [&, host] {
                    check_on_host(daemons_->book(), *truth_, {.is_quorum_kept = false},
                                  report_of(host));
                  }).succeeded());
      EXPECT_TRUE(report_of(host).is_sound()) << "host " << host << "\n" << report_of(host).text;
      EXPECT_EQ(report_of(host).digest, report_of(1).digest) << "hosts " << host << " and 1 differ";
    }
    for (size_t lie = 0; lie < truth_->lies.size(); ++lie)
      EXPECT_EQ(truth_->lies[lie], 0u) << kLieNames[lie];
    if (HasFailure()) std::printf("%s", all_events().c_str());
  }
  HostReport& report_of(uint32_t host) { return (*reports_)[host - 1]; }
  std::string all_events() const {
    std::string text = "\n";
    for (uint32_t host = 1; host <= hosts_->count(); ++host)
      text += daemons_->last_events(host, 30);
    return text;
  }

  uint64_t seed_ = 0;
  uint32_t members_ = 0;
  Shared<ClusterTruth> truth_;
  Shared<uint64_t> refused_disks_;
  Shared<std::array<HostReport, kHostsMax>> reports_;
  std::optional<Hosts> hosts_;
  std::optional<ClusterDaemons> daemons_;
  std::vector<std::optional<Child>> payers_;
};

TEST_F(ClusterCatchUp, AHostThatWasAwayGetsACopyWhileOthersPay) {
  begin(3, plan_of("2MiB"));
  if (IsSkipped() || HasFatalFailure()) return;
  test::Random random(seed_);
  payers_[2].reset();
  daemons_->kill(3);
  ASSERT_TRUE(await_compaction(3)) << all_events();
  // Killed while the copy comes, is installed, or is built from.
  const uint64_t kills = number_from("CASBOOK_CATCH_UP_KILLS", 3);
  for (uint64_t i = 0; i < kills; ++i) {
    daemons_->start(3);
    sleep_us(static_cast<int64_t>(random.below(1'500'000)));
    daemons_->kill(3);
    if (random.one_in(2)) {
      ASSERT_TRUE(hosts_->lose_memory(3));
    }
  }
  daemons_->start(3);
  ASSERT_TRUE(await_event(3, "event=copy_installed")) << all_events();
  ASSERT_TRUE(await_progress(50)) << "nobody pays any more" << all_events();
  pay_from(3);
  ASSERT_TRUE(await_progress(50)) << all_events();
  end_evenly(3);
  EXPECT_EQ(daemons_->stop(3).exit_code, 0);
}

// The daemon lives on, and so does its book meanwhile.
TEST_F(ClusterCatchUp, AHostThatWasCutOffToo) {
  begin(3, plan_of("0B"));
  if (IsSkipped() || HasFatalFailure()) return;
  payers_[1].reset();
  hosts_->wire().isolate(2);
  ASSERT_TRUE(await_compaction(2)) << all_events();
  hosts_->wire().heal();
  ASSERT_TRUE(await_event(2, "event=copy_installed")) << all_events();
  pay_from(2);
  ASSERT_TRUE(await_progress(50)) << all_events();
  end_evenly(3);
}

TEST_F(ClusterCatchUp, ANewHostBeginsWithACopy) {
  begin(4, plan_of("8MiB", 3));
  if (IsSkipped() || HasFatalFailure()) return;
  ASSERT_TRUE(await_compaction(4)) << all_events();
  daemons_->start(4);
  ASSERT_TRUE(await_event(4, "event=copy_installed")) << all_events();
  // Behind the empty one, by which it knew the shape of its book.
  const auto rebuilt = [&] {
    const std::string events = daemons_->events(4);
    return events.find("event=book_rebuilt", events.find("event=copy_installed")) !=
           std::string::npos;
  };
  ASSERT_TRUE(await(rebuilt, kSeconds)) << all_events();
  ASSERT_TRUE(await_progress(20)) << all_events();
  end_evenly(3);
  // It has what the copy had, is no member, and never stood for election.
  fork_on(*hosts_, 4, [&] { look_on_host(daemons_->book(), report_of(4)); }).wait();
  EXPECT_GT(report_of(4).durable, 0u);
  EXPECT_LT(report_of(4).durable, report_of(1).durable);
  EXPECT_EQ(daemons_->events(4).find("role=candidate"), std::string::npos);
  const Ended ended = daemons_->stop(4);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
}

TEST_F(ClusterCatchUp, AHostThatLostItsDiskIsRefused) {
  begin(3, plan_of("8MiB"));
  if (IsSkipped() || HasFatalFailure()) return;
  payers_[2].reset();
  daemons_->kill(3);
  ASSERT_TRUE(hosts_->lose_memory(3));
  fs::remove_all(hosts_->disk(3) + "/journal");
  fs::create_directory(hosts_->disk(3) + "/journal");
  daemons_->start(3);
  EXPECT_TRUE(await([&] { return !daemons_->is_running(3); }, kSeconds)) << all_events();
  EXPECT_THAT(daemons_->events(3), HasSubstr("one that lost its disk needs a new id"));
  EXPECT_TRUE(await([&] {
    return (daemons_->events(1) + daemons_->events(2)).find("event=disk_refused node=3") !=
           std::string::npos;
  })) << all_events();
  EXPECT_TRUE(await([&] { return refused_disks(1) + refused_disks(2) > 0; })) << "in no status";
  ASSERT_TRUE(await_progress(50)) << "the others pay on" << all_events();
  end_evenly(2);
}

}  // namespace
}  // namespace casbook
