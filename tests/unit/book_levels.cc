// How safe an answer is: levels, waiting for them, and positions of terms that ended.
#include <thread>

#include <gtest/gtest.h>

#include "arena/duration_line.h"
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
  void note_journal(uint64_t id = 7) { store().control().journal.lo.initialise(id); }
  void adopt_journal() {
    note_journal(0);  // the name is the daemon's in a journaled book
    must(book_.book.follow("journal", FullPolicy::refuse_payments));
    note_journal();
  }
  // In a process of its own, which can be killed.
  Child start_daemon() {
    note_journal(0);
    const Shared<base::AtomicU64> is_following;
    Child daemon([&] {
      Book book = book_.attach();
      must(book.follow("journal", FullPolicy::refuse_payments));
      is_following->store_release(1);
      sleep_forever();
    });
    EXPECT_TRUE(await([&] { return is_following->load_acquire() == 1; }));
    note_journal();
    set_state(arena::JournalState::serving);
    return daemon;
  }
  void publish(Position position) { log::publish_durable(store(), position); }
  void set_state(arena::JournalState state, Code code = {}) {
    lines().error_code.store_relaxed(static_cast<uint64_t>(code));
    lines().state.store_relaxed(static_cast<uint64_t>(state));
  }
  arena::JournalLines& lines() { return store().mapping().journal(); }
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

TEST_F(Levels, AJournalThatFailedEndsWaitsAtOnceAndTakesNoDurablePayment) {
  adopt_journal();
  const Position first = must(book_.session.pay(payment(1))).position;
  publish(first);
  const Position second = must(book_.session.pay(payment(2))).position;
  const std::pair<arena::JournalState, std::string> ends[] = {
      {arena::JournalState::failed, "the journal has failed: the system call failed"},
      {arena::JournalState::stopped,
       "the journal is closed: no daemon serves this book (casbook serve)"}};
  for (const auto& [state, why] : ends) {
    set_state(state, Code::io_error);
    const auto waited = book_.book.wait(second, Level::durable, std::chrono::seconds(100));
    ASSERT_EQ(code_of(waited), Code::outcome_unknown);
    EXPECT_EQ(waited.error().detail, why);
    EXPECT_EQ(code_of(book_.book.wait(first, Level::durable, milliseconds(0))), kDone);
    const auto paid = book_.session.pay(payment(3), Level::durable, std::chrono::seconds(100));
    ASSERT_EQ(code_of(paid), Code::level_unavailable);
    EXPECT_EQ(paid.error().detail, why);
    EXPECT_EQ(code_of(book_.book.lookup(payment_id(3))), Code::payment_missing);
  }
  set_state(arena::JournalState::no_space, Code::no_space);
  EXPECT_EQ(code_of(book_.session.pay(payment(3), Level::durable, milliseconds(5))),
            Code::outcome_unknown)
      << "room may come";
}

TEST_F(Levels, OfADaemonThatWasKilledADurablePaymentIsRefusedBeforeAnythingIsDone) {
  Child daemon = start_daemon();
  EXPECT_EQ(code_of(book_.session.pay(payment(1), Level::durable, milliseconds(1))),
            Code::outcome_unknown)
      << "alive, though nothing is synced";
  daemon.kill_and_wait();
  sleep_us(11'000);  // its life is looked at every 10 ms
  const auto paid = book_.session.pay(payment(2), Level::durable, std::chrono::seconds(10));
  ASSERT_EQ(code_of(paid), Code::level_unavailable);
  EXPECT_EQ(paid.error().detail,
            "its daemon is dead, and no other serves this book yet (casbook serve)");
  EXPECT_EQ(code_of(book_.book.lookup(payment_id(2))), Code::payment_missing);
  EXPECT_EQ(code_of(book_.session.pay(payment(2), Level::memory, milliseconds(0))), kDone);
  daemon = start_daemon();
  EXPECT_EQ(code_of(book_.session.pay(payment(3), Level::durable, milliseconds(1))),
            Code::outcome_unknown)
      << "another serves the book";
}

TEST_F(Levels, WhoHasPaidWaitsOnForTheNextDaemon) {
  Child daemon = start_daemon();
  const Position at = must(book_.session.pay(payment(1))).position;
  daemon.kill_and_wait();
  const int64_t begun_ns = monotonic_ns();
  EXPECT_EQ(code_of(book_.book.wait(at, Level::durable, milliseconds(40))), Code::outcome_unknown);
  EXPECT_GE(monotonic_ns() - begun_ns, 40'000'000) << "it may come back";
  std::thread waiter([&] { must(book_.book.wait(at, Level::durable, std::chrono::seconds(20))); });
  sleep_us(20'000);
  const Child next = start_daemon();
  publish(at);
  waiter.join();
}

TEST_F(Levels, AWaiterIsTheFirstToLearnOfAFailure) {
  adopt_journal();
  set_state(arena::JournalState::serving);
  const Position at = must(book_.session.pay(payment(1))).position;
  arena::EventLine& demand = store().own_event(arena::kDemandEvent);
  const uint64_t ticket = arena::prepare_wait(demand);
  std::thread waiter([&] {
    EXPECT_EQ(code_of(book_.book.wait(at, Level::durable, std::chrono::seconds(100))),
              Code::outcome_unknown);
  });
  EXPECT_EQ(arena::wait(demand, ticket, monotonic_ns() + 20'000'000'000), arena::WaitEnd::notified);
  set_state(arena::JournalState::failed, Code::io_error);
  waiter.join();
}

TEST_F(Levels, TheTimeWaitedIsCounted) {
  adopt_journal();
  const Position at = must(book_.session.pay(payment(1))).position;
  EXPECT_FALSE(book_.book.wait(at, Level::durable, milliseconds(1)));
  EXPECT_EQ(arena::read_durations(lines().wait).count, 0u) << "it did not get there";
  arena::EventLine& demand = store().own_event(arena::kDemandEvent);
  const uint64_t ticket = arena::prepare_wait(demand);
  std::thread waiter([&] { must(book_.book.wait(at, Level::durable, std::chrono::seconds(20))); });
  EXPECT_EQ(arena::wait(demand, ticket, monotonic_ns() + 20'000'000'000), arena::WaitEnd::notified);
  publish(at);
  waiter.join();
  EXPECT_EQ(arena::read_durations(lines().wait).count, 1u);
  must(book_.book.wait(at, Level::durable, milliseconds(1)));
  EXPECT_EQ(arena::read_durations(lines().wait).count, 1u) << "there was nothing to wait for";
}

TEST_F(Levels, ALogReaderStopsAtTheDurablePosition) {
  const auto read = [](LogReader& reader) {
    std::vector<Position> seen;
    while (auto record = must(reader.next())) seen.push_back(record->position);
    return seen;
  };
  const Position first = must(book_.session.pay(payment(1))).position;
  auto all = must(book_.book.read_log(first));
  EXPECT_EQ(read(all).back(), first) << "without a journal: to the end";
  EXPECT_EQ(code_of(book_.book.read_log(first, Level::durable)), Code::level_unavailable);
  adopt_journal();
  const Position second = must(book_.session.pay(payment(2))).position;
  publish(first);
  EXPECT_EQ(book_.book.durable_position(), first);
  auto durable = must(book_.book.read_log());
  EXPECT_EQ(read(durable).back(), first);
  auto past = must(book_.book.read_log({}, Level::memory));
  EXPECT_EQ(read(past).back(), second);
  auto waiting = must(book_.book.read_log(second));
  EXPECT_TRUE(read(waiting).empty());
  publish(second);
  EXPECT_EQ(read(durable), std::vector<Position>{second});
  EXPECT_EQ(read(waiting), std::vector<Position>{second});
  EXPECT_EQ(code_of(book_.book.read_log(Position::of(2, second.lsn() + 5))), Code::undone);
  EXPECT_EQ(code_of(book_.book.read_log(second, Level::quorum)), Code::level_unavailable);
}

TEST_F(Levels, StatusTellsWhatTheJournalSays) {
  EXPECT_FALSE(book_.book.status().journal.journaled);
  EXPECT_EQ(book_.book.status().journal.state, "none");
  note_journal();
  must(book_.session.pay(payment(1)));
  const Position at = must(book_.session.pay(payment(2))).position;
  publish({at.value - 1});
  set_state(arena::JournalState::serving, Code::io_error);
  const uint64_t path[] = {0x6c6c69742f};  // "/till"
  lines().directory[0].store_relaxed(path[0]);
  for (const int us : {100, 100, 100, 3000})
    arena::add_duration(lines().sync, std::chrono::microseconds(us));
  const JournalStatus dead = book_.book.status().journal;
  EXPECT_TRUE(dead.journaled);
  EXPECT_EQ(dead.id, "0000000000000007");
  EXPECT_EQ(dead.state, "dead") << "nobody follows under the journal's name";
  EXPECT_EQ(dead.error, "");
  EXPECT_EQ(dead.directory, "/till");
  EXPECT_EQ(dead.durable.value, at.value - 1);
  EXPECT_EQ(dead.lag, 1u);
  EXPECT_EQ(dead.sync_p50_us, 128u);
  EXPECT_EQ(dead.sync_p99_us, 4096u);
  adopt_journal();
  EXPECT_EQ(book_.book.status().journal.state, "serving");
  set_state(arena::JournalState::failed, Code::io_error);
  EXPECT_EQ(book_.book.status().journal.state, "failed");
  EXPECT_EQ(book_.book.status().journal.error, "the system call failed");
}

TEST_F(Levels, ACheckpointIsAskedForAndAnswered) {
  EXPECT_EQ(code_of(book_.book.request_checkpoint(milliseconds(1))), Code::not_served);
  note_journal();
  set_state(arena::JournalState::serving);
  EXPECT_EQ(code_of(book_.book.request_checkpoint(milliseconds(1))), Code::not_served) << "dead";
  adopt_journal();
  EXPECT_EQ(code_of(book_.book.request_checkpoint(milliseconds(1))), Code::wait_timeout);
  EXPECT_EQ(lines().checkpoint_asked.load_relaxed(), 1u);
  std::thread daemon([&] {
    while (lines().checkpoint_asked.load_relaxed() != 2) std::this_thread::yield();
    lines().checkpoint_position.store_relaxed(99);
    lines().checkpoint_answered.store_release(2);
    while (lines().checkpoint_asked.load_relaxed() != 3) std::this_thread::yield();
    lines().checkpoint_failures.store_relaxed(1);
    lines().checkpoint_answered.store_release(3);
    while (lines().checkpoint_asked.load_relaxed() != 4) std::this_thread::yield();
    set_state(arena::JournalState::stopped);
  });
  EXPECT_EQ(must(book_.book.request_checkpoint(std::chrono::seconds(20))), Position{99});
  EXPECT_EQ(code_of(book_.book.request_checkpoint(std::chrono::seconds(20))), Code::io_error);
  EXPECT_EQ(code_of(book_.book.request_checkpoint(std::chrono::seconds(20))), Code::not_served);
  daemon.join();
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

TEST_F(Levels, TheFirstAnswerIsStillGivenWhenItsTermIsLongOver) {
  const Position first = must(book_.session.pay(payment(1))).position;
  for (uint64_t i = 0; i < kTermStarts + 2; ++i) {
    must(book_.book.set_quarantine(true));
    must(book_.book.set_quarantine(false));
  }
  adopt_journal();
  publish(book_.book.position());
  EXPECT_EQ(code_of(book_.book.wait(first, Level::durable, milliseconds(5))), Code::outcome_unknown)
      << "whoever comes with a position from elsewhere cannot be told";
  const Receipt again = must(book_.session.pay(payment(1), Level::durable, milliseconds(5)));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.position, first);
}

TEST_F(Levels, AQuarantineIsNotLiftedWhereNothingWouldBeDurable) {
  adopt_journal();
  set_state(arena::JournalState::serving);
  store().control().journal.hi.initialise(9);  // terms that the daemon has promised
  for (const auto& [state, why] :
       {std::pair{arena::JournalState::stopped, "casbook serve"},
        std::pair{arena::JournalState::failed, "the journal has failed"}}) {
    must(book_.book.set_quarantine(true));
    set_state(state, Code::io_error);
    const auto lifted = book_.book.set_quarantine(false);
    ASSERT_EQ(code_of(lifted), Code::book_closed);
    EXPECT_NE(lifted.error().detail.find(why), std::string::npos) << lifted.error().detail;
    EXPECT_EQ(code_of(book_.session.pay(payment(1))), Code::quarantined);
    set_state(arena::JournalState::serving);
    must(book_.book.set_quarantine(false));
  }
  EXPECT_EQ(code_of(book_.session.pay(payment(1))), kDone);
}

// Of a daemon that was killed the next one goes on: what it promised holds.
TEST_F(Levels, AQuarantineIsLiftedWhileADaemonIsDead) {
  Child daemon = start_daemon();
  store().control().journal.hi.initialise(9);
  must(book_.book.set_quarantine(true));
  daemon.kill_and_wait();
  must(book_.book.set_quarantine(false));
  EXPECT_EQ(code_of(book_.session.pay(payment(1))), kDone);
}

TEST_F(Levels, NobodyFollowsInTheNameOfTheDaemon) {
  must(book_.book.follow("journal", FullPolicy::drop_follower)).remove();
  note_journal();
  const auto refused = book_.book.follow("journal", FullPolicy::refuse_payments);
  ASSERT_EQ(code_of(refused), Code::bad_argument);
  EXPECT_NE(refused.error().detail.find("journal"), std::string::npos);
  EXPECT_EQ(book_.book.status().followers.size(), 0u);
  must(book_.book.follow("journal-of-ours", FullPolicy::drop_follower));
}

}  // namespace
}  // namespace casbook
