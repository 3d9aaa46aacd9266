// Leaders that are stopped or not heard, links that are missing, deaths: on hosts of their own, one
// after the other, where stress_cluster_chaos has them by chance.
#include "support/cluster_fixture.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;

// --- leaders that are stopped, or not heard ---

TEST_F(ClusterFaults, AStoppedLeaderCommitsNothingMoreAndFollows) {
  begin(3);
  if (IsSkipped()) return;
  const uint32_t stopped = leader_;
  run_->daemons().signal(stopped, SIGSTOP);
  expect_another_leads(2);
  const HostLook then = run_->look(stopped);
  EXPECT_FALSE(then.leads) << "nobody may pay there any more";
  sleep_us(seconds(2, 10));
  const HostLook before = run_->look(stopped);
  EXPECT_EQ(before.position, then.position);
  EXPECT_EQ(before.durable, then.durable);
  run_->daemons().signal(stopped, SIGCONT);
  EXPECT_TRUE(await([&] {
    const HostLook seen = run_->look(stopped);
    return seen.follows && seen.leader == leader_ && seen.position > before.position;
  })) << run_->all_events();
  expect_quiet(500'000);
  run_->end({.is_quorum_kept = true});
}

TEST_F(ClusterFaults, ALeaderThatHearsAndIsNotHeardFollows) {
  begin(3);
  if (IsSkipped()) return;
  const uint32_t mute = leader_;
  for (const uint32_t other : others(mute)) wire().cut_one_way(mute, other);
  expect_another_leads(2);
  EXPECT_TRUE(await([&] {
    const HostLook seen = run_->look(mute);
    return seen.follows && seen.leader == leader_;
  })) << "it hears of the new one\n"
      << run_->all_events();
  expect_quiet(seconds(1, 30));
  wire().heal();
  expect_quiet(seconds(1, 5));
  run_->end({.is_quorum_kept = true});
}

// Two of five are linked to one follower each, and hear no leader: they disturb nobody.
TEST_F(ClusterFaults, NodesThatAreLinkedToOneFollowerOnlyDisturbNobody) {
  begin(5);
  if (IsSkipped()) return;
  const std::vector<uint32_t> rest = others(leader_);
  const uint32_t bridges[] = {rest[0], rest[1]}, remote[] = {rest[2], rest[3]};
  for (int i = 0; i < 2; ++i)
    for (const uint32_t other : others(remote[i]))
      if (other != bridges[i]) wire().cut(remote[i], other);
  expect_quiet(seconds(3, 60));
  for (const uint32_t host : remote)
    EXPECT_LT(run_->look(host).position, run_->look(leader_).position);
  wire().heal();
  expect_quiet(seconds(1, 5));
  run_->end({.is_quorum_kept = true});
}

// --- deaths, and payments that are sent again ---

AccountId teller_account_id() { return {ExternalId::of_number(2'000'000)}; }

// What one payer on one host was told, in a process of its own there.
struct Told {
  Code code;
  uint64_t position, replayed;
};
Told pay_here(const std::string& book_name, uint64_t id, Amount amount,
              std::chrono::milliseconds patience) {
  auto book = Book::attach(book_name);
  if (!book) return {book.error().code, 0, 0};
  auto session = book->open_session();
  if (!session) return {session.error().code, 0, 0};
  const auto from = book->find_account(world_account_id());
  auto to = book->find_account(teller_account_id());
  if (!to) to = session->open_account(teller_account_id(), {.ledger = "CZK"});
  if (!from || !to) return {to ? from.error().code : to.error().code, 0, 0};
  Payment payment({ExternalId::of_number(77, id)});
  payment.debit(*from, amount).credit(*to, amount);
  const auto receipt = session->pay(payment, Level::durable, patience);
  if (!receipt) return {receipt.error().code, receipt.error().position, 0};
  return {Code{}, receipt->position.value, receipt->replayed};
}

class Deaths : public ClusterFaults {
 protected:
  Told pay(uint32_t host, uint64_t id, Amount amount, std::chrono::milliseconds patience = 5s) {
    *told_ = {Code::io_error, 0, 0};
    run_->on_host(host, [&] { *told_ = pay_here(run_->book(), id, amount, patience); });
    return *told_;
  }
  // On whichever host leads, until it is there.
  Told pay_until_done(uint64_t id, Amount amount) {
    Told told{};
    EXPECT_TRUE(await([&] {
      const uint32_t host = run_->leader();
      if (host != 0) told = pay(host, id, amount);
      return host != 0 && told.code == Code{};
    })) << code_name(told.code)
        << "\n"
        << run_->all_events();
    return told;
  }
  Shared<Told> told_;
};

TEST_F(Deaths, APaymentThatIsSentAgainAfterAFailoverIsPaidOnce) {
  begin(3);
  if (IsSkipped()) return;
  // Answered, and the leader killed.
  const Told first = pay_until_done(1, 10);
  run_->daemons().kill(leader_);
  expect_another_leads(2);
  const Told again = pay_until_done(1, 10);
  EXPECT_EQ(again.position, first.position);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(pay(leader_, 1, 11).code, Code::payment_conflict);
  run_->daemons().start_all();
  // Not answered: the leader is cut off while it pays, and what it paid is undone.
  ASSERT_TRUE(run_->await_progress());
  leader_ = run_->await_leader();
  wire().isolate(leader_);
  const Code lost = pay(leader_, 2, 20, 50ms).code;
  EXPECT_TRUE(lost == Code::outcome_unknown || lost == Code::not_leader) << code_name(lost);
  expect_another_leads(2);
  const Told second = pay_until_done(2, 20);
  wire().heal();
  EXPECT_EQ(pay_until_done(2, 20).position, second.position);
  EXPECT_EQ(pay(leader_, 2, 10).code, Code::payment_conflict);
  EXPECT_TRUE(run_->on_host(leader_, [&] {
    const Book book = *Book::observe(run_->book());
    require(book.balance(*book.find_account(teller_account_id()))->available == 30, "paid once");
  }));
  run_->end({});
}

TEST_F(Deaths, AMajorityThatIsGoneStopsAllAndComesBackWithAll) {
  begin(3);
  if (IsSkipped()) return;
  const Told before = pay_until_done(1, 10);
  for (const uint32_t other : others(leader_)) run_->daemons().kill(other);
  EXPECT_TRUE(await([&] { return run_->leader() == 0; }, 5)) << "it leads alone";
  const HostLook then = run_->look(leader_);
  const uint64_t reached = run_->truth().reached();
  sleep_us(seconds(1, 60));
  EXPECT_EQ(run_->look(leader_).durable, then.durable);
  EXPECT_EQ(run_->truth().reached(), reached);
  EXPECT_NE(pay(leader_, 1, 10, 50ms).code, Code{});
  run_->daemons().start_all();
  ASSERT_TRUE(run_->await_progress()) << run_->all_events();
  EXPECT_EQ(pay_until_done(1, 10).position, before.position);
  // Now all of them at once, with their memory.
  const Told last = pay_until_done(2, 20);
  for (uint32_t host = 1; host <= count(); ++host) run_->daemons().kill(host);
  for (uint32_t host = 1; host <= count(); ++host) run_->lose_memory(host);
  run_->daemons().start_all();
  run_->start_payers();
  ASSERT_TRUE(run_->await_progress()) << run_->all_events();
  EXPECT_EQ(pay_until_done(1, 10).position, before.position);
  EXPECT_EQ(pay_until_done(2, 20).position, last.position);
  run_->end({});
}

// A leader that is told to end leaves an arena that the cluster has all of.
TEST_F(Deaths, ALeaderThatWasToldToEndGoesOnWithItsArena) {
  begin(3);
  if (IsSkipped()) return;
  const uint32_t ended = leader_;
  const Ended how = run_->daemons().stop(ended);
  EXPECT_EQ(how.exit_code, 0) << how.err;
  EXPECT_NE(how.err.find("clean=yes"), std::string::npos) << how.err;
  const size_t said = run_->daemons().events(ended).size();
  expect_another_leads(1);
  const uint64_t behind = run_->look(leader_).position;
  run_->daemons().start(ended);
  EXPECT_TRUE(await([&] { return run_->look(ended).position > behind; })) << run_->all_events();
  EXPECT_EQ(run_->daemons().events(ended).substr(said).find("book_rebuilt"), std::string::npos);
  run_->end({.is_quorum_kept = true});
}

}  // namespace
}  // namespace casbook
