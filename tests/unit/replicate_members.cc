// What is asked of a leader about its members: each way from the question to the answer, with the
// node made up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replicate/membership.h"
#include "support/consensus_cluster.h"

namespace casbook::test {
namespace {

using namespace replicate;
using Kind = MemberRequest::Kind;
using Step = MembershipStep;
using testing::HasSubstr;

constexpr int64_t kMs = 1'000'000, kTimeoutNs = 150 * kMs;
constexpr const char* kFourth = "10.0.0.4:7400";

// Node 1 leads three, unless the test says otherwise.
class Leader {
 public:
  Configuration configuration = ConsensusCluster::configuration(3);
  uint64_t commit = 100, last = 100, term = 5;
  bool leads = true, may_change = true, is_transferring = false, is_drained = true;
  std::map<uint64_t, uint64_t> match{{2, 100}, {3, 90}};
  std::set<uint64_t> away;
  std::optional<Server> leader{{1, "10.0.0.1:7400"}};
  int64_t now = 1'000 * kMs;
  Membership membership;

  MembershipView view() {
    return {.self = 1,
            .term = term,
            .commit = commit,
            .last_index = last,
            .leads = leads,
            .may_change = leads && may_change,
            .is_transferring = is_transferring,
            .is_drained = is_drained,
            .configuration = configuration,
            .leader = leader,
            .match = [this](uint64_t node) { return match[node]; },
            .is_there = [this](uint64_t node) { return !away.contains(node); },
            .term_at = [this](uint64_t) { return term; },
            .now_ns = now,
            .election_timeout_ns = kTimeoutNs};
  }
  Result<uint64_t> ask(MemberRequest request) {
    if (request.until_ns == 0) request.until_ns = now + 1000 * kMs;
    return membership.ask(request, view());
  }
  Step next() { return membership.next(view()); }
  // The change that is wanted goes into the log, and is committed, or not yet.
  void take(const Step& step, bool is_committed = true) {
    ASSERT_EQ(step.kind, Step::Kind::change);
    configuration = step.configuration;
    membership.changed(++last, term);
    if (is_committed) commit = last;
    may_change = is_committed;
  }
  std::string answer(uint64_t ticket) {
    const auto answer = membership.take_answer(ticket);
    if (!answer) return "none";
    return *answer ? "done" : answer->error().message();
  }
  std::string refusal(MemberRequest request) {
    const auto asked = ask(std::move(request));
    return asked ? "taken" : asked.error().detail;
  }
  void lose() { leads = false, leader = Server{2, "10.0.0.2:7400"}; }
};

TEST(Add, JoinsThenVotesWhenItHasNearlyAll) {
  Leader node;
  const auto ticket = node.ask({.kind = Kind::add, .id = 4, .address = kFourth});
  ASSERT_TRUE(ticket);
  node.take(node.next(), false);
  EXPECT_EQ(node.configuration.find(4)->role, ServerRole::joining);
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.commit = node.last, node.may_change = true, node.last = 1000;
  EXPECT_EQ(node.next().kind, Step::Kind::none) << "it has nothing yet";
  node.match[4] = node.last - Membership::kLagMax - 1;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.match[4] = node.last - Membership::kLagMax;
  node.away.insert(4);
  EXPECT_EQ(node.next().kind, Step::Kind::none) << "nor is it to be heard";
  node.away.clear();
  EXPECT_EQ(node.answer(*ticket), "none");
  node.take(node.next());
  EXPECT_TRUE(node.configuration.has_voter(4));
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*ticket), "done");
  EXPECT_EQ(node.answer(*ticket), "none") << "once";
}

TEST(Add, BecomesAVoterThoughNobodyWaitsAnyMore) {
  Leader node;
  node.last = node.commit = 1000;
  const auto ticket =
      node.ask({.kind = Kind::add, .id = 4, .address = kFourth, .until_ns = node.now + kMs});
  node.take(node.next());
  node.now += 2 * kMs;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_THAT(node.answer(*ticket), HasSubstr("wait_timeout"));
  node.match[4] = node.last;
  node.take(node.next());
  EXPECT_TRUE(node.configuration.has_voter(4));
}

TEST(Add, StandsByUntilItIsPromoted) {
  Leader node;
  const auto ticket =
      node.ask({.kind = Kind::add, .id = 4, .address = kFourth, .stays_standby = true});
  node.take(node.next());
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*ticket), "done");
  node.match[4] = node.last;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.configuration.find(4)->role, ServerRole::standby);
  const auto promote = node.ask({.kind = Kind::promote, .id = 4});
  node.take(node.next());
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*promote), "done");
}

TEST(Add, OfAMemberIsDoneOrRefused) {
  Leader node;
  const auto same = node.ask({.kind = Kind::add, .id = 3, .address = "10.0.0.3:7400"});
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*same), "done");
  EXPECT_THAT(node.refusal({.kind = Kind::add, .id = 3, .address = kFourth}),
              HasSubstr("ID 3: node 3 is a member at 10.0.0.3:7400; expected another id"));
  EXPECT_THAT(node.refusal({.kind = Kind::add, .id = 4, .address = "10.0.0.3:7400"}),
              HasSubstr("is there twice"));
}

TEST(Remove, LeavesTwoVotersAtLeast) {
  Leader node;
  const auto ticket = node.ask({.kind = Kind::remove, .id = 3});
  node.take(node.next());
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*ticket), "done");
  EXPECT_THAT(node.refusal({.kind = Kind::remove, .id = 2}), HasSubstr("1 voters; expected 2"));
  EXPECT_THAT(node.refusal({.kind = Kind::remove, .id = 3}),
              HasSubstr("ID 3: expected a member, one of 1, 2"));
}

TEST(Remove, OfTheLeaderDrainsAndIsDoneThoughItLeadsNoMore) {
  Leader node;
  node.is_drained = false;
  const auto ticket = node.ask({.kind = Kind::remove, .id = 1});
  EXPECT_EQ(node.next().kind, Step::Kind::drain);
  EXPECT_TRUE(node.membership.holds_payments());
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.is_drained = true;
  node.take(node.next(), false);
  EXPECT_FALSE(node.configuration.find(1));
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.commit = node.last;
  node.lose();
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*ticket), "done");
  EXPECT_FALSE(node.membership.holds_payments());
}

TEST(Remove, WhoseLeadIsLostIsNotKnown) {
  Leader node;
  const auto ticket = node.ask({.kind = Kind::remove, .id = 3});
  node.take(node.next(), false);
  node.lose();
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_THAT(node.answer(*ticket), HasSubstr("outcome_unknown"));
}

TEST(Transfer, DrainsThenHandsOver) {
  Leader node;
  node.is_drained = false;
  const auto ticket = node.ask({.kind = Kind::transfer, .id = 3});
  EXPECT_EQ(node.next().kind, Step::Kind::drain);
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.now += kTimeoutNs / 2;
  const Step step = node.next();
  EXPECT_EQ(step.kind, Step::Kind::transfer) << "it does not wait for ever";
  EXPECT_EQ(step.to, 3u);
  node.membership.transferring(), node.is_transferring = true;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.leads = false, node.leader = std::nullopt, node.is_transferring = false;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*ticket), "none") << "nobody leads yet";
  node.leader = Server{3, "10.0.0.3:7400"};
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*ticket), "done");
}

TEST(Transfer, BeginsWhenTheHeirHasAll) {
  Leader node;
  (void)*node.ask({.kind = Kind::transfer, .id = 3});
  EXPECT_EQ(node.next().kind, Step::Kind::drain);
  node.match[3] = node.last - 1;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.match[3] = node.last;
  EXPECT_EQ(node.next().kind, Step::Kind::transfer);
}

TEST(Transfer, GoesToWhoHasMostAndIsThere) {
  Leader node;
  (void)*node.ask({.kind = Kind::transfer});
  EXPECT_EQ(node.next().kind, Step::Kind::drain);
  EXPECT_EQ(node.next().to, 2u);
  Leader other;
  other.away.insert(2);
  (void)*other.ask({.kind = Kind::transfer});
  EXPECT_EQ(other.next().kind, Step::Kind::drain);
  EXPECT_EQ(other.next().kind, Step::Kind::none) << "it lacks ten entries";
  other.now += kTimeoutNs / 2;
  EXPECT_EQ(other.next().to, 3u);
}

TEST(Transfer, ThatNobodyTakesIsGivenUp) {
  Leader node;
  node.match[3] = node.last;
  const auto ticket = node.ask({.kind = Kind::transfer, .id = 3});
  EXPECT_EQ(node.next().kind, Step::Kind::drain);
  EXPECT_EQ(node.next().kind, Step::Kind::transfer);
  node.membership.transferring(), node.is_transferring = true;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.is_transferring = false;
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_THAT(node.answer(*ticket), HasSubstr("node 3 did not take the lead"));
  node.away.insert(2);
  const auto dead = node.ask({.kind = Kind::transfer, .id = 2});
  EXPECT_EQ(node.next().kind, Step::Kind::drain);
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_THAT(node.answer(*dead), HasSubstr("node 2 was not heard of"));
  EXPECT_FALSE(node.membership.holds_payments());
}

TEST(Requests, WaitForTheirTurn) {
  Leader node;
  const auto first = node.ask({.kind = Kind::remove, .id = 3});
  const auto second = node.ask({.kind = Kind::add, .id = 4, .address = kFourth});
  const auto third = node.ask({.kind = Kind::remove, .id = 3});
  node.take(node.next(), false);
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  node.commit = node.last, node.may_change = true;
  node.take(node.next());
  EXPECT_EQ(node.answer(*first), "done");
  node.match[4] = node.last;
  node.take(node.next());
  EXPECT_EQ(node.next().kind, Step::Kind::none);
  EXPECT_EQ(node.answer(*second), "done");
  EXPECT_THAT(node.answer(*third), HasSubstr("expected a member")) << "as it is then";
}

TEST(Requests, GoToTheLeader) {
  Leader node;
  node.lose();
  const auto refused = node.ask({.kind = Kind::transfer});
  EXPECT_EQ(refused.error().code, Code::not_leader);
  EXPECT_EQ(refused.error().detail, "node 2 at 10.0.0.2:7400 leads");
}

}  // namespace
}  // namespace casbook::test
