// How safe an answer is: levels, waiting for them, and positions of terms that ended.
#include <thread>

#include <gtest/gtest.h>

#include "log/durable.h"
#include "log/terms.h"
#include "support/child_process.h"
#include "support/id_table.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using std::chrono::milliseconds;

class Levels : public testing::Test {
 protected:
  Payment payment(uint64_t id) const {
    return Payment(payment_id(id)).debit(book_.world, 1).credit(a_, 1);
  }
  // What a daemon does.
  void adopt_journal() { store().control().journal.lo.initialise(7); }
  void publish(Position position) { log::publish_durable(store(), position); }
  commit::Store& store() { return below_.store; }

  SmallBook book_;
  Account a_ = book_.open("a");
  IdTable below_{book_};
};

TEST_F(Levels, WithoutAJournalOnlyMemoryIsGivenAndNothingElseIsDone) {
  for (const Level level : {Level::durable, Level::quorum}) {
    EXPECT_EQ(code_of(book_.session.pay(payment(1), level, milliseconds(10))),
              Code::level_unavailable);
    EXPECT_EQ(code_of(book_.book.lookup(payment_id(1))), Code::payment_missing);
    EXPECT_EQ(code_of(book_.book.wait(book_.book.position(), level, milliseconds(10))),
              Code::level_unavailable);
  }
  EXPECT_EQ(code_of(book_.session.pay(payment(1), Level::memory, milliseconds(10))), kDone);
}

TEST_F(Levels, AnAnswerIsHeldBackUntilItIsDurable) {
  adopt_journal();
  const auto early = book_.session.pay(payment(1), Level::durable, milliseconds(20));
  ASSERT_EQ(code_of(early), Code::outcome_unknown);
  const Position at{early.error().position};
  EXPECT_EQ(at, book_.book.position()) << "it says which position it did not see safe";
  publish({at.value - 1});
  EXPECT_EQ(code_of(book_.book.wait(at, Level::durable, milliseconds(5))), Code::outcome_unknown);
  publish(at);
  EXPECT_EQ(code_of(book_.book.wait(at, Level::durable, milliseconds(0))), kDone);
  const auto again = book_.session.pay(payment(1), Level::durable, milliseconds(0));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
}

TEST_F(Levels, ARecordedRefusalWaitsToo) {
  adopt_journal();
  const Payment refused = Payment(payment_id(1)).debit(a_, 5).credit(book_.world, 5);
  EXPECT_EQ(code_of(book_.session.pay(refused, Level::durable, milliseconds(5))),
            Code::outcome_unknown);
  publish(book_.book.position());
  EXPECT_EQ(code_of(book_.session.pay(refused, Level::durable, milliseconds(5))),
            Code::insufficient_available);
}

TEST_F(Levels, WaitersAreWokenTogetherAndTellTheDaemonThatTheyWait) {
  adopt_journal();
  const Position at = must(book_.session.pay(payment(1))).position;
  arena::EventLine& demand = store().own_event(arena::kDemandEvent);
  const uint64_t ticket = arena::prepare_wait(demand);
  std::atomic<int> reached{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 8; ++i)
    waiters.emplace_back([&] {
      reached += static_cast<bool>(book_.book.wait(at, Level::durable, std::chrono::seconds(20)));
    });
  EXPECT_EQ(arena::wait(demand, ticket, monotonic_ns() + 20'000'000'000), arena::WaitEnd::notified);
  EXPECT_EQ(reached, 0);
  publish(at);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(reached, 8);
}

TEST_F(Levels, AnObserverMayWait) {
  adopt_journal();
  const Position at = must(book_.session.pay(payment(1))).position;
  const Book observer = must(Book::observe("book", book_.directory.path()));
  EXPECT_EQ(code_of(observer.wait(at, Level::durable, milliseconds(5))), Code::outcome_unknown);
  publish(at);
  EXPECT_EQ(code_of(observer.wait(at, Level::durable, milliseconds(5))), kDone);
}

TEST_F(Levels, APositionThatTheNextTermHasAnewIsUndone) {
  const Position first = must(book_.session.pay(payment(1))).position;
  must(book_.book.set_quarantine(true));
  must(book_.book.set_quarantine(false));
  const Position second = must(book_.session.pay(payment(2))).position;
  const auto waited = [&](Position position) {
    return code_of(book_.book.wait(position, Level::memory, milliseconds(1)));
  };
  EXPECT_EQ(first.term(), 1u);
  EXPECT_EQ(second.term(), 2u);
  EXPECT_EQ(waited(first), kDone);
  EXPECT_EQ(waited(second), kDone);
  EXPECT_EQ(waited(Position::of(1, second.lsn())), Code::undone);
  EXPECT_EQ(waited(Position::of(2, first.lsn())), Code::undone);
  EXPECT_EQ(waited(Position::of(3, second.lsn() + 1)), Code::undone);
  EXPECT_EQ(waited(Position::of(0, 1)), Code::undone);
  EXPECT_EQ(waited(Position::of(2, second.lsn() + 1)), Code::outcome_unknown) << "yet to come";
}

TEST_F(Levels, OfTermsLongAgoOnlyTheLastAreRemembered) {
  const Position first = must(book_.session.pay(payment(1))).position;
  std::vector<Position> of_terms{first};
  for (uint64_t id = 2; id < 2 + 2 * kTermStarts; ++id) {
    must(book_.book.set_quarantine(true));
    must(book_.book.set_quarantine(false));
    of_terms.push_back(must(book_.session.pay(payment(id))).position);
  }
  for (size_t i = 0; i < of_terms.size(); ++i) {
    const bool is_remembered = of_terms.size() - i <= kTermStarts + 1;
    EXPECT_EQ(log::standing_of(store(), of_terms[i]),
              is_remembered ? log::Standing::held : log::Standing::unknown)
        << i;
  }
}

}  // namespace
}  // namespace casbook
