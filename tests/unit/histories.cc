// The checkers of histories find what is seeded: a read that is stale, a payment lost or doubled, a
// token that comes twice, a lease that two hold; and take what can have been. The one looks at
// answers alone, the other has the log as witness.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/history.h"
#include "support/linearizability.h"
#include "support/random.h"

namespace casbook::test_support {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Kind = LinearCall::Kind;

LinearCall pay(uint32_t id, int64_t called, int64_t returned, int64_t amount = 10,
               int32_t from = -1, int32_t to = 0) {
  return {.kind = Kind::pay,
          .called_ns = called,
          .returned_ns = returned,
          .id = id,
          .from = from,
          .to = to,
          .amount = amount};
}
LinearCall read(int64_t called, int64_t returned, int64_t value, int32_t account = 0) {
  return {.kind = Kind::read,
          .called_ns = called,
          .returned_ns = returned,
          .to = account,
          .amount = value};
}
LinearCall lease(Kind kind, int64_t called, int64_t returned, uint64_t token,
                 bool is_refused = false) {
  return {.kind = kind,
          .called_ns = called,
          .returned_ns = returned,
          .token = token,
          .grant = static_cast<uint32_t>(token),
          .is_refused = is_refused};
}
LinearCall refused(LinearCall call) {
  call.is_refused = true;
  return call;
}
constexpr int64_t kNever = LinearCall::kNever;

TEST(Linearizability, TakesWhatCanHaveBeen) {
  EXPECT_EQ(check_linearizable({}), "");
  EXPECT_EQ(check_linearizable({pay(0, 1, 2), read(3, 4, 10)}), "");
  EXPECT_EQ(check_linearizable({pay(0, 1, 5), read(2, 3, 0), read(2, 4, 10)}), "")
      << "both may be while the payment is under way";
  EXPECT_EQ(check_linearizable({pay(0, 1, 2), pay(0, 3, 4), read(5, 6, 10)}), "")
      << "once for an id";
  EXPECT_EQ(check_linearizable({pay(0, 1, kNever), read(5, 6, 0), read(7, 8, 10)}), "")
      << "no answer came: it happened late";
  EXPECT_EQ(check_linearizable({pay(0, 1, kNever), read(5, 6, 0), read(7, 8, 0)}), "")
      << "or never";
  EXPECT_EQ(check_linearizable({refused(pay(0, 1, 2, 5, 0, 1)), pay(1, 3, 4)}), "");
  EXPECT_EQ(check_linearizable({lease(Kind::acquire, 1, 2, 7), lease(Kind::acquire, 3, 4, 0, true),
                                lease(Kind::release, 5, 6, 7), lease(Kind::acquire, 7, 8, 9)}),
            "");
}

TEST(Linearizability, FindsAStaleRead) {
  EXPECT_NE(check_linearizable({pay(0, 1, 2), read(3, 4, 0)}), "");
  EXPECT_NE(check_linearizable({pay(0, 1, 5), read(2, 3, 10), read(4, 5, 0)}), "")
      << "back in time, though the payment is under way";
}
TEST(Linearizability, FindsALostPayment) {
  EXPECT_NE(check_linearizable({pay(0, 1, 2), pay(1, 1, 2), read(3, 4, 10)}), "");
}
TEST(Linearizability, FindsADoubledPayment) {
  EXPECT_NE(check_linearizable({pay(0, 1, 2), pay(0, 3, 4), read(5, 6, 20)}), "");
}
TEST(Linearizability, FindsARefusalWithoutAReason) {
  EXPECT_NE(check_linearizable({pay(0, 1, 2), refused(pay(1, 3, 4, 10, 0, 1))}), "");
  EXPECT_NE(check_linearizable({pay(0, 1, 2, 5, 0, 1)}), "")
      << "nor a payment of what is not there";
}
TEST(Linearizability, FindsATokenThatRepeatsOrFalls) {
  for (const uint64_t token : {7, 6})
    EXPECT_NE(check_linearizable({lease(Kind::acquire, 1, 2, 7), lease(Kind::release, 3, 4, 7),
                                  lease(Kind::acquire, 5, 6, token)}),
              "");
}
TEST(Linearizability, FindsALeaseThatTwoHold) {
  EXPECT_NE(check_linearizable({lease(Kind::acquire, 1, 2, 7), lease(Kind::acquire, 3, 4, 8)}), "");
  EXPECT_NE(check_linearizable({lease(Kind::acquire, 1, 2, 7), lease(Kind::acquire, 1, 2, 8)}), "")
      << "in whichever order";
}

LinearCall guarded(LinearCall call, uint64_t token, bool is_stale = false) {
  call.token = token, call.is_stale = is_stale;
  return call;
}
LinearCall lapse(uint32_t grant, int64_t from) {
  return {.kind = Kind::lapse, .called_ns = from, .grant = grant};
}
TEST(Linearizability, FindsAPaymentUnderATokenThatDoesNotHold) {
  const LinearCall granted = lease(Kind::acquire, 1, 2, 7),
                   released = lease(Kind::release, 3, 4, 7);
  const LinearCall next = lease(Kind::acquire, 5, 6, 9);
  EXPECT_EQ(check_linearizable({granted, guarded(pay(0, 2, 3), 7), released}), "");
  EXPECT_EQ(check_linearizable({granted, released, guarded(pay(0, 5, 6), 7, true)}), "");
  EXPECT_EQ(check_linearizable({granted, released, next, guarded(pay(0, 7, 8), 7, true)}), "");
  EXPECT_NE(check_linearizable({granted, released, guarded(pay(0, 5, 6), 7)}), "");
  EXPECT_NE(check_linearizable({granted, released, next, guarded(pay(0, 7, 8), 7)}), "");
  EXPECT_NE(check_linearizable({granted, guarded(pay(0, 3, 4), 7, true)}), "") << "it does hold";
  EXPECT_EQ(
      check_linearizable({granted, guarded(pay(0, 2, 3), 7), released, guarded(pay(0, 5, 6), 7)}),
      "")
      << "the id has its answer, whatever the lease";
}
TEST(Linearizability, FindsALeaseThatWasTakenTooEarly) {
  const LinearCall granted = lease(Kind::acquire, 1, 2, 7), taken = lease(Kind::acquire, 5, 6, 9);
  EXPECT_EQ(check_linearizable({granted, taken, lapse(7, 4)}), "");
  EXPECT_NE(check_linearizable({granted, taken, lapse(7, 8)}), "");
  EXPECT_NE(check_linearizable({granted, taken, lapse(6, 4)}), "") << "another's";
  EXPECT_EQ(check_linearizable({granted, lapse(7, 2), lease(Kind::release, 5, 6, 7)}), "")
      << "nobody had taken it";
  EXPECT_EQ(check_linearizable({granted, lapse(7, 2), lease(Kind::acquire, 5, 6, 0, true)}), "")
      << "it may lapse later than it could";
}
// Of token 7 or so, by the call of that number.
LinearCall prolonged(Kind kind, int64_t called, int64_t returned, uint32_t grant,
                     uint32_t count = 0) {
  return {.kind = kind,
          .called_ns = called,
          .returned_ns = returned,
          .token = 7,
          .count = count,
          .grant = grant};
}
TEST(Linearizability, FindsARenewalThatCannotHaveBeen) {
  const LinearCall granted = lease(Kind::acquire, 1, 2, 7),
                   renewed = prolonged(Kind::renew, 3, 4, 8);
  const LinearCall taken = lease(Kind::acquire, 10, 11, 9);
  EXPECT_EQ(check_linearizable({granted, renewed, taken, lapse(7, 5), lapse(8, 9)}), "");
  EXPECT_NE(check_linearizable({granted, renewed, taken, lapse(7, 5), lapse(8, 20)}), "")
      << "taken over though it was renewed";
  EXPECT_NE(check_linearizable({granted, taken, prolonged(Kind::renew, 12, 13, 8), lapse(7, 5)}),
            "")
      << "renewed though it was taken over";
  EXPECT_NE(check_linearizable({granted, refused(renewed)}), "") << "it is held";
  EXPECT_EQ(check_linearizable({granted, refused(renewed), lapse(7, 2)}), "");
  EXPECT_NE(check_linearizable({granted, refused(renewed), lapse(7, 5)}), "") << "not yet over";
  const LinearCall lost = prolonged(Kind::renew, 3, kNever, 8);
  for (const int64_t until : {9, 20})
    EXPECT_EQ(check_linearizable({granted, lost, taken, lapse(7, 5), lapse(8, until)}), "")
        << "it may have been renewed, or not";
}
TEST(Linearizability, CountsEntries) {
  const LinearCall granted = lease(Kind::acquire, 1, 2, 7);
  const LinearCall again = prolonged(Kind::reenter, 3, 4, 8, 2);
  const LinearCall left = prolonged(Kind::release, 5, 6, 0, 1),
                   freed = prolonged(Kind::release, 7, 8, 0);
  const LinearCall taken = lease(Kind::acquire, 9, 10, 9);
  EXPECT_EQ(check_linearizable({granted, again, left, freed, taken}), "");
  EXPECT_NE(check_linearizable({granted, again, left, taken}), "") << "one entry is left";
  EXPECT_NE(check_linearizable({granted, again, freed}), "") << "it is the first of two releases";
  EXPECT_NE(check_linearizable({granted, prolonged(Kind::reenter, 3, 4, 8, 3)}), "");
  EXPECT_NE(check_linearizable({granted, freed, prolonged(Kind::reenter, 9, 10, 8, 2)}), "");
  EXPECT_NE(check_linearizable({granted, refused(again)}), "") << "who holds it may come in again";
  EXPECT_EQ(
      check_linearizable({granted, freed, taken, refused(prolonged(Kind::reenter, 11, 12, 8))}),
      "");
  const LinearCall lost = prolonged(Kind::reenter, 3, kNever, 8);
  EXPECT_EQ(check_linearizable({granted, lost, left, freed, taken}), "") << "it was done";
  EXPECT_EQ(check_linearizable({granted, lost, freed, taken}), "") << "it was not";
  EXPECT_EQ(check_linearizable({granted, freed, prolonged(Kind::reenter, 9, kNever, 8),
                                lease(Kind::acquire, 11, 12, 0, true)}),
            "")
      << "it was a grant";
}
TEST(Linearizability, OfCallsThatHadNoAnswer) {
  LinearCall grant = lease(Kind::acquire, 1, kNever, 0);
  grant.grant = 1;
  const LinearCall held = lease(Kind::acquire, 5, 6, 0, true);
  EXPECT_EQ(check_linearizable({grant, held}), "") << "it was granted";
  EXPECT_EQ(check_linearizable({grant, lease(Kind::acquire, 5, 6, 9)}), "") << "it was not";
  EXPECT_NE(check_linearizable({grant, held, lease(Kind::acquire, 7, 8, 9)}), "");
  EXPECT_EQ(check_linearizable({grant, held, lease(Kind::acquire, 7, 8, 9), lapse(1, 2)}), "");
  LinearCall denied = refused(pay(0, 3, 4, 5, 0, 1)), lost = pay(0, 1, kNever, 5, 0, 1);
  EXPECT_EQ(check_linearizable({lost, denied, pay(1, 5, 6)}), "");
  denied.called_ns = 7, denied.returned_ns = 8;
  EXPECT_EQ(check_linearizable({lost, pay(1, 5, 6), denied}), "") << "the lost one was denied";
  EXPECT_NE(check_linearizable({pay(1, 5, 6), denied}), "") << "there was enough";
}

// A history that was: calls take effect at a point of their time, one after the other.
struct Made {
  std::vector<LinearCall> calls;
  int64_t balance = 0;
};
Made make(uint64_t seed) {
  test::Random random(seed);
  Made made;
  int64_t now = 0;
  for (uint32_t i = 0; i < 20; ++i) {
    const int64_t point = now += 2 + static_cast<int64_t>(random.below(10));
    const int64_t called = point - static_cast<int64_t>(random.below(15));
    const int64_t returned = point + static_cast<int64_t>(random.below(15));
    if (random.one_in(2)) {
      made.calls.push_back(pay(i, called, returned, 1 + static_cast<int64_t>(random.below(5))));
      made.balance += made.calls.back().amount;
    } else {
      made.calls.push_back(read(called, returned, made.balance));
    }
  }
  made.calls.push_back(read(now + 100, now + 101, made.balance));
  return made;
}

TEST(Linearizability, OfHistoriesThatWereAndThatWereNot) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Made made = make(seed);
    ASSERT_EQ(check_linearizable(made.calls), "") << "seed " << seed;
    made.calls.back().amount += 1;
    ASSERT_NE(check_linearizable(made.calls), "") << "seed " << seed;
    made.calls.back().amount -= 1;
    for (LinearCall& call : made.calls)
      if (call.kind == Kind::pay) {
        call.amount += 7;  // and nobody ever saw that
        break;
      }
    ASSERT_NE(check_linearizable(made.calls), "") << "seed " << seed;
  }
}

// --- with the log as witness ---

class Witnessed : public testing::Test {
 protected:
  // So many calls of several processes, and the log that they left.
  Witnessed() {
    test::Random random(7);
    int64_t now = 0;
    std::map<uint32_t, int64_t> balances;
    for (uint64_t position = 10; position < 210; position += 1 + random.below(3)) {
      const auto account = static_cast<uint32_t>(random.below(2));
      const int64_t point = now += 10;
      HistoryCall call{.end = CallEnd::done,
                       .process = static_cast<uint32_t>(random.below(4)),
                       .account = account,
                       .called_ns = point - static_cast<int64_t>(random.below(30)),
                       .returned_ns = point + static_cast<int64_t>(random.below(30)),
                       .position = position};
      WitnessRecord record{.position = position, .account = account};
      switch (random.below(4)) {
        case 0:
          call.kind = CallKind::read_latest, call.amount = balances[account];
          break;
        case 1:
          call.kind = CallKind::acquire, record.kind = WitnessRecord::Kind::acquire;
          break;
        default:
          call.id = record.id = position, call.amount = record.amount = 3;
          record.kind = WitnessRecord::Kind::pay;
          balances[account] += 3;
      }
      if (call.kind == CallKind::read_latest) record.kind = WitnessRecord::Kind::other;
      calls_.push_back(call), log_.push_back(record);
    }
  }
  HistoryCall& first(CallKind kind) {
    return *std::find_if(calls_.begin() + 20, calls_.end(),
                         [&](const HistoryCall& call) { return call.kind == kind; });
  }
  WitnessRecord& record_of(const HistoryCall& call) {
    return *std::find_if(log_.begin(), log_.end(), [&](const WitnessRecord& record) {
      return record.position == call.position;
    });
  }
  std::string problem() const {
    const auto problems = check_history(calls_, log_);
    return problems.empty() ? "" : problems.front();
  }
  std::vector<HistoryCall> calls_;
  std::vector<WitnessRecord> log_;
};

TEST_F(Witnessed, HistoryThatWasIsTaken) { EXPECT_THAT(check_history(calls_, log_), IsEmpty()); }

TEST_F(Witnessed, LostPaymentIsFound) {
  record_of(first(CallKind::pay)).kind = WitnessRecord::Kind::other;
  EXPECT_THAT(problem(), HasSubstr("is not in the log there"));
}
TEST_F(Witnessed, DoubledPaymentIsFound) {
  WitnessRecord again = record_of(first(CallKind::pay));
  again.position = log_.back().position + 1;
  log_.push_back(again);
  EXPECT_THAT(problem(), HasSubstr("is there twice"));
}
TEST_F(Witnessed, AnotherAmountIsFound) {
  first(CallKind::pay).amount += 1;
  EXPECT_THAT(problem(), HasSubstr("another payment"));
}
TEST_F(Witnessed, StaleReadIsFound) {
  HistoryCall& stale = first(CallKind::read_latest);
  // Right as of where it was, and long after something else had been answered.
  stale.called_ns = calls_.back().returned_ns + 100, stale.returned_ns = stale.called_ns + 1;
  EXPECT_THAT(problem(), HasSubstr("which had been answered"));
  stale.kind = CallKind::read_at;
  EXPECT_EQ(problem(), "") << "which a read by position may be";
}
TEST_F(Witnessed, ReadThatIsNotOfItsPrefixIsFound) {
  HistoryCall& wrong = first(CallKind::read_latest);
  wrong.kind = CallKind::read_at, wrong.amount += 3;
  EXPECT_THAT(problem(), HasSubstr("the log says"));
}
TEST_F(Witnessed, PositionBeforeItsCallIsFound) {
  HistoryCall& early = first(CallKind::pay);
  early.called_ns = calls_.back().returned_ns + 100, early.returned_ns = early.called_ns + 1;
  EXPECT_THAT(problem(), HasSubstr("which had been answered"));
  early.is_replayed = true;
  EXPECT_THAT(problem(), HasSubstr("before it was first asked for"));
  HistoryCall earlier = early;
  earlier.called_ns = 0, earlier.end = CallEnd::unknown;
  calls_.push_back(earlier);
  EXPECT_EQ(problem(), "") << "which an earlier call under its id may have done";
}
TEST_F(Witnessed, TokenThatComesTwiceIsFound) {
  HistoryCall again = first(CallKind::acquire);
  calls_.push_back(again);
  EXPECT_THAT(problem(), HasSubstr("was given out before"));
}
TEST_F(Witnessed, RefusedPaymentThatIsThereIsFound) {
  HistoryCall& call = first(CallKind::pay);
  call.end = CallEnd::refused;
  EXPECT_THAT(problem(), HasSubstr("was refused, and is in the log"));
  HistoryCall again = call;
  again.end = CallEnd::unknown;
  calls_.push_back(again);
  EXPECT_EQ(problem(), "") << "it was sent again, and that may have done it";
}

TEST_F(Witnessed, RecordOfNobodyIsFound) {
  const uint64_t id = first(CallKind::pay).id;
  std::erase_if(calls_, [&](const HistoryCall& call) { return call.id == id; });
  EXPECT_THAT(problem(), HasSubstr("nobody asked for it"));
}
TEST_F(Witnessed, GrantOfNobodyIsFound) {
  HistoryCall& call = first(CallKind::acquire);
  call.end = CallEnd::unknown;
  EXPECT_EQ(problem(), "") << "it may be that call's";
  call.end = CallEnd::turned_away;
  EXPECT_THAT(problem(), HasSubstr("is nobody's"));
}

// Under a lease, step by step: each call alone, so that its position is its time.
class WitnessedLease : public testing::Test {
 protected:
  using Record = WitnessRecord::Kind;
  HistoryCall& add(CallKind kind, CallEnd end, uint64_t position, uint64_t token = 0) {
    const auto time = static_cast<int64_t>(10 * position);
    calls_.push_back({.kind = kind,
                      .end = end,
                      .account = 1,
                      .from = 2,
                      .called_ns = time,
                      .returned_ns = time + 5,
                      .id = kind == CallKind::pay ? position : 0,
                      .amount = kind == CallKind::pay ? 3 : 0,
                      .position = position,
                      .token = token});
    return calls_.back();
  }
  void add(CallKind kind, CallEnd end, Record record, uint64_t position, uint64_t token = 0) {
    const HistoryCall& call = add(kind, end, position, token);
    log_.push_back({.position = position,
                    .kind = record,
                    .account = record == Record::pay || record == Record::deny ? 1u : 0u,
                    .from = record == Record::pay || record == Record::deny ? 2u : kNobody,
                    .id = call.id,
                    .amount = call.amount,
                    .token = record == Record::release ? 0 : token});
  }
  void SetUp() override {
    add(CallKind::acquire, CallEnd::done, Record::acquire, 10);
    add(CallKind::pay, CallEnd::done, Record::pay, 20, 10);
    add(CallKind::acquire, CallEnd::refused, 25);
    add(CallKind::release, CallEnd::done, Record::release, 30, 10);
    add(CallKind::pay, CallEnd::refused, 35, 10);
    add(CallKind::acquire, CallEnd::done, Record::acquire, 40);
  }
  std::string problem() const {
    const auto problems = check_history(calls_, log_);
    return problems.empty() ? "" : problems.front();
  }
  std::vector<HistoryCall> calls_;
  std::vector<WitnessRecord> log_;
};

TEST_F(WitnessedLease, HistoryThatWasIsTaken) { EXPECT_EQ(problem(), ""); }
TEST_F(WitnessedLease, PaymentUnderAnOldTokenIsFound) {
  add(CallKind::pay, CallEnd::done, Record::pay, 50, 10);
  EXPECT_THAT(problem(), HasSubstr("does not hold the lease there"));
}
TEST_F(WitnessedLease, PaymentWithoutItsGuardIsFound) {
  log_[1].token = 0;
  EXPECT_THAT(problem(), HasSubstr("is not guarded in the log"));
}
TEST_F(WitnessedLease, RefusalsWithoutAReasonAreFound) {
  add(CallKind::pay, CallEnd::refused, 50, 40);
  EXPECT_THAT(problem(), HasSubstr("while its token held"));
  calls_.back().called_ns = 355, calls_.back().id = 35;
  EXPECT_EQ(problem(), "") << "it began before the grant, and may have been refused then";
  add(CallKind::acquire, CallEnd::refused, 60);
  EXPECT_EQ(problem(), "");
  calls_.back().called_ns = 310, calls_.back().returned_ns = 320;
  EXPECT_THAT(problem(), HasSubstr("while nobody held"));
}
TEST_F(WitnessedLease, ReleaseOfAnothersGrantIsFound) {
  calls_[3].token = 9;
  EXPECT_THAT(problem(), HasSubstr("ended another grant"));
}
TEST_F(WitnessedLease, TakeoverBeforeTheTtlIsOverIsFound) {
  add(CallKind::acquire, CallEnd::done, Record::acquire, 50);
  calls_[5].ttl_ns = 100;  // granted at 400, and this one returns at 505
  EXPECT_EQ(problem(), "");
  calls_[5].ttl_ns = 106;
  EXPECT_THAT(problem(), HasSubstr("took over from 40 before its TTL was over"));
  calls_[5].is_bound = true;
  EXPECT_EQ(problem(), "") << "its process may have ended";
}
// Behind the grant at 40: the holder prolongs it, and is refused that.
class WitnessedHolder : public WitnessedLease {
 protected:
  void SetUp() override {
    WitnessedLease::SetUp();
    calls_.back().ttl_ns = 100'000;
    add(CallKind::renew, CallEnd::done, Record::renew, 50, 40);
    calls_.back().ttl_ns = 200'000;
    add(CallKind::reenter, CallEnd::done, Record::reenter, 60, 40);
    calls_.back().count = log_.back().count = 2;
    add(CallKind::release, CallEnd::done, Record::leave, 70, 40);
    calls_.back().count = log_.back().count = 1;
  }
};
TEST_F(WitnessedHolder, HistoryThatWasIsTaken) { EXPECT_EQ(problem(), ""); }
TEST_F(WitnessedHolder, ALostRenewalIsFound) {
  log_[log_.size() - 3].kind = Record::other;
  EXPECT_THAT(problem(), HasSubstr("renewal of process 0 at 50 is not in the log"));
}
TEST_F(WitnessedHolder, ARenewalUnderAnOldTokenIsFound) {
  calls_[6].token = 10;
  EXPECT_THAT(problem(), HasSubstr("is of token 10, which does not hold the lease there"));
}
TEST_F(WitnessedHolder, ARefusalWhileItIsHeldIsFound) {
  add(CallKind::renew, CallEnd::refused, 80, 40);
  EXPECT_THAT(problem(), HasSubstr("was refused while its token held"));
  calls_[5].ttl_ns = calls_[6].ttl_ns = calls_[7].ttl_ns = 100;
  EXPECT_EQ(problem(), "") << "its time was over";
  calls_.back().kind = CallKind::reenter;
  EXPECT_THAT(problem(), HasSubstr("was refused while nobody held")) << "nobody else";
}
TEST_F(WitnessedHolder, ATakeoverBeforeTheRenewalIsOverIsFound) {
  add(CallKind::acquire, CallEnd::done, Record::acquire, 11'000);
  EXPECT_THAT(problem(), HasSubstr("took over from 40 before its TTL was over"));
  calls_[6].ttl_ns = 0;
  EXPECT_EQ(problem(), "");
}
TEST_F(WitnessedHolder, AnEntryTooManyIsFound) {
  log_[log_.size() - 2].count = calls_[7].count = 3;
  EXPECT_THAT(problem(), HasSubstr("a re-entry makes 1 entries 3"));
  log_[log_.size() - 2].count = 2;
  EXPECT_THAT(problem(), HasSubstr("says 3 entries, the log says 2"));
}
TEST_F(WitnessedHolder, ALeaseThatIsFreedTooEarlyIsFound) {
  log_.back().kind = Record::release, log_.back().count = calls_.back().count = 0;
  EXPECT_THAT(problem(), HasSubstr("frees a lease that has 2 entries"));
}
TEST_F(WitnessedLease, DenialIsTrueWhereItStands) {
  add(CallKind::pay, CallEnd::denied, Record::deny, 50);
  EXPECT_EQ(problem(), "") << "the one who pays has less than nothing";
  log_[1].from = kNobody, log_[1].account = 2;  // and now it was paid before
  calls_[1].from = kNobody, calls_[1].account = 2;
  EXPECT_THAT(problem(), HasSubstr("was denied 3 at 50, where there was 3"));
  log_.back().kind = Record::other;
  EXPECT_THAT(problem(), HasSubstr("was denied, which is not in the log there"));
}
TEST_F(WitnessedLease, PaymentOfWhatWasNotThereIsFound) {
  EXPECT_THAT(check_history(calls_, log_, 2u), IsEmpty()) << "the world pays";
  const auto problems = check_history(calls_, log_, 1u);
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(problems.front(), HasSubstr("took 3 at 20, where there was 0"));
}
TEST_F(WitnessedLease, BalanceOfAnEarlierChangeIsFound) {
  HistoryCall& peek = add(CallKind::peek, CallEnd::done, 50);
  peek.position = 20, peek.amount = 3;
  EXPECT_EQ(problem(), "") << "the account did not change since";
  add(CallKind::pay, CallEnd::done, Record::pay, 45);
  std::swap(calls_[calls_.size() - 1], calls_[calls_.size() - 2]);
  EXPECT_THAT(problem(), HasSubstr("lacks 45"));
}

}  // namespace
}  // namespace casbook::test_support
