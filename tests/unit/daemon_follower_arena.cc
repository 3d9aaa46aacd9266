// The arena of a node that follows, from checkpoint and journal, in place of the one that it had.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/plan.h"
#include "support/cluster_book.h"
#include "support/faulty_storage.h"
#include "support/follower_rebuild.h"

namespace casbook::daemon {
namespace {

using namespace test_support;
using test::FaultyStorage;
using testing::HasSubstr;

class FollowerRebuild : public testing::Test {
 protected:
  FollowerRebuild() {
    write_segments(disk_, leader_.replica.mapping(), records(),
                   {.per_entry = 7, .per_segment = 30});
  }
  EncodedRecords records() const { return records_of(leader_.store(), 1, end()); }
  uint64_t end() const { return log::log_end(leader_.store()); }
  Result<FollowerArena> rebuild(uint64_t to_lsn, const commit::Store* replaced = nullptr) {
    FollowerArenaOptions options = follower_options(directory_.path(), to_lsn);
    options.replaced = replaced;
    return rebuild_follower(disk_, empty_request(leader_.replica.mapping()), options);
  }
  ReplicaArena open() const { return {directory_.path(), "book"}; }
  // The end of the entry that holds `lsn`.
  uint64_t end_of_entry(uint64_t lsn) const {
    uint64_t last = lsn;
    const auto term = [&](uint64_t at) { return Position{all_[at - 1][2]}.term(); };
    uint64_t first = 1;
    for (uint64_t at = 1; at <= lsn; ++at)
      if (at > 1 && (term(at) != term(at - 1) || at - first == 7)) first = at;
    while (last + 1 < end() && last + 1 - first < 7 && term(last + 1) == term(first)) ++last;
    return last;
  }

  BusyLeader leader_;
  const EncodedRecords all_ = records();
  FaultyStorage disk_{1};
  ScratchDirectory directory_;
};

TEST_F(FollowerRebuild, OfAllIsTheLeadersArena) {
  const FollowerArena built = must(rebuild(end() - 1));
  EXPECT_EQ(built.last, leader_.book.book.position());
  EXPECT_EQ(built.records, end() - 1);
  const ReplicaArena arena = open();
  EXPECT_EQ(first_difference(leader_.store(), arena.store()), "");
  EXPECT_EQ(arena.store().control().gate.load_relaxed(), 3u << 1) << "term 3, shut";
  for (uint64_t term = 2; term <= 3; ++term)
    EXPECT_EQ(arena.store().control().term_starts[term].load_relaxed(),
              leader_.store().control().term_starts[term].load_relaxed());
  EXPECT_EQ(log::durable_position(arena.store()), built.last);
  EXPECT_EQ(log::quorum_position(arena.store()), built.last);
  EXPECT_EQ(log::journal_of(arena.store()).id, kTestJournalId);
  Book book = must(Book::attach("book", directory_.path()));
  EXPECT_EQ(book.position(), built.last) << "though the ring has no record";
  EXPECT_EQ(book.status().cluster.role, "following");
  EXPECT_EQ(must(book.balance(leader_.accounts[0])).available,
            leader_.book.available(leader_.accounts[0]));
  const AuditReport audit = must(book.audit());
  EXPECT_TRUE(audit.ok);
  EXPECT_EQ(audit.position, built.last);
  Session session = must(book.open_session());
  EXPECT_EQ(code_of(session.try_acquire("till")), Code::not_leader);
  EXPECT_TRUE(book.check().ok);
}

TEST_F(FollowerRebuild, OfAPartIsGoneOnWithByApplying) {
  for (const uint64_t part : {uint64_t{1}, end() / 3, end() / 2}) {
    const uint64_t to = end_of_entry(part);
    const FollowerArena built = must(rebuild(to));
    EXPECT_EQ(built.last.lsn(), to);
    ReplicaArena arena = open();
    EXPECT_EQ(arena->next_lsn(), to + 1);
    for (uint64_t lsn = to + 1; lsn < end();) {
      const replicate::LogEntry entry = must(leader_.replica->take(lsn, 2000));
      must(arena->apply(entry));
      lsn += entry.count;
    }
    EXPECT_EQ(first_difference(leader_.store(), arena.store()), "") << to;
    EXPECT_EQ(arena.store().control().gate.load_relaxed(), 3u << 1);
    must(Book::destroy("book", directory_.path()));
  }
}

TEST_F(FollowerRebuild, BeginsAtACheckpointThatIsNotTooNew) {
  const auto info =
      must(journal::write_checkpoint(leader_.store(), disk_, checkpoint_request(leader_.store())));
  const FollowerArena whole = must(rebuild(info.position.lsn()));
  EXPECT_EQ(whole.checkpoint, info.name);
  EXPECT_EQ(whole.records, 0u);
  EXPECT_EQ(whole.last, info.position);
  EXPECT_EQ(first_difference(leader_.store(), open().store()), "");
  const uint64_t to = end_of_entry(end() / 2);
  const FollowerArena part = must(rebuild(to));
  EXPECT_EQ(part.checkpoint, "");
  EXPECT_EQ(part.last.lsn(), to);
}

TEST_F(FollowerRebuild, AJournalThatEndsBeforeIsAnError) {
  const auto built = rebuild(end() + 3);
  ASSERT_EQ(code_of(built), Code::damaged);
  EXPECT_THAT(built.error().detail, HasSubstr("lsn " + std::to_string(end() + 3)));
  EXPECT_TRUE(directory_.entries().empty());
}

TEST_F(FollowerRebuild, AnEmptyOneIsOfTheGivenGeometry) {
  CreateOptions options = small_options();
  options.directory = directory_.path();
  const auto request = must(api::plan_arena("book", options, 4711));
  const FollowerArena built =
      must(rebuild_follower(disk_, request, follower_options(directory_.path(), 0)));
  EXPECT_EQ(built.last, Position{});
  const ReplicaArena arena = open();
  EXPECT_EQ(arena.mapping().geometry().hash_seed, 4711u);
  EXPECT_EQ(arena->next_lsn(), 1u);
  EXPECT_EQ(must(arena->promote(2)), Position::of(2, 1));
  announce_leading(arena.store(), 2);
  Book book = must(Book::attach("book", directory_.path()));
  const WillingMajority majority(arena.store());
  EXPECT_EQ(code_of(must(book.open_session()).open_ledger("EUR", 2)), kDone);
}

TEST_F(FollowerRebuild, TakesTheNameFromTheOneThatItReplaces) {
  must(rebuild(end() - 1));
  auto old = std::make_unique<ReplicaArena>(directory_.path(), "book");
  must((*old)->promote(5));
  announce_leading(old->store(), 5);
  Book book = must(Book::attach("book", directory_.path()));
  Session session = must(book.open_session());
  const Payment payment =
      Payment(payment_id(9)).debit(leader_.book.world, 5).credit(leader_.accounts[0], 5);
  const Position undone = must(session.pay(payment)).position;
  must((*old)->seal(5));
  EXPECT_EQ(code_of(rebuild(end() + 3, &old->store())), Code::damaged);
  EXPECT_EQ(old->store().replication().retired.load_relaxed(), 0u) << "nothing replaces it yet";
  must(rebuild(end() - 1, &old->store()));
  EXPECT_EQ(old->store().replication().retired.load_relaxed(), 1u);
  EXPECT_EQ(code_of(session.pay(payment)), Code::not_leader);
  EXPECT_EQ(must(book.balance(leader_.accounts[0])).available,
            leader_.book.available(leader_.accounts[0]));
  EXPECT_EQ(code_of(book.wait(undone, Level::memory, std::chrono::milliseconds(0))),
            Code::outcome_unknown)
      << "until another term has a record there";
  EXPECT_EQ(directory_.entries(), std::set<std::string>{"casbook.book"});
}

}  // namespace
}  // namespace casbook::daemon
