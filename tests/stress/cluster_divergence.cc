// A bit of the memory of one of three hosts flips, in the file of its book: its daemon says where,
// stays up, is not read and does not lead; the others pay on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arena/arena.h"
#include "support/cluster_daemons.h"
#include "support/cluster_payer.h"

namespace casbook {
namespace {

using namespace test_support;
using testing::HasSubstr;

struct Seen {
  std::atomic<uint64_t> unit, leader, code;
};

class ClusterDivergence : public testing::Test {
 protected:
  void SetUp() override {
    if (!hosts_.are_there()) GTEST_SKIP() << "no hosts here: " << hosts_.why_not();
    ClusterPlan plan;
    plan.arena = "accounts = 64\npayments = 20000\nrecords = 4096\nleases = 32\nsessions = 16\n";
    daemons_.emplace(hosts_, CASBOOK_COMMAND_INSTRUMENTED, plan);
    daemons_->start_all();
    for (uint32_t host = 1; host <= hosts_.count(); ++host)
      payers_.push_back(
          fork_on(hosts_, host, [this, host] { pay_on_host(host, daemons_->book(), *truth_); }));
    ASSERT_TRUE(pays()) << daemons_->last_events(1, 20);
  }
  void TearDown() override { truth_->must_stop = 1; }

  // Some more payments are answered.
  bool pays() {
    const uint64_t before = truth_->reached();
    return await([&] { return truth_->reached() > before + 20; });
  }
  uint32_t leader() {
    fork_on(hosts_, 1, [&] {
      const auto book = Book::observe(daemons_->book());
      seen_->leader = book ? book->status().cluster.leader : 0;
    }).wait();
    return static_cast<uint32_t>(seen_->leader.load());
  }
  // In a cell that nobody has used: no record meets it.
  void flip_on(uint32_t host) {
    fork_on(hosts_, host, [&] {
      const auto mapping = arena::attach("/dev/shm", daemons_->book(), arena::Access::read_write);
      require(static_cast<bool>(mapping), "the book cannot be attached");
      const auto& profiles = (*mapping)->cells(arena::CellTable::profiles);
      const uint64_t unit = profiles.first_unit + (profiles.count - 1) * 4;
      (*mapping)->region<uint64_t>(arena::Region::cells)[unit * 8 + 4] ^= 1 << 9;
      seen_->unit = unit;
    }).wait();
  }
  bool says(uint32_t host, const std::string& what) {
    return await([&] { return daemons_->events(host).find(what) != std::string::npos; });
  }
  // What a reader on that host is told.
  Code reads(uint32_t host) {
    fork_on(hosts_, host, [&] {
      const auto book = Book::observe(daemons_->book());
      const auto found = book ? book->lookup(payment_id(0, 1)) : Result<PaymentInfo>(book.error());
      seen_->code = found ? 0 : static_cast<uint64_t>(found.error().code);
    }).wait();
    return static_cast<Code>(seen_->code.load());
  }
  void expect_diverged(uint32_t host) {
    ASSERT_TRUE(says(host, "event=book_diverged")) << daemons_->last_events(host, 20);
    const std::string events = daemons_->events(host);
    EXPECT_THAT(events, HasSubstr("word 1, value (unit " + std::to_string(seen_->unit) + ")"));
    EXPECT_THAT(events, HasSubstr("majority=yes"));
    EXPECT_TRUE(pays());
    EXPECT_TRUE(daemons_->is_running(host)) << "it votes and keeps the log";
    EXPECT_EQ(reads(host), Code::quarantined);
    for (uint32_t other = 1; other <= hosts_.count(); ++other)
      if (other != host) {
        EXPECT_THAT(daemons_->events(other), testing::Not(HasSubstr("book_diverged")));
        EXPECT_EQ(reads(other), Code{}) << "host " << other;
      }
  }

  Hosts hosts_{{.count = 3}};
  Shared<ClusterTruth> truth_;
  Shared<Seen> seen_;
  std::optional<ClusterDaemons> daemons_;
  std::vector<Child> payers_;
};

TEST_F(ClusterDivergence, OfAFollowerIsSaidByItsDaemon) {
  const uint32_t follower = leader() % hosts_.count() + 1;
  flip_on(follower);
  expect_diverged(follower);
  daemons_->kill(leader());
  EXPECT_TRUE(pays()) << "the third leads, and the quarantined one votes for it";
  EXPECT_NE(leader(), follower);
}

TEST_F(ClusterDivergence, OfTheLeaderMakesAnotherLead) {
  const uint32_t odd = leader();
  ASSERT_NE(odd, 0u);
  flip_on(odd);
  expect_diverged(odd);
  EXPECT_NE(leader(), odd);
}

}  // namespace
}  // namespace casbook
