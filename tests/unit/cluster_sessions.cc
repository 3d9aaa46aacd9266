// What those who pay, wait and read see of a cluster: who leads, what a majority has, and a book
// that moves to another file.
#include <chrono>
#include <cstring>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arena/duration_line.h"
#include "support/child_process.h"
#include "support/cluster_book.h"

namespace casbook {
namespace {

using namespace test_support;
using replicate::announce_leading_until;
using std::chrono::milliseconds;
using testing::HasSubstr;

class Cluster : public testing::Test {
 protected:
  Cluster() {
    // A daemon that lives, as far as sessions see.
    must(book_.book.follow(log::kJournalFollower, FullPolicy::drop_follower));
    store().control().journal.lo.initialise(7);
    announce_leading(store(), 1);
  }

  Payment payment(uint64_t id) const {
    return Payment(payment_id(id)).debit(book_.world, 1).credit(a_, 1);
  }
  Result<Receipt> pay(uint64_t id) { return book_.session.pay(payment(id)); }
  const commit::Store& store() const { return below_.store(); }
  arena::ReplicationLines& lines() { return store().replication(); }

  SmallBook book_;
  Account a_ = book_.open("a");
  ReplicaArena below_{book_.directory.path(), "book"};
};

// --- who leads ---

TEST_F(Cluster, TheLeadersSessionsPay) {
  EXPECT_EQ(code_of(pay(1)), kDone);
  EXPECT_EQ(code_of(book_.session.try_acquire("till")), kDone);
}

TEST_F(Cluster, PastTheTimeNothingIsCommittedAndTheLeaderIsNamed) {
  const Lease lease = must(book_.session.try_acquire("till", {.ttl = std::chrono::hours(1)})).lease;
  must(pay(1));
  const Position before = book_.book.position();
  announce_leading_until(store(), static_cast<uint64_t>(base::monotonic_ns()) - 1);
  replicate::announce_leader(store(), {});
  EXPECT_EQ(pay(2).error().detail, "no leader is known");
  replicate::announce_leader(store(), {2, 5, "10.0.0.2:7400"});
  const auto expect_refused = [](const auto& answer) {
    ASSERT_EQ(code_of(answer), Code::not_leader);
    EXPECT_EQ(answer.error().detail, "node 2 at 10.0.0.2:7400 leads");
  };
  expect_refused(pay(2));
  expect_refused(pay(1));  // a replay too: the other leader may know better
  expect_refused(book_.session.pay(payment(2), Level::memory, milliseconds(0)));
  std::vector<Result<Receipt>> answers(12, Code::backpressure);
  const std::vector<Payment> batch(12, payment(3));
  book_.session.pay_batch(batch, answers);
  for (const auto& answer : answers) expect_refused(answer);
  expect_refused(book_.session.open_account(account_id("b"), {.ledger = "EUR"}));
  expect_refused(book_.session.open_ledger("GBP", 2));
  expect_refused(book_.session.set_limits(a_, {}));
  expect_refused(book_.session.close_account(a_));
  expect_refused(book_.session.try_acquire("other"));
  expect_refused(book_.session.wait_acquire("till", {.wait = milliseconds(1)}));
  expect_refused(book_.session.renew(lease, milliseconds(5)));
  expect_refused(book_.session.release(lease));
  EXPECT_EQ(book_.book.position(), before);
  EXPECT_EQ(book_.available(a_), 1) << "reading goes on";

  announce_leading_until(store(), in_an_hour());
  EXPECT_EQ(code_of(pay(2)), kDone);
}

TEST_F(Cluster, OfSeveralRefusalsTheFirstIsAnswered) {
  announce_leading_until(store(), 1);
  EXPECT_EQ(code_of(book_.session.pay(Payment(payment_id(1)))), Code::bad_argument);
  EXPECT_EQ(code_of(pay(1)), Code::not_leader);
  announce_leading_until(store(), in_an_hour());
  must(book_.book.set_quarantine(true));
  EXPECT_EQ(code_of(pay(1)), Code::quarantined);
  EXPECT_EQ(code_of(book_.book.set_quarantine(false)), Code::not_leader) << "the cluster opens it";
}

TEST_F(Cluster, AShutGateIsThatOfAFollower) {
  must(below_->seal(1));
  EXPECT_EQ(code_of(pay(1)), Code::not_leader);
  announce_following(store(), 2);
  EXPECT_EQ(pay(1).error().detail, "node 2 at 10.0.0.2:7400 leads");
  replicate::announce_role(store(), arena::ReplicaRole::none);
  announce_leading_until(store(), 0);
  EXPECT_EQ(code_of(pay(1)), Code::book_closed);
}

// The time is over while a caller waits for a lease.
TEST_F(Cluster, WhoWaitsForALeaseLearnsThatItMovedOn) {
  must(book_.session.try_acquire("till", {.ttl = std::chrono::hours(1)}));
  Session other = must(book_.book.open_session());
  std::jthread later([&] {
    sleep_us(30'000);
    announce_leading_until(store(), 1);
  });
  EXPECT_EQ(code_of(other.wait_acquire("till", {.owner_id = 7, .wait = std::chrono::seconds(20)})),
            Code::not_leader);
}

// --- what a majority has ---

TEST_F(Cluster, QuorumIsAnsweredWhenAMajorityHasIt) {
  const auto early = book_.session.pay(payment(1), Level::quorum, milliseconds(20));
  ASSERT_EQ(code_of(early), Code::outcome_unknown);
  const Position at{early.error().position};
  EXPECT_EQ(at, book_.book.position());
  log::publish_quorum(store(), Position::of(1, at.lsn() - 1));
  EXPECT_EQ(code_of(book_.book.wait(at, Level::quorum, milliseconds(0))), Code::outcome_unknown);
  log::publish_quorum(store(), at);
  EXPECT_EQ(code_of(book_.book.wait(at, Level::quorum, milliseconds(0))), kDone);
  EXPECT_EQ(must(book_.session.pay(payment(1), Level::quorum, milliseconds(0))).position, at);
  log::publish_quorum(store(), Position::of(1, 1));
  EXPECT_EQ(log::quorum_position(store()), at) << "it only grows";
  EXPECT_EQ(code_of(book_.book.wait(Position::of(2, at.lsn()), Level::quorum, milliseconds(0))),
            Code::undone)
      << "never had that term";
}

TEST_F(Cluster, WhatAMajorityHasOnDiskItHasInMemory) {
  const Position at = must(pay(1)).position;
  log::publish_durable(store(), at);
  EXPECT_EQ(code_of(book_.book.wait(at, Level::quorum, milliseconds(0))), kDone);
}

TEST_F(Cluster, WaitersForQuorumAreWokenAndCounted) {
  std::jthread majority([&] {
    sleep_us(30'000);
    log::publish_quorum(store(), book_.book.position());
  });
  const int64_t began = monotonic_ns();
  EXPECT_EQ(code_of(book_.session.pay(payment(1), Level::quorum, std::chrono::seconds(20))), kDone);
  EXPECT_LT(monotonic_ns() - began, 10'000'000'000);
  EXPECT_EQ(arena::read_durations(lines().wait).count, 1u);
  EXPECT_GT(book_.book.status().cluster.wait_max_us, 10'000u);
}

TEST_F(Cluster, WhoWaitsForAMajorityAndWhoForTheDiskAreWokenEachByHisOwn) {
  arena::EventLine& quorum = store().own_event(arena::kQuorumEvent);
  arena::EventLine& durable = store().own_event(arena::kDurableEvent);
  const Position first = must(pay(1)).position, second = must(pay(2)).position;
  const auto waits = [&](Level level) {
    return std::jthread([this, level, second] {
      EXPECT_EQ(code_of(book_.book.wait(second, level, std::chrono::seconds(20))), kDone);
    });
  };
  {
    const std::jthread waiter = waits(Level::quorum);
    ASSERT_TRUE(await([&] { return arena::is_awaited(quorum); }));
    EXPECT_FALSE(arena::is_awaited(durable));
    const uint64_t before = quorum.sequence.load_relaxed();
    log::publish_durable(store(), first);
    EXPECT_EQ(quorum.sequence.load_relaxed(), before);
    log::publish_quorum(store(), second);
  }
  const std::jthread waiter = waits(Level::durable);
  ASSERT_TRUE(await([&] { return arena::is_awaited(durable); }));
  EXPECT_FALSE(arena::is_awaited(quorum));
  const uint64_t before = durable.sequence.load_relaxed();
  log::publish_quorum(store(), Position::of(1, second.lsn() + 1));
  EXPECT_EQ(durable.sequence.load_relaxed(), before);
  log::publish_durable(store(), second);
}

TEST_F(Cluster, AFollowerWaitsByPositionToo) {
  must(pay(1));
  FollowerBook other(below_.mapping());
  ReplicaArena replica = other.open();
  announce_following(replica.store(), 1);
  Book book = other.attach();
  const Position at = book_.book.position();
  EXPECT_EQ(code_of(book.wait(at, Level::quorum, milliseconds(5))), Code::outcome_unknown);
  std::jthread applier([&] {
    sleep_us(20'000);
    must(replica->apply(must(below_->take(1, 1 << 20))));
    log::publish_quorum(replica.store(), at);
  });
  EXPECT_EQ(code_of(book.wait(at, Level::quorum, std::chrono::seconds(20))), kDone);
  EXPECT_EQ(code_of(book.wait(at, Level::memory, milliseconds(0))), kDone);
}

// --- handles ---

TEST_F(Cluster, NoHandleIsGivenOutBeforeAMajorityHasTheOpening) {
  std::jthread majority([&] {
    sleep_us(60'000);
    log::publish_quorum(store(), book_.book.position());
  });
  const int64_t began = monotonic_ns();
  const auto opened = book_.session.open_account(account_id("new"), {.ledger = "EUR"});
  EXPECT_EQ(code_of(opened), kDone);
  EXPECT_GE(monotonic_ns() - began, 50'000'000);
  EXPECT_EQ(must(book_.book.find_account(account_id("new"))), *opened);
}

TEST_F(Cluster, NorByFindingIt) {
  {
    const WillingMajority majority(store());
    must(book_.session.open_account(account_id("new"), {.ledger = "EUR"}));
  }
  lines().quorum.initialise(0);  // as if it had not been published yet
  std::jthread majority([&] {
    sleep_us(60'000);
    log::publish_quorum(store(), book_.book.position());
  });
  const int64_t began = monotonic_ns();
  EXPECT_EQ(code_of(book_.book.find_account(account_id("new"))), kDone);
  EXPECT_GE(monotonic_ns() - began, 50'000'000);
}

TEST_F(Cluster, ALedgerThatNoMajorityHasIsNotListed) {
  const Position covered = book_.book.position();
  log::publish_quorum(store(), covered);
  const size_t listed = book_.book.ledgers().size();
  ASSERT_GT(listed, 0u);
  {
    const WillingMajority majority(store());
    must(book_.session.open_ledger("GBP", 2));
  }
  ASSERT_EQ(book_.book.ledgers().size(), listed + 1);
  lines().quorum.initialise(covered.value);  // as if it had not been published yet
  const auto before = book_.book.ledgers();
  ASSERT_EQ(before.size(), listed);
  for (const LedgerInfo& ledger : before) EXPECT_NE(ledger.name, "GBP");
  announce_following(store(), 1);
  EXPECT_EQ(book_.book.ledgers().size(), listed + 1)
      << "a follower has nothing that is not covered";
}

// --- reads that are linearizable ---

TEST_F(Cluster, LeadingIsConfirmedByAMajority) {
  must(pay(1));
  const Position at = book_.book.position();
  EXPECT_EQ(code_of(book_.book.confirm_leading(milliseconds(20))), Code::wait_timeout);
  EXPECT_EQ(replicate::asked_round(store()), 1u);
  {
    const WillingMajority majority(store());
    EXPECT_EQ(must(book_.book.confirm_leading(std::chrono::seconds(20))), at);
    EXPECT_EQ(must(book_.book.confirm_leading(std::chrono::seconds(20))), at);
    EXPECT_EQ(replicate::asked_round(store()), 3u) << "each asks for a round of its own";
  }
  must(pay(2));
  replicate::announce_confirmed(store(), 100);
  EXPECT_EQ(code_of(book_.book.confirm_leading(milliseconds(20))), Code::wait_timeout)
      << "it leads, but what is read may be undone";
  announce_leading_until(store(), 1);
  EXPECT_EQ(code_of(book_.book.confirm_leading(milliseconds(20))), Code::not_leader);
  Book observed = must(Book::observe("book", book_.directory.path()));
  EXPECT_EQ(code_of(observed.confirm_leading(milliseconds(1))), Code::read_only);
}

TEST(WithoutCluster, LeadingIsConfirmedAtOnce) {
  SmallBook book;
  EXPECT_EQ(must(book.book.confirm_leading(milliseconds(0))), book.book.position());
  EXPECT_FALSE(book.book.status().cluster.clustered);
  EXPECT_EQ(code_of(book.book.wait(book.book.position(), Level::quorum, milliseconds(0))),
            Code::level_unavailable);
}

TEST_F(Cluster, StatusTellsOfNodesAndPositions) {
  const Position at = must(pay(1)).position;
  log::publish_quorum(store(), Position::of(1, at.lsn() - 2));
  lines().nodes[0].id.store_relaxed(1);
  lines().nodes[0].synced.store_relaxed(at.value);
  lines().nodes[1].id.store_relaxed(2);
  lines().repairs_sent.store_relaxed(9);
  const ClusterStatus status = book_.book.status().cluster;
  EXPECT_TRUE(status.clustered);
  EXPECT_TRUE(status.leads);
  EXPECT_EQ(status.role, "leading");
  EXPECT_EQ(status.leader_address, "10.0.0.1:7400");
  EXPECT_EQ(status.lag, 2u);
  EXPECT_EQ(status.repairs_sent, 9u);
  ASSERT_EQ(status.nodes.size(), 2u);
  EXPECT_TRUE(status.nodes[0].is_leader && status.nodes[0].is_self);
  EXPECT_EQ(status.nodes[0].synced, at);
  EXPECT_FALSE(status.nodes[1].is_leader || status.nodes[1].is_self);
  announce_leading_until(store(), 1);
  EXPECT_FALSE(book_.book.status().cluster.leads);
}

// --- a book that moves ---

// Node 1 led in term 1, and had more in the end than a majority; node 2 goes on in term 3.
class Moving : public Cluster {
 protected:
  Moving() {
    must(pay(1));
    kept_ = book_.book.position();
    log::publish_quorum(store(), kept_);
    undone_ = must(pay(2)).position;
    committed_ = must(below_->take(1, 1 << 20));
    committed_.count = static_cast<uint32_t>(kept_.lsn());
    cut(committed_);
  }
  // To its `count`.
  static void cut(replicate::LogEntry& entry) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < entry.count; ++i) {
      uint64_t head;
      std::memcpy(&head, entry.body.data() + bytes + 8, 8);
      bytes += log::encoded_words(head) * 8;
    }
    entry.body.resize(bytes);
  }
  // Seals, and builds the successor as a daemon does.
  void move(const std::function<void()>& meanwhile = [] {}) {
    must(below_->seal(1));
    replicate::announce_role(store(), arena::ReplicaRole::sealed);
    announce_leading_until(store(), 1);
    replace_book(below_.mapping(), book_.directory.path(), meanwhile);
    next_.emplace(book_.directory.path(), "book");
    must((*next_)->apply(committed_));
  }
  // What the other leader did at the position that was undone.
  void follow() {
    FollowerBook other(below_.mapping());
    ReplicaArena leader = other.open();
    must(leader->apply(committed_));
    must(leader->promote(3));
    must((*next_)->apply(must(leader->take(kept_.lsn() + 1, 1 << 20))));
    log::publish_quorum(next_->store(), Position::of(3, kept_.lsn() + 1));
  }

  Position kept_, undone_;
  replicate::LogEntry committed_;
  std::optional<ReplicaArena> next_;
};

TEST_F(Moving, SessionsAndBooksGoToTheNewFile) {
  Book attached = book_.attach();  // when a cluster kept it already
  Book observed = must(Book::observe("book", book_.directory.path()));
  EXPECT_EQ(book_.available(a_), 2);
  move([&] {
    const auto refused = pay(3);
    EXPECT_EQ(code_of(refused), Code::not_leader);
    EXPECT_THAT(refused.error().detail, HasSubstr("on its way"));
    EXPECT_EQ(code_of(book_.session.try_acquire("till")), Code::not_leader);
    EXPECT_EQ(book_.available(a_), 2) << "as before, until the new file is there";
    EXPECT_EQ(must(attached.balance(a_)).available, 2);
  });
  EXPECT_EQ(pay(3).error().detail, "node 2 at 10.0.0.2:7400 leads");
  for (const Book* book : {&book_.book, &attached, &observed}) {
    EXPECT_EQ(must(book->balance(a_)).available, 1) << "what no majority had is gone";
    EXPECT_EQ(code_of(book->lookup(payment_id(2))), Code::payment_missing);
    EXPECT_EQ(book->position(), kept_);
  }
  must((*next_)->promote(5));
  announce_leading(next_->store(), 5);
  EXPECT_EQ(must(pay(2)).position, Position::of(5, kept_.lsn() + 2)) << "executed, once";
  EXPECT_EQ(book_.available(a_), 2);
  EXPECT_TRUE(must(pay(1)).replayed);
  EXPECT_TRUE(book_.audit_is_ok());
  EXPECT_EQ(must(attached.open_session().operator*().pay(payment(7))).position.term(), 5u);
}

TEST_F(Moving, APaymentOfABatchGoesOnInTheNewFile) {
  move();
  must((*next_)->promote(5));
  announce_leading(next_->store(), 5);
  std::vector<Payment> batch;
  for (uint64_t i = 100; i < 120; ++i) batch.push_back(payment(i));
  std::vector<Result<Receipt>> answers(batch.size(), Code::backpressure);
  book_.session.pay_batch(batch, answers);
  for (const auto& answer : answers) EXPECT_EQ(must(answer).position.term(), 5u);
  EXPECT_EQ(book_.available(a_), 21);
}

TEST_F(Moving, WaitersAreAnsweredFromTheNewFile) {
  std::vector<Code> codes(3);
  std::vector<std::jthread> waiters;
  // Published before it retired; undone; of the old term and never heard of again.
  const auto wait = [&](size_t i, Position position, milliseconds timeout) {
    waiters.emplace_back([this, &codes, i, position, timeout] {
      codes[i] = code_of(book_.book.wait(position, Level::quorum, timeout));
    });
  };
  wait(0, kept_, std::chrono::seconds(20));
  wait(1, undone_, std::chrono::seconds(20));
  wait(2, Position::of(1, undone_.lsn() + 7), milliseconds(200));
  sleep_us(20'000);
  move([] { sleep_us(20'000); });
  follow();
  waiters.clear();
  EXPECT_EQ(codes[0], kDone);
  EXPECT_EQ(codes[1], Code::undone);
  EXPECT_EQ(codes[2], Code::undone);
  EXPECT_EQ(code_of(book_.book.wait(undone_, Level::memory, milliseconds(0))), Code::undone);
}

TEST_F(Moving, APaymentThatWaitsIsToldThatItWasUndone) {
  Result<Receipt> answer = Code::backpressure;
  std::jthread payer([&] {
    Session session = must(book_.book.open_session());
    answer = session.pay(payment(8), Level::quorum, std::chrono::seconds(20));
  });
  await([&] { return book_.book.position().lsn() > undone_.lsn(); });
  move();
  follow();
  payer.join();
  ASSERT_EQ(code_of(answer), Code::undone);
  EXPECT_EQ(answer.error().position, Position::of(1, undone_.lsn() + 1).value);
}

TEST_F(Moving, UntilTheOtherLeaderWroteThereNothingIsKnown) {
  move();
  EXPECT_EQ(code_of(book_.book.wait(undone_, Level::quorum, milliseconds(20))),
            Code::outcome_unknown);
  EXPECT_EQ(code_of(book_.book.wait(kept_, Level::memory, milliseconds(0))), kDone);
}

TEST_F(Moving, ReadersOfTheLogAreTold) {
  LogReader reader = must(book_.book.read_log({}, Level::quorum));
  LogReader all = must(book_.book.read_log({}, Level::memory));
  LogFollower follower = must(book_.book.follow("auditor", FullPolicy::refuse_payments));
  move();
  const auto end_of = [](auto& log) {
    for (;;) {
      const auto next = log.next();
      if (!next || !*next) return code_of(next);
    }
  };
  EXPECT_EQ(end_of(reader), Code::book_moved);
  EXPECT_EQ(end_of(all), Code::book_moved);
  EXPECT_EQ(end_of(follower), Code::book_moved);
  LogReader anew = must(book_.book.read_log(kept_));
  EXPECT_EQ(must(anew.next())->position, kept_);
}

TEST_F(Moving, ALeaseKeepsWorkingByItsToken) {
  const Lease undone =
      must(book_.session.try_acquire("late", {.ttl = std::chrono::hours(1)})).lease;
  move();
  must((*next_)->promote(5));
  announce_leading(next_->store(), 5);
  EXPECT_EQ(code_of(book_.session.renew(undone, std::chrono::hours(1))), Code::lease_missing);
  EXPECT_EQ(code_of(book_.session.pay(payment(9).guard(undone))), Code::lease_missing);
  const Lease lease = must(book_.session.try_acquire("late", {.ttl = std::chrono::hours(1)})).lease;
  // And on to a third file that has it.
  const replicate::LogEntry more = must((*next_)->take(kept_.lsn() + 1, 1 << 20));
  must((*next_)->seal(5));
  announce_leading_until(next_->store(), 1);
  replace_book(next_->mapping(), book_.directory.path());
  ReplicaArena third(book_.directory.path(), "book");
  must(third->apply(committed_));
  must(third->apply(more));
  must(third->promote(7));
  announce_leading(third.store(), 7);
  EXPECT_EQ(code_of(book_.session.pay(payment(9).guard(lease))), kDone);
  EXPECT_EQ(must(book_.session.renew(lease, std::chrono::hours(1))).lease.token, lease.token);
  EXPECT_EQ(code_of(book_.session.release(lease)), kDone);
}

// The old file is not kept by those who left it.
TEST_F(Moving, TheOldFileIsUnmappedWhenAllHaveLeft) {
  Book attached = book_.attach();
  Session session = must(attached.open_session());
  const auto count_mapped = [] {
    std::FILE* maps = std::fopen("/proc/self/maps", "r");
    char line[512];
    int count = 0;
    while (std::fgets(line, sizeof line, maps))
      count += std::strstr(line, "casbook.book (deleted)") != nullptr;
    std::fclose(maps);
    return count;
  };
  move();
  const int before = count_mapped();
  EXPECT_EQ(code_of(session.pay(payment(5))), Code::not_leader);
  (void)attached.position();
  EXPECT_LT(count_mapped(), before);
}

}  // namespace
}  // namespace casbook
