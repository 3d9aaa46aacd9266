// An applier that is killed at any fault point of what it does: the next one goes on from what it
// left, and the arena comes out equal to the leader's.
#include <set>

#include <gtest/gtest.h>

#include "support/child_process.h"
#include "support/replica_arena.h"
#include "support/strike.h"

namespace casbook::replicate {
namespace {

using namespace test_support;
using base::FaultPoint;

class ReplicaKilled : public testing::Test {
 protected:
  // Applies everything, from the first entry on as a daemon that knows nothing would.
  void apply_all(const FollowerBook& book) const {
    const ReplicaArena replica = book.open();
    for (const LogEntry& entry : entries_)
      require(static_cast<bool>(replica->apply(entry)), "diverged");
  }
  Passages count() const {
    const Shared<Passages> passages;
    FollowerBook book(leader_.replica.mapping());
    Child child([&] {
      count_passages(*passages);
      apply_all(book);
      require(static_cast<bool>(book.open()->promote(kTerm)), "not promoted");
    });
    EXPECT_TRUE(child.succeeded());
    return *passages;
  }

  static constexpr uint64_t kTerm = 9;
  BusyLeader leader_{1024};
  const std::vector<LogEntry> entries_ = leader_.entries();
};

TEST_F(ReplicaKilled, AtAnyFaultPointTheNextOneGoesOn) {
  const Passages passages = count();
  std::set<FaultPoint> struck;
  for (size_t i = 0; i < kFaultPoints; ++i) {
    const auto point = static_cast<FaultPoint>(i);
    const uint64_t count = passages.of(point);
    for (const uint64_t nth : std::set<uint64_t>{1, count / 3, count / 2, count}) {
      if (nth == 0 || nth > count) continue;
      SCOPED_TRACE(std::string(base::fault_point_name(point)) + ", passage " + std::to_string(nth) +
                   " of " + std::to_string(count));
      FollowerBook book(leader_.replica.mapping());
      Child victim([&] {
        arm({point, nth});
        apply_all(book);
        (void)!book.open()->promote(kTerm);
      });
      ASSERT_TRUE(victim.was_killed_by(SIGKILL));
      struck.insert(point);
      apply_all(book);
      const ReplicaArena replica = book.open();
      ASSERT_TRUE(replica->promote(kTerm));
      // Compared without the mark, which the leader does not have.
      ASSERT_EQ(first_difference(leader_.store(), replica.store()), "");
      ASSERT_EQ(replica->next_lsn(), log::log_end(leader_.store()) + 1);
      ASSERT_EQ(records_of(leader_.store(), 1, log::log_end(leader_.store())),
                records_of(replica.store(), 1, log::log_end(leader_.store())));
      const CheckReport report = book.attach().check();
      ASSERT_TRUE(report.ok) << report.problems.front();
    }
  }
  for (const FaultPoint point :
       {FaultPoint::apply_term_noted, FaultPoint::commit_after_init, FaultPoint::commit_after_claim,
        FaultPoint::commit_after_publish, FaultPoint::commit_after_first_word,
        FaultPoint::record_before_publish, FaultPoint::mark_after_claim})
    EXPECT_TRUE(struck.contains(point)) << base::fault_point_name(point);
}

}  // namespace
}  // namespace casbook::replicate
