// A daemon that is killed while it builds the arena of a follower: the book's name stands for a
// whole book at any time, and the next attempt goes on.
#include <gtest/gtest.h>

#include "journal/directory_storage.h"
#include "support/child_process.h"
#include "support/cluster_book.h"
#include "support/follower_rebuild.h"
#include "support/strike.h"

namespace casbook::daemon {
namespace {

using namespace test_support;
using base::FaultPoint;

class FollowerArenaKilled : public testing::TestWithParam<FaultPoint> {
 protected:
  FollowerArenaKilled() {
    write_segments(*storage_, leader_.replica.mapping(), records_of(leader_.store(), 1, end_));
    must(rebuild(nullptr));
  }
  Result<FollowerArena> rebuild(const commit::Store* replaced) {
    FollowerArenaOptions options = follower_options(book_.path(), end_ - 1);
    options.replaced = replaced;
    return rebuild_follower(*storage_, empty_request(leader_.replica.mapping()), options);
  }

  BusyLeader leader_{1024};
  const uint64_t end_ = log::log_end(leader_.store());
  ScratchDirectory disk_, book_;
  std::unique_ptr<journal::Storage> storage_ = must(journal::DirectoryStorage::open(disk_.path()));
};

TEST_P(FollowerArenaKilled, TheNextAttemptGoesOn) {
  ReplicaArena old(book_.path(), "book");
  must(old->promote(5));
  announce_leading(old.store(), 5);
  Book book = must(Book::attach("book", book_.path()));
  Session session = must(book.open_session());
  const Payment payment =
      Payment(payment_id(9)).debit(leader_.book.world, 5).credit(leader_.accounts[0], 5);
  must(session.pay(payment));
  must(old->seal(5));

  Child victim([&] {
    arm({GetParam()});
    const auto mapping = must(arena::attach(book_.path(), "book", arena::Access::read_write));
    const commit::Store store(*mapping);
    (void)!rebuild(&store);
  });
  ASSERT_TRUE(victim.was_killed_by(SIGKILL));

  const bool is_retired = GetParam() == FaultPoint::replace_before_rename;
  EXPECT_EQ(old.store().replication().retired.load_relaxed(), is_retired ? 1u : 0u);
  EXPECT_EQ(code_of(session.pay(payment)), Code::not_leader);
  EXPECT_TRUE(Book::attach("book", book_.path())) << "the name stands for a whole book";
  EXPECT_EQ(must(book.balance(leader_.accounts[0])).available,
            leader_.book.available(leader_.accounts[0]) + 5);

  must(rebuild(&old.store()));
  EXPECT_EQ(book_.entries(), std::set<std::string>{"casbook.book"}) << "nothing is left behind";
  EXPECT_EQ(code_of(session.pay(payment)), Code::not_leader);
  EXPECT_EQ(must(book.balance(leader_.accounts[0])).available,
            leader_.book.available(leader_.accounts[0]));
  EXPECT_TRUE(book.check().ok);
  EXPECT_EQ(first_difference(leader_.store(), ReplicaArena(book_.path(), "book").store()), "");
}

INSTANTIATE_TEST_SUITE_P(Each, FollowerArenaKilled,
                         testing::Values(FaultPoint::create_after_file,
                                         FaultPoint::follower_arena_filled,
                                         FaultPoint::create_before_rename,
                                         FaultPoint::replace_before_rename),
                         [](const testing::TestParamInfo<FaultPoint>& given) {
                           return base::fault_point_name(given.param);
                         });

}  // namespace
}  // namespace casbook::daemon
