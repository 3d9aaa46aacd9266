// Consensus by single messages: votes, what is committed, what is late, what is refused. The guards
// that have mutants: replicate_consensus_rules.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "support/lone_node.h"

namespace casbook::replicate {
namespace {

using journal::EntryType;
using test::all_of, test::change, test::ConsensusCluster, test::LoneNode, test::moved, test::must,
    test::records;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// --- voting --------------------------------------------------------------------------------------

VoteRequest request(uint64_t candidate, uint64_t term, uint64_t last_index, uint64_t last_term) {
  return {.version = 2,
          .term = term,
          .candidate = candidate,
          .last_index = last_index,
          .last_term = last_term};
}

TEST(ConsensusVote, IsOnePerTermAndSurvivesARestart) {
  LoneNode node;
  const Update first = node.receive(1, request(1, 2, 1, 1));
  ASSERT_TRUE(first.has_term_or_vote);
  EXPECT_EQ(first.term, 2u);
  EXPECT_EQ(first.voted_for, 1u);
  EXPECT_TRUE(all_of<VoteResult>(first).at(0).is_granted);

  Recovered recovered = LoneNode::fresh(2);
  recovered.term = first.term;
  recovered.voted_for = first.voted_for;
  LoneNode again(recovered);
  EXPECT_FALSE(all_of<VoteResult>(again.receive(3, request(3, 2, 9, 1))).at(0).is_granted);
  EXPECT_TRUE(all_of<VoteResult>(again.receive(1, request(1, 2, 1, 1))).at(0).is_granted);
  EXPECT_TRUE(all_of<VoteResult>(again.receive(3, request(3, 3, 1, 1))).at(0).is_granted);
}

TEST(ConsensusVote, GoesToNoneWhoseLogIsOlder) {
  LoneNode node;
  node.append(2, 1, 1, {2, 2});  // not on disk yet, but it counts here
  while (node.consensus->leader()) {
    node.persisted(3, 2);
    node.time_out();
  }
  EXPECT_FALSE(all_of<VoteResult>(node.receive(3, request(3, 3, 2, 2))).at(0).is_granted);
  EXPECT_FALSE(all_of<VoteResult>(node.receive(3, request(3, 4, 9, 1))).at(0).is_granted);
  EXPECT_TRUE(all_of<VoteResult>(node.receive(3, request(3, 5, 3, 2))).at(0).is_granted);
}

TEST(ConsensusVote, LateAnswerToAPreVoteDoesNotRaiseTheTerm) {
  LoneNode node;
  node.time_out();
  const VoteResult late = node.vote(true);
  node.append(1, 1, 1, {});
  EXPECT_FALSE(node.receive(3, late).has_term_or_vote);
  EXPECT_EQ(node.consensus->term(), 1u);
}

TEST(ConsensusMayLead, WhileFalseAsksForNoVoteButGivesHis) {
  LoneNode node;
  node.append(1, 1, 1, {});
  node.consensus->set_may_lead(false);
  EXPECT_EQ(node.consensus->leader()->id, 1u);
  for (int i = 0; i < 10; ++i) {
    const int64_t before = node.consensus->deadline_ms();
    const Update update = node.time_out();
    EXPECT_TRUE(update.messages.empty());
    EXPECT_FALSE(update.has_term_or_vote);
    EXPECT_GE(node.consensus->deadline_ms(), before + 150);
    EXPECT_EQ(node.consensus->role(), Role::follower);
  }
  EXPECT_FALSE(node.consensus->leader());
  node.receive(1, node.vote(true));
  EXPECT_EQ(node.consensus->term(), 1u);
  VoteRequest pre = request(3, 2, 1, 1);
  pre.is_pre_vote = true;
  EXPECT_TRUE(all_of<VoteResult>(node.receive(3, pre)).at(0).is_granted);
  EXPECT_TRUE(all_of<VoteResult>(node.receive(3, request(3, 2, 1, 1))).at(0).is_granted);
  const Update followed = node.append(2, 1, 1, {2});
  EXPECT_EQ(followed.entries.size(), 1u);
  node.persisted(2, 2);

  node.receive(1, TimeoutNow{.version = 1, .term = 2, .last_index = 2, .last_term = 2});
  EXPECT_EQ(node.consensus->role(), Role::follower);
  EXPECT_EQ(node.consensus->term(), 2u);
  node.consensus->set_may_lead(true);
  EXPECT_EQ(all_of<VoteRequest>(node.time_out()).size(), 2u);
}

TEST(ConsensusMayLead, HandedOverLeadershipIsTaken) {
  LoneNode node;
  node.append(1, 1, 1, {});
  const Update update =
      node.receive(1, TimeoutNow{.version = 1, .term = 1, .last_index = 1, .last_term = 1});
  EXPECT_EQ(node.consensus->role(), Role::candidate);
  ASSERT_EQ(all_of<VoteRequest>(update).size(), 2u);
  EXPECT_TRUE(all_of<VoteRequest>(update)[0].disrupt_leader);
}

TEST(ConsensusMayLead, TermsEndWhereThoseOfPositionsDo) {
  Recovered recovered = LoneNode::fresh(2);
  recovered.term = kTermMax - 1;
  LoneNode node(recovered);
  EXPECT_EQ(node.consensus->term(), kTermMax - 1);
  node.lead({1});
  EXPECT_EQ(node.consensus->term(), kTermMax);

  recovered.term = kTermMax;
  LoneNode last(recovered);
  for (int i = 0; i < 5; ++i) {
    last.now = last.consensus->deadline_ms();
    const auto refused = last.consensus->timeout(last.now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::book_full);
    EXPECT_THAT(refused.error().detail, HasSubstr("32767"));
    EXPECT_EQ(last.consensus->role(), Role::follower);
    EXPECT_EQ(last.consensus->term(), kTermMax);
    EXPECT_GT(last.consensus->deadline_ms(), last.now);
  }
  EXPECT_EQ(last.append(kTermMax, 1, 1, {kTermMax}).entries.size(), 1u);
  EXPECT_EQ(last.consensus->receive(1, AppendEntries{.term = kTermMax + 1}, last.now).error().code,
            Code::bad_argument);

  recovered.term = kTermMax + 1;
  EXPECT_EQ(Consensus::open(recovered, {}, 0).error().code, Code::damaged);
}

// --- replication ---------------------------------------------------------------------------------

TEST(ConsensusCommit, NeedsAMajorityOfDisks) {
  LoneNode leader(1);
  leader.lead({2});
  leader.submit(records(3, 2));
  EXPECT_EQ(leader.consensus->commit_index(), 1u);
  leader.match(2, 2);
  EXPECT_EQ(leader.consensus->commit_index(), 2u);
  leader.match(2, 3);
  EXPECT_EQ(leader.consensus->commit_index(), 2u) << "its own disk does not have it yet";
  leader.match(3, 3);
  EXPECT_EQ(leader.consensus->commit_index(), 3u) << "two disks without its own";
  EXPECT_EQ(leader.consensus->match_index(3), 3u);
  EXPECT_EQ(leader.consensus->match_index(1), 2u);
}

// Figure 8 of the Raft paper: an entry of an earlier term is not committed by counting.
TEST(ConsensusCommit, OfAnEarlierTermGoesWithOneOfItsOwn) {
  Recovered recovered = LoneNode::fresh(1, 5);
  recovered.entries.push_back(records(2, 2));
  recovered.term = 4;
  LoneNode leader(recovered);
  leader.lead({2, 3});
  EXPECT_EQ(leader.consensus->term(), 5u);
  EXPECT_EQ(leader.consensus->last_index(), 3u);
  for (const uint64_t follower : {2u, 3u, 4u}) leader.match(follower, 2);
  EXPECT_EQ(leader.consensus->commit_index(), 1u);
  leader.match(2, 3);
  EXPECT_EQ(leader.consensus->commit_index(), 1u);
  leader.match(3, 3);
  EXPECT_EQ(leader.consensus->commit_index(), 3u);
}

TEST(ConsensusCommit, IgnoresAnExLeadersTail) {
  LoneNode node;
  node.append(2, 1, 1, std::vector<uint64_t>(10, 2));
  node.persisted(11, 2);
  // The new leader's log ends at 5, then come its barrier and others that are not sent yet.
  const auto results = all_of<AppendResult>(node.append(3, 5, 2, {}, 5));
  EXPECT_EQ(results.at(0).rejected, 0u);
  EXPECT_EQ(results.at(0).last_index, 5u);
  EXPECT_EQ(node.consensus->commit_index(), 5u);
}

TEST(ConsensusLate, ReportOfAWritingThatWasUndoneAndDoneAgain) {
  LoneNode node(2, 5);
  node.append(2, 1, 1, {2, 2, 2});  // being written: 2, 3, 4 of term 2
  node.append(3, 2, 2, {3});        // 3 of term 3 in place of 3 and 4
  const Update again = node.append(4, 2, 2, {2, 2, 4});
  EXPECT_TRUE(again.entries.empty()) << "3 and 4 of term 2 have to wait";
  EXPECT_TRUE(all_of<AppendResult>(node.persisted(4, 2)).empty());
  EXPECT_FALSE(all_of<AppendResult>(node.persisted(3, 3)).empty());
  EXPECT_EQ(node.append(4, 2, 2, {2, 2, 4}).entries.size(), 3u);
  EXPECT_EQ(all_of<AppendResult>(node.persisted(5, 4)).at(0).last_index, 5u);
}

// D3
TEST(ConsensusLate, RejectionDoesNotSetAFollowerBack) {
  LoneNode leader(1);
  leader.lead({2});
  leader.match(2, 2);
  for (uint64_t index = 3; index <= 50; ++index) leader.submit(records(index, 2));
  leader.match(2, 40);
  for (int i = 0; i < 5; ++i) {  // node 2 is silent: libraft goes back to single questions
    leader.time_out();
    leader.match(3, 10);
  }
  for (const uint64_t rejected : {5u, 40u}) {
    const Update update = leader.receive(
        2, AppendResult{.version = 1, .term = 2, .rejected = rejected, .last_index = rejected - 1});
    EXPECT_TRUE(update.messages.empty()) << rejected;
  }
  EXPECT_EQ(leader.consensus->match_index(2), 40u);
  leader.match(2, 41);
  EXPECT_EQ(all_of<AppendEntries>(leader.time_out()).at(0).prev_index, 50u);
}

TEST(ConsensusLate, RequestFromBeforeTheCutIsAnsweredWithTheCut) {
  LoneNode node;
  node.append(2, 1, 1, std::vector<uint64_t>(20, 2), 15);
  node.persisted(21, 2);
  must(node.consensus->compacted(10, node.now));
  auto result = all_of<AppendResult>(node.append(2, 4, 2, {2, 2}, 15)).at(0);
  EXPECT_EQ(result.rejected, 0u);
  EXPECT_EQ(result.last_index, 10u);
  result = all_of<AppendResult>(node.append(2, 4, 2, std::vector<uint64_t>(10, 2), 15)).at(0);
  EXPECT_EQ(result.last_index, 14u);
  EXPECT_EQ(node.consensus->commit_index(), 15u);
  EXPECT_EQ(node.consensus->last_index(), 21u);
}

TEST(ConsensusLate, LeaderOfAnOldTermIsToldTheNewOne) {
  LoneNode node;
  node.append(5, 1, 1, {5});
  const auto result = all_of<AppendResult>(node.append(3, 1, 1, {3})).at(0);
  EXPECT_EQ(result.term, 5u);
  EXPECT_EQ(result.last_index, 0u);  // D9
  EXPECT_EQ(node.consensus->last_index(), 2u);
}

TEST(ConsensusSubmit, SendsNothingEmptyWhileTheWindowIsFull) {
  LoneNode leader(LoneNode::fresh(1), {.inflight_max = 8});
  leader.lead({2});
  leader.match(2, 2);
  leader.match(3, 2);
  size_t with_entries = 0, without = 0;
  for (uint64_t index = 3; index < 103; ++index) {
    const auto update = must(leader.consensus->submit(records(index, 2), leader.now));
    for (const AppendEntries& m : all_of<AppendEntries>(update))
      ++(m.count ? with_entries : without);
  }
  EXPECT_EQ(with_entries, 16u);
  EXPECT_EQ(without, 0u);
  leader.now += 31;
  const auto update = must(leader.consensus->submit(records(103, 2), leader.now));
  EXPECT_EQ(all_of<AppendEntries>(update).size(), 2u) << "but a heartbeat is due";
}

TEST(ConsensusSubmit, IsForLeadersOfTheEntrysTerm) {
  LoneNode node;
  EXPECT_EQ(node.consensus->submit(records(2, 1), node.now).error().code, Code::not_leader);
  node.lead({1});
  EXPECT_EQ(node.consensus->submit(records(3, 1), node.now).error().code, Code::not_leader);
  EXPECT_EQ(node.submit(records(3, 2)).entries.at(0)->index, 3u);
  must(node.consensus->transfer(1, node.now));
  EXPECT_EQ(node.consensus->submit(records(4, 2), node.now).error().code, Code::not_leader);
  EXPECT_EQ(node.consensus->transfer(7, node.now).error().code, Code::not_leader);
}

// D27
TEST(ConsensusTransfer, TellsTheHeirWhenItHasAllAndAgain) {
  LoneNode leader(1);
  leader.lead({2});
  leader.match(2, 2);
  for (uint64_t index = 3; index <= 5; ++index) leader.submit(records(index, 2));
  EXPECT_THAT(all_of<TimeoutNow>(must(leader.consensus->transfer(2, leader.now))), IsEmpty());
  EXPECT_THAT(all_of<TimeoutNow>(leader.match(2, 4)), IsEmpty()) << "its disk lacks one";
  const auto told = all_of<TimeoutNow>(leader.match(2, 5));
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].last_index, 5u);
  EXPECT_THAT(all_of<TimeoutNow>(leader.match(2, 5)), IsEmpty()) << "not at every word";
  leader.now += ConsensusOptions{}.heartbeat_ms;
  EXPECT_THAT(all_of<TimeoutNow>(leader.match(2, 5)), SizeIs(1)) << "it may have been lost";
}

TEST(ConsensusTransfer, OfWhoHasAllIsAtOnce) {
  LoneNode leader(1);
  leader.lead({2});
  leader.match(2, 2);
  leader.match(3, 2);
  EXPECT_THAT(all_of<TimeoutNow>(must(leader.consensus->transfer(3, leader.now))), SizeIs(1));
  while (leader.consensus->is_transferring()) leader.match(2, 2), leader.time_out();
  EXPECT_THAT(all_of<TimeoutNow>(leader.match(3, 2)), IsEmpty()) << "it was given up";
}

TEST(ConsensusSubmit, RefusesAChangeThatIsNoneAndASecondOne) {
  LoneNode leader(1);
  leader.lead({2});
  const auto broken = std::make_shared<LogEntry>(
      LogEntry{.index = 3, .term = 2, .type = EntryType::change, .body = {std::byte{1}}});
  EXPECT_EQ(leader.consensus->submit(broken, leader.now).error().code, Code::bad_argument);
  leader.match(2, 2);
  leader.submit(change(3, 2, moved(7500)));
  EXPECT_EQ(leader.consensus->configuration(), moved(7500));
  EXPECT_EQ(leader.consensus->submit(change(4, 2, moved(7600)), leader.now).error().code,
            Code::bad_argument);
  EXPECT_EQ(leader.consensus->last_index(), 3u);
  leader.persisted(3, 2);
  leader.match(2, 3);
  EXPECT_EQ(leader.submit(change(4, 2, moved(7600))).entries.size(), 1u);
}

TEST(ConsensusChange, IsRolledBackWithItsEntry) {
  LoneNode node;
  AppendEntries m{.term = 2, .prev_index = 1, .prev_term = 1, .commit = 1, .count = 2};
  m.entries = {records(2, 2), change(3, 2, moved(7500))};
  node.receive(1, m);
  EXPECT_EQ(node.consensus->configuration(), moved(7500));
  node.append(3, 2, 2, {3});
  EXPECT_EQ(node.consensus->configuration(), ConsensusCluster::configuration(3));
}

// --- what is refused -----------------------------------------------------------------------------

TEST(ConsensusReceive, RefusesWhatNoNodeSays) {
  LoneNode node;
  node.append(2, 1, 1, {2, 2}, 3);
  const auto code = [&node](uint64_t from, const Message& m) {
    const auto result = node.consensus->receive(from, m, node.now);
    return result ? Code{} : result.error().code;
  };
  AppendEntries gap{.term = 2, .prev_index = 1, .prev_term = 1, .count = 1};
  gap.entries = {records(3, 2)};
  AppendEntries falling{.term = 2, .prev_index = 3, .prev_term = 2, .count = 1};
  falling.entries = {records(4, 1)};
  AppendEntries ahead{.term = 2, .prev_index = 3, .prev_term = 2, .count = 1};
  ahead.entries = {records(4, 3)};
  AppendEntries no_change{.term = 2, .prev_index = 3, .prev_term = 2, .count = 1};
  no_change.entries = {std::make_shared<LogEntry>(
      LogEntry{.index = 4, .term = 2, .type = EntryType::change, .body = {}})};
  for (const AppendEntries& m : {gap, falling, ahead, no_change})
    EXPECT_EQ(code(1, m), Code::bad_argument);
  EXPECT_EQ(code(1, AppendEntries{.term = 2, .prev_index = 3}), Code::bad_argument);
  EXPECT_EQ(code(1, AppendEntries{.term = 0}), Code::bad_argument);
  EXPECT_EQ(code(0, AppendResult{.term = 2}), Code::bad_argument);
  EXPECT_EQ(code(2, AppendResult{.term = 2}), Code::bad_argument);
  EXPECT_EQ(code(3, request(1, 3, 9, 9)), Code::bad_argument);
  EXPECT_EQ(code(1, Received{.term = 2}), Code::bad_argument);
  EXPECT_EQ(node.consensus->last_index(), 3u);
  EXPECT_EQ(node.consensus->term(), 2u);

  AppendEntries other{.term = 3, .prev_index = 2, .prev_term = 2, .count = 1};
  other.entries = {records(3, 3)};
  EXPECT_EQ(code(1, other), Code::damaged) << "entry 3 of term 2 is committed";
}

TEST(ConsensusReceive, RefusesASecondLeaderOfItsTerm) {
  LoneNode leader(1);
  leader.lead({2});
  const auto refused =
      leader.consensus->receive(3, AppendEntries{.term = 2, .prev_index = 1, .prev_term = 1}, 0);
  EXPECT_EQ(refused.error().code, Code::bad_argument);
}

TEST(ConsensusOpen, RefusesALogThatContradictsItself) {
  const auto code = [](const Recovered& recovered) {
    const auto opened = Consensus::open(recovered, {}, 0);
    return opened ? Code{} : opened.error().code;
  };
  const EntryPtr first = ConsensusCluster::first_entry(3);
  const Configuration all = ConsensusCluster::configuration(3);
  EXPECT_EQ(code({.node = 1, .term = 1, .entries = {first}}), Code{});
  EXPECT_EQ(code({.node = 1, .term = 0, .entries = {first}}), Code{});
  EXPECT_EQ(code({.node = 1, .term = 0}), Code{}) << "a node that was never in a cluster";
  EXPECT_EQ(code({.node = 1, .term = 2, .entries = {first, records(3, 2)}}), Code::damaged);
  EXPECT_EQ(code({.node = 1, .term = 2, .entries = {first, records(2, 0)}}), Code::damaged);
  EXPECT_EQ(code({.node = 1, .term = 1, .entries = {first, records(2, 2)}}), Code::damaged);
  EXPECT_EQ(code({.node = 1, .term = 2, .entries = {records(1, 1)}}), Code::damaged);
  EXPECT_EQ(code({.node = 1, .term = 3, .base_index = 5, .base_term = 3}), Code::bad_argument);
  EXPECT_EQ(code({.node = 1, .term = 3, .base_index = 5, .configuration = all}), Code::damaged);
  const Recovered cut{.node = 1,
                      .term = 3,
                      .base_index = 5,
                      .base_term = 3,
                      .configuration = all,
                      .entries = {records(6, 3)}};
  ASSERT_EQ(code(cut), Code{});
  LoneNode node(cut);
  EXPECT_EQ(node.consensus->last_index(), 6u);
  EXPECT_EQ(node.consensus->commit_index(), 5u);
  EXPECT_EQ(node.consensus->configuration(), all);
}

TEST(ConsensusCompacted, TakesOnlyWhatIsCommittedAndOnDisk) {
  LoneNode node;
  node.append(2, 1, 1, {2, 2, 2}, 3);
  EXPECT_EQ(node.consensus->compacted(2, node.now).error().code, Code::bad_argument);
  node.persisted(4, 2);
  EXPECT_TRUE(must(node.consensus->compacted(3, node.now)).messages.empty());
  EXPECT_TRUE(must(node.consensus->compacted(3, node.now)).messages.empty());
  EXPECT_EQ(node.consensus->compacted(4, node.now).error().code, Code::bad_argument);
  EXPECT_EQ(node.append(2, 4, 2, {2}, 5).entries.at(0)->index, 5u);
}

TEST(ConsensusLeader, OfAnEarlierTermIsNotKnown) {
  LoneNode node;
  node.append(2, 1, 1, {2});
  EXPECT_EQ(node.consensus->leader(), (Server{1, "10.0.0.1:7400"}));
  VoteRequest handed_over = request(3, 3, 9, 2);
  handed_over.disrupt_leader = true;
  EXPECT_TRUE(all_of<VoteResult>(node.receive(3, handed_over)).at(0).is_granted);
  EXPECT_EQ(node.consensus->leader(), std::nullopt);
}

}  // namespace
}  // namespace casbook::replicate
