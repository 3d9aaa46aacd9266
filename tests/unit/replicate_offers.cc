// A follower that lacks what the leader's log has no more: it is offered a copy, again as long as
// it is behind, and replication goes on at once when it comes back with one.
#include <gtest/gtest.h>

#include "base/probe.h"
#include "support/consensus_cluster.h"

namespace casbook::replicate {
namespace {

using base::Mutant;
using test::ConsensusCluster;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return *std::move(result);
}

template <class M>
std::vector<M> all_of(const Update& update, uint64_t to) {
  std::vector<M> found;
  for (const Outgoing& outgoing : update.messages)
    if (const auto* m = std::get_if<M>(&outgoing.message); m && outgoing.to == to)
      found.push_back(*m);
  return found;
}

EntryPtr records(uint64_t index, uint64_t term) {
  return std::make_shared<LogEntry>(LogEntry{.index = index, .term = term, .body = {}});
}

constexpr int64_t kElectionMs = 150;
constexpr uint64_t kLast = 100;

// Node 1 leads in term 2; node 2 has everything, node 3 nothing but the first entry.
class OfferTest : public testing::Test {
 protected:
  OfferTest() {
    leader_ = must(Consensus::open(
        {.node = 1, .term = 1, .entries = {ConsensusCluster::first_entry(3)}}, {}, now_));
    // Bounded by the pre-vote's timeout.
    for (bool has_asked = false; !has_asked;) {
      now_ = std::max(now_ + 1, leader_->deadline_ms());
      has_asked = !all_of<VoteRequest>(must(leader_->timeout(now_)), 2).empty();
    }
    for (const bool is_pre_vote : {true, false})
      receive(2, VoteResult{.version = 2,
                            .term = leader_->term() + is_pre_vote,
                            .is_granted = true,
                            .is_pre_vote = is_pre_vote});
    EXPECT_EQ(leader_->role(), Role::leader);
    for (uint64_t index = 3; index <= kLast; ++index)
      must(leader_->submit(records(index, leader_->term()), ++now_));
    must(leader_->persisted(kLast, leader_->term(), ++now_));
    matched(2, kLast);
    EXPECT_EQ(leader_->commit_index(), kLast);
  }

  Update receive(uint64_t from, const Message& m) {
    return must(leader_->receive(from, m, ++now_));
  }
  Update matched(uint64_t from, uint64_t last) {
    return receive(from, AppendResult{.version = 1, .term = leader_->term(), .last_index = last});
  }
  Update rejected(uint64_t from, uint64_t index, uint64_t last) {
    return receive(
        from,
        AppendResult{.version = 1, .term = leader_->term(), .rejected = index, .last_index = last});
  }
  void compact(uint64_t index) { must(leader_->compacted(index, ++now_)); }
  // The next heartbeat; node 2 is there.
  Update beat() {
    matched(2, leader_->last_index());
    now_ = std::max(now_ + 1, leader_->deadline_ms());
    return must(leader_->timeout(now_));
  }
  // What node 3 answers to what comes: it has all up to `last`, of the leader's log. Until a
  // heartbeat brings an offer, or `beats` are over.
  std::vector<Offer> offers_to(uint64_t last, int beats) {
    std::vector<Offer> offers;
    for (int i = 0; i < beats; ++i)
      for (const AppendEntries& question : all_of<AppendEntries>(beat(), 3)) {
        const bool has_it = question.prev_index <= last;
        const Update after = has_it ? matched(3, last) : rejected(3, question.prev_index, last);
        for (const Offer& offer : all_of<Offer>(after, 3)) offers.push_back(offer);
      }
    return offers;
  }

  int64_t now_ = 1'000'000;
  std::unique_ptr<Consensus> leader_;
};

TEST_F(OfferTest, GoesToWhoLacksWhatIsGone) {
  compact(50);
  const auto offers = offers_to(1, 3);
  ASSERT_FALSE(offers.empty());
  EXPECT_EQ(offers[0].term, leader_->term());
  EXPECT_EQ(offers[0].base_index, 50u);
  EXPECT_EQ(offers[0].base_term, leader_->term());
}

TEST_F(OfferTest, IsMissedWithTheMutant) {
  base::probes.mutant = Mutant::offer_dropped;
  compact(50);
  const auto offers = offers_to(1, 10);
  base::probes.mutant = Mutant::none;
  EXPECT_TRUE(offers.empty());
}

TEST_F(OfferTest, IsMadeAgainWhileItIsBehind) {
  compact(50);
  const auto offers = offers_to(1, 20);
  EXPECT_GE(offers.size(), 5u);
}

// The leader cuts its log again while the first copy is on its way: libraft takes what it hears for
// stale then, until its time for an installation is over.
TEST_F(OfferTest, IsOfTheNewBaseAfterAnotherCut) {
  compact(50);
  ASSERT_FALSE(offers_to(1, 3).empty());
  compact(80);
  const int64_t before = now_;
  std::vector<Offer> offers;
  while (offers.empty() && now_ < before + 3 * kElectionMs)
    for (const Offer& offer : offers_to(1, 1))
      if (offer.base_index == 80) offers.push_back(offer);
  EXPECT_FALSE(offers.empty());
}

TEST_F(OfferTest, EndsWithTheCopyAndReplicationGoesOnAtOnce) {
  compact(50);
  ASSERT_FALSE(offers_to(1, 3).empty());
  // It comes back with a copy up to 90.
  Update after;
  for (const AppendEntries& question : all_of<AppendEntries>(beat(), 3)) {
    EXPECT_EQ(question.prev_index, 50u);
    after = matched(3, 90);
  }
  EXPECT_EQ(leader_->match_index(3), 90u);
  const auto entries = all_of<AppendEntries>(after, 3);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].prev_index, 90u);
  EXPECT_EQ(entries[0].count, 10u);
  EXPECT_TRUE(all_of<Offer>(after, 3).empty());
  // And without being asked.
  matched(3, kLast);
  const Update next = must(leader_->submit(records(kLast + 1, leader_->term()), ++now_));
  EXPECT_EQ(all_of<AppendEntries>(next, 3).at(0).count, 1u);
}

TEST_F(OfferTest, IsMadeAgainToACopyThatIsStillBehind) {
  compact(50);
  ASSERT_FALSE(offers_to(1, 3).empty());
  compact(80);
  const int64_t before = now_;
  std::vector<Offer> offers;
  while (offers.empty() && now_ < before + 4 * kElectionMs)
    for (const Offer& offer : offers_to(60, 1))
      if (offer.base_index == 80) offers.push_back(offer);
  ASSERT_FALSE(offers.empty());
  // Then with one that reaches far enough, wherever its own base lies.
  for (int i = 0; i < 20 && leader_->match_index(3) < kLast; ++i) offers_to(kLast, 1);
  EXPECT_EQ(leader_->match_index(3), kLast);
}

// Found by the simulator (seed 52): it has joined what it was told before to what it is told now,
// lacks all of that, and answers for the first of it.
TEST_F(OfferTest, FollowsARejectionOfAnEarlierEntry) {
  compact(50);
  std::vector<Offer> offers;
  for (int i = 0; i < 20; ++i)
    for (const AppendEntries& question : all_of<AppendEntries>(beat(), 3)) {
      EXPECT_EQ(question.prev_index, 50u);
      for (const Offer& offer : all_of<Offer>(rejected(3, 40, 30), 3)) offers.push_back(offer);
    }
  EXPECT_FALSE(offers.empty());
}

TEST_F(OfferTest, IsNotForConsensus) {
  const auto refused =
      leader_->receive(3, Offer{.term = 2, .base_index = 5, .base_term = 2}, ++now_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::bad_argument);
}

}  // namespace
}  // namespace casbook::replicate
