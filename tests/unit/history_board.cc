// Histories are recorded as they were: what a killed process had begun is there, and calls to a
// real book satisfy both checkers, until one answer is another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/history_caller.h"
#include "support/history_window.h"
#include "support/history_witness.h"
#include "support/small_book.h"

namespace casbook::test_support {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(HistoryBoard, KeepsWhatAKilledProcessHadBegun) {
  Shared<HistoryBoard> board;
  Child writer([&] {
    const HistoryCall asked{.process = 3, .id = 7};
    HistoryCall answer = asked;
    answer.end = CallEnd::done, answer.position = 5;
    board->end(board->begin(asked), answer);
    board->begin({.process = 3, .id = 8, .position = 6});
    signal_process(getpid(), SIGKILL);
    sleep_forever();
  });
  EXPECT_TRUE(writer.was_killed_by(SIGKILL));
  const auto calls = board->calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].id, 7u);
  EXPECT_EQ(calls[0].end, CallEnd::done);
  EXPECT_EQ(calls[0].position, 5u);
  EXPECT_LE(calls[0].called_ns, calls[0].returned_ns);
  EXPECT_EQ(calls[1].id, 8u);
  EXPECT_EQ(calls[1].end, CallEnd::unknown);
  EXPECT_GE(calls[1].called_ns, calls[0].returned_ns);
  EXPECT_EQ(board->calls(1).size(), 1u);
}

TEST(HistoryBoard, ThatIsFullTakesNoMore) {
  Shared<HistoryBoard> board;
  for (uint64_t i = 0; i < HistoryBoard::kCallsMax; ++i) ASSERT_EQ(board->begin({.id = i}), i);
  EXPECT_EQ(board->begin({}), HistoryBoard::kCallsMax);
  EXPECT_TRUE(board->is_full());
  EXPECT_EQ(board->calls().size(), HistoryBoard::kCallsMax);
}

// One caller, one call after the other: payments done, denied, sent again, guarded and refused.
class Recorded : public testing::Test {
 protected:
  Recorded() : reader_(must(book_.book.read_log())) {
    const std::vector<Account> accounts{book_.world, book_.open("a"), book_.open("b")};
    HistoryCaller caller(*world_, book_.book, must(book_.book.open_session()), accounts, {});
    caller.acquire(1, std::chrono::milliseconds(10'000), true);
    for (uint64_t id = 1; id <= 15; ++id) {
      caller.pay(id, id % 3 ? std::nullopt : caller.held());
      caller.read_latest(1), caller.peek(2);
      if (id % 4 == 0) caller.pay(id - 2);
    }
    caller.acquire(1, std::chrono::milliseconds(10'000), true);
    caller.renew(std::chrono::milliseconds(20'000));
    caller.reenter(std::chrono::milliseconds(1000)), caller.release();
    caller.release(), caller.pay(16, caller.held()), caller.release();
    caller.renew(std::chrono::milliseconds(1000));
    caller.read_latest(1), caller.read_at(2, {world_->shown});
    must(witness_.take_all(reader_));
    calls_ = world_->board.calls();
  }
  std::string by_log() const {
    const auto problems = check_history(calls_, witness_.log(), book_.world.index);
    return problems.empty() ? "" : problems.front();
  }
  std::string by_answers() const {
    auto list = linear_calls(calls_, book_.world.index, {});
    if (list.size() > kLinearCallsMax) return "too long";
    return check_linearizable(list);
  }
  HistoryCall& last(CallKind kind, CallEnd end = CallEnd::done) {
    return *std::find_if(calls_.rbegin(), calls_.rend(), [&](const HistoryCall& call) {
      return call.kind == kind && call.end == end;
    });
  }

  Shared<HistoryWorld> world_;
  SmallBook book_;
  LogReader reader_;
  HistoryWitness witness_;
  std::vector<HistoryCall> calls_;
};

TEST_F(Recorded, SatisfiesBoth) {
  EXPECT_THAT(check_history(calls_, witness_.log(), book_.world.index), IsEmpty());
  EXPECT_EQ(by_answers(), "");
  EXPECT_EQ(world_->unexpected, 0u);
  for (const CallEnd end : {CallEnd::done, CallEnd::denied, CallEnd::refused})
    EXPECT_TRUE(std::any_of(calls_.begin(), calls_.end(),
                            [&](const HistoryCall& call) { return call.end == end; }));
}
TEST_F(Recorded, TwoAnswersInEachOthersPlace) {
  HistoryCall& one = last(CallKind::pay);
  HistoryCall& other = *std::find_if(calls_.begin(), calls_.end(), [&](const HistoryCall& call) {
    return call.kind == CallKind::pay && call.end == CallEnd::done && call.id != one.id;
  });
  std::swap(one.position, other.position);
  EXPECT_THAT(by_log(), HasSubstr("is not in the log there"));
}
TEST_F(Recorded, AReadOfWhatWasBefore) {
  HistoryCall& read = last(CallKind::read_latest);
  read.amount += 1;
  EXPECT_THAT(by_log(), HasSubstr("the log says"));
  EXPECT_NE(by_answers(), "");
}
TEST_F(Recorded, AReturnThatCameEarlier) {
  // As if the last payment had been answered before anything else was called.
  HistoryCall& late = last(CallKind::pay);
  late.called_ns = calls_[0].called_ns - 10, late.returned_ns = calls_[0].called_ns - 5;
  EXPECT_THAT(by_log(), HasSubstr("which had been answered"));
}
TEST_F(Recorded, ADenialThatWasNone) {
  HistoryCall& denied = last(CallKind::pay, CallEnd::denied);
  denied.end = CallEnd::done;
  EXPECT_THAT(by_log(), HasSubstr("is not in the log there"));
  EXPECT_NE(by_answers(), "");
}
TEST_F(Recorded, ARefusalForALeaseThatWasFree) {
  HistoryCall refused = last(CallKind::acquire, CallEnd::refused);
  refused.called_ns = calls_.back().returned_ns + 1, refused.returned_ns = refused.called_ns + 1;
  calls_.push_back(refused);
  EXPECT_THAT(by_log(), HasSubstr("while nobody held"));
  EXPECT_NE(by_answers(), "");
}
TEST_F(Recorded, ARenewalThatWasNone) {
  HistoryCall& refused = last(CallKind::renew, CallEnd::refused);
  refused.end = CallEnd::done;
  EXPECT_THAT(by_log(), HasSubstr("is not in the log"));
  EXPECT_NE(by_answers(), "");
}
TEST_F(Recorded, ARefusalToRenewWhatWasHeld) {
  last(CallKind::renew).end = CallEnd::refused;
  EXPECT_THAT(by_log(), HasSubstr("while its token held"));
  EXPECT_NE(by_answers(), "");
}
TEST_F(Recorded, AReEntryThatWasCountedTwice) {
  last(CallKind::reenter).count += 1;
  EXPECT_THAT(by_log(), HasSubstr("the log says 2"));
  EXPECT_NE(by_answers(), "");
}
TEST_F(Recorded, APaymentUnderATokenThatWasReleased) {
  HistoryCall& stale = last(CallKind::pay, CallEnd::refused);
  stale.end = CallEnd::done;
  EXPECT_NE(by_log(), "");
  EXPECT_NE(by_answers(), "");
}

}  // namespace
}  // namespace casbook::test_support
