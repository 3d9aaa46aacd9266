// Operation ids: a retry is the same operation. And detached leases, which need them most.
#include <gtest/gtest.h>

#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;

class LeaseOperations : public testing::Test {
 protected:
  SmallBook book_;
  Session& session_ = book_.session;
  Book other_book_ = book_.attach();
  Session other_ = must(other_book_.open_session());
};

// F17: a resent acquire counts once.
TEST_F(LeaseOperations, ARepeatedAcquireIsTheSameGrant) {
  const Grant first = must(session_.try_acquire("lease", {.operation_id = 5}));
  const Grant again = must(session_.try_acquire("lease", {.operation_id = 5}));
  EXPECT_FALSE(first.replayed);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.lease, first.lease);
  EXPECT_EQ(again.count, 1u);
  EXPECT_GT(again.remaining, 0s);
  EXPECT_EQ(must(session_.release(first.lease)).count, 0u);
}

TEST_F(LeaseOperations, ARepeatedReEntryCountsOnce) {
  must(session_.try_acquire("lease", {.operation_id = 5}));
  EXPECT_EQ(must(session_.try_acquire("lease", {.operation_id = 6})).count, 2u);
  const Grant again = must(session_.try_acquire("lease", {.operation_id = 6}));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.count, 2u);
}

TEST_F(LeaseOperations, WithoutAnIdEachIsAnOperationOfItsOwn) {
  const Grant first = must(session_.try_acquire("lease"));
  EXPECT_EQ(must(session_.try_acquire("lease")).count, 2u);
  EXPECT_EQ(must(session_.release(first.lease)).count, 1u);
  EXPECT_EQ(must(session_.release(first.lease)).count, 0u);
}

// The same number chosen by somebody else is another operation: he does not hold the lease.
TEST_F(LeaseOperations, AnothersOperationOfTheSameIdIsNotMine) {
  must(session_.try_acquire("lease", {.owner_id = 1, .operation_id = 5}));
  EXPECT_EQ(code_of(other_.try_acquire("lease", {.owner_id = 1, .operation_id = 5})),
            Code::lease_held);
  EXPECT_EQ(
      code_of(other_.try_acquire("lease", {.owner_id = 1, .detached = true, .operation_id = 5})),
      Code::lease_held);
  EXPECT_EQ(code_of(session_.try_acquire("lease", {.owner_id = 2, .operation_id = 5})),
            Code::lease_held);
}

TEST_F(LeaseOperations, ARepeatAfterTheEndIsANewGrant) {
  const Grant first = must(session_.try_acquire("lease", {.ttl = 10s, .operation_id = 5}));
  step_boot_clock(15'000);
  const Grant again = must(session_.try_acquire("lease", {.ttl = 10s, .operation_id = 5}));
  EXPECT_FALSE(again.replayed);
  EXPECT_GT(again.lease.token, first.lease.token);
}

// F18: a resent release does not release what was acquired in between.
TEST_F(LeaseOperations, ARepeatedReleaseAnswersTheFirstAndChangesNothing) {
  const Grant first = must(session_.try_acquire("lease"));
  must(session_.try_acquire("lease"));
  EXPECT_EQ(must(session_.release(first.lease, 8)).count, 1u);
  const Released again = must(session_.release(first.lease, 8));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.count, 1u);
  EXPECT_EQ(must(book_.book.lease("lease")).count, 1u);
  EXPECT_EQ(must(session_.release(first.lease, 9)).count, 0u);
  const Grant next = must(other_.try_acquire("lease"));
  EXPECT_TRUE(must(session_.release(first.lease, 9)).replayed);
  EXPECT_EQ(code_of(session_.release(first.lease, 10)), Code::lease_superseded);
  EXPECT_EQ(must(book_.book.lease("lease")).lease, next.lease);
  // The id alone is no right: the token has to be that of the first time.
  EXPECT_FALSE(must(other_.release(next.lease, 9)).replayed);
}

TEST_F(LeaseOperations, DetachedOnesOutliveTheirAttachment) {
  Grant grant;
  {
    Book short_lived = book_.attach();
    Session session = must(short_lived.open_session());
    grant = must(session.try_acquire("lease", {.ttl = 10s, .detached = true}));
  }
  EXPECT_EQ(code_of(session_.try_acquire("lease")), Code::lease_held);
  EXPECT_GT(must(session_.renew(grant.lease, 20s)).remaining, 19s);  // whoever has the token
  step_boot_clock(20'500);
  EXPECT_EQ(code_of(session_.try_acquire("lease")), kDone);
}

TEST_F(LeaseOperations, DetachedOnesReEnterOnlyUnderAnOwnerId) {
  must(session_.try_acquire("nobody's", {.detached = true}));
  EXPECT_EQ(code_of(session_.try_acquire("nobody's", {.detached = true})), Code::lease_held);
  const Grant first = must(session_.try_acquire("mine", {.owner_id = 4, .detached = true}));
  const Grant again = must(other_.try_acquire("mine", {.owner_id = 4, .detached = true}));
  EXPECT_EQ(again.lease, first.lease);
  EXPECT_EQ(again.count, 2u);
  EXPECT_EQ(code_of(other_.try_acquire("mine", {.owner_id = 5, .detached = true})),
            Code::lease_held);
}

// What a shell command does that is not sure of its answer.
TEST_F(LeaseOperations, ADetachedAcquireIsRepeatedFromAnotherProcess) {
  const Grant first = must(session_.try_acquire("lease", {.detached = true, .operation_id = 99}));
  const Grant again = must(other_.try_acquire("lease", {.detached = true, .operation_id = 99}));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.lease, first.lease);
  EXPECT_EQ(again.count, 1u);
}

// F05: an attachment of the same process, or in the same slot, is no heir of an earlier one.
TEST_F(LeaseOperations, ANewAttachmentInheritsNothing) {
  Grant old;
  {
    Book first = book_.attach();
    Session session = must(first.open_session());
    old = must(session.try_acquire("lease", {.ttl = 60s, .owner_id = 3, .operation_id = 5}));
  }
  Book second = book_.attach();
  Session session = must(second.open_session());
  const Grant next = must(session.try_acquire("lease", {.owner_id = 3, .operation_id = 5}));
  EXPECT_FALSE(next.replayed);
  EXPECT_EQ(next.count, 1u);
  EXPECT_GT(next.lease.token, old.lease.token);
  EXPECT_EQ(code_of(session.release(old.lease)), Code::lease_superseded);
}

}  // namespace
}  // namespace casbook
