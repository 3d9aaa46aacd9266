// The mutants of book and lease: each breaks one rule, and each is caught. A scenario answers
// whether the rule was kept; it has to be kept without the mutant and broken with it, so a scenario
// that cannot fail is seen too.
#include <gtest/gtest.h>

#include "support/dated_id.h"
#include "support/id_table.h"
#include "support/interruption.h"
#include "support/lanes.h"
#include "support/schedule.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;
using base::Mutant;

constexpr int64_t kMinute = 60'000;
constexpr uint64_t kHome = 5;
constexpr uint32_t kWide = 5;  // accounts

class Scenario {
 public:
  explicit Scenario(Mutant mutant, std::chrono::milliseconds window = std::chrono::seconds(10))
      : book(options(window)) {
    base::probes.mutant = mutant;
    begin_slow({kWide});
  }

  Payment narrow(const PaymentId& id) { return Payment(id).debit(book.world, 1).credit(a, 1); }
  // Of the slow lane, where two payments on the same accounts do not conflict. A scenario that
  // needs that demands it.
  Payment wide(const PaymentId& id) {
    Payment payment = narrow(id);
    for (const Account account : others) payment.debit(book.world, 1).credit(account, 1);
    return payment;
  }
  void expect_slow(uint64_t payments) const { EXPECT_GE(made_slow(book.book), payments); }
  Code pay(const Payment& payment) { return code_of(book.session.pay(payment)); }
  bool executes(Session& session, const Payment& payment) {
    const auto paid = session.pay(payment);
    return paid && !paid->replayed;
  }
  PaymentId number_at_home() {
    for (;;)
      if (const PaymentId id = payment_id(++ids_); below.bucket(id, 0) == kHome) return id;
  }
  PaymentId dated_at_home(int64_t time_ms) {
    for (;;)
      if (const PaymentId id = uuid_v7(time_ms, ++ids_); below.bucket(id, 0) == kHome) return id;
  }
  void fill_home() {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(pay(narrow(number_at_home())), kDone);
  }
  void fill_table(Session& session) {
    for (int i = 0; i < 300; ++i) (void)session.pay(narrow(payment_id(++ids_)));
  }
  // Past the end of every entry made until now.
  void pass_the_window() { step_wall_clock(10'000 + kFutureToleranceMs + 1000); }

  static CreateOptions options(std::chrono::milliseconds window) {
    CreateOptions options = small_options();
    options.payments = 1;  // 32 buckets of 3
    options.window = window;
    options.records = 4096;
    return options;
  }

  SmallBook book;
  Session other = must(book.book.open_session());
  Account a = book.open("a");
  Account others[3] = {book.open("b"), book.open("c"), book.open("d")};
  IdTable below{book};

 private:
  uint64_t ids_ = 0;
};

bool evicts_only_the_expired(Mutant mutant) {
  Scenario s(mutant);
  const PaymentId first = payment_id(777'777);
  EXPECT_EQ(s.pay(s.narrow(first)), kDone);
  s.fill_table(s.other);
  return !s.executes(s.book.session, s.narrow(first));
}

bool looks_past_a_full_bucket(Mutant mutant) {
  Scenario s(mutant);
  s.fill_home();
  const PaymentId past = s.number_at_home();
  EXPECT_EQ(s.pay(s.narrow(past)), kDone);
  EXPECT_NE(s.below.find(past), kHome);
  return !s.executes(s.book.session, s.narrow(past));
}

// OVER(home) stands high enough already, so neither of the two below writes home for it: only the
// guard tells them of one another.
PaymentId id_past_home(Scenario& s) {
  s.fill_home();
  const PaymentId late = s.dated_at_home(base::wall_clock_ms() + 59'000);
  EXPECT_EQ(s.pay(s.narrow(late)), kDone);
  EXPECT_NE(s.below.find(late), kHome);
  return s.number_at_home();
}

// One finds home full and goes on; while it sleeps home gets room, and the other takes that.
bool guards_the_home(Mutant mutant) {
  Scenario s(mutant);
  const Payment payment = s.wide(id_past_home(s));
  bool first = false;
  Interruption sleep(FaultPoint::payment_planned, [&] {
    s.pass_the_window();
    first = s.executes(s.other, payment);
    EXPECT_EQ(s.below.find(payment.id()), kHome);
  });
  const bool second = s.executes(s.book.session, payment);
  EXPECT_TRUE(sleep.has_happened() && first);
  s.expect_slow(1);
  return !second;
}

// One plans to go past the full home; then home gets room, and the other plans to take that; then
// both commit, the one past home first.
bool guards_the_bucket_behind(Mutant mutant) {
  Scenario s(mutant);
  const Payment payment = s.wide(id_past_home(s));
  bool first = false, second = false;
  {
    test::Schedule schedule;
    base::probes.mutant = mutant;
    auto& early = schedule.spawn(1, [&] { first = s.executes(s.other, payment); });
    auto& late = schedule.spawn(2, [&] { second = s.executes(s.book.session, payment); });
    EXPECT_TRUE(schedule.run_to_fault(early, FaultPoint::payment_planned));
    s.pass_the_window();
    EXPECT_TRUE(schedule.run_to_fault(late, FaultPoint::payment_planned));
    EXPECT_TRUE(schedule.finish(early));
    EXPECT_TRUE(schedule.finish(late));
    EXPECT_EQ(schedule.failure(), "");
  }
  EXPECT_TRUE(first);
  s.expect_slow(1);
  return !second;
}

// The id that went past is dated later than any that stands in home, whose eviction raises GONE
// too.
bool clears_over_into_gone(Mutant mutant) {
  Scenario s(mutant);
  s.fill_home();
  step_wall_clock(5000);
  const PaymentId past = s.dated_at_home(base::wall_clock_ms() + 59'000);
  EXPECT_EQ(s.pay(s.narrow(past)), kDone);
  EXPECT_NE(s.below.find(past), kHome);
  for (int i = 0; i < 4; ++i) s.pass_the_window();
  EXPECT_EQ(s.pay(s.narrow(s.number_at_home())), kDone);
  EXPECT_EQ(s.below.over(kHome), 0u);
  return s.below.gone(kHome) >= static_cast<uint64_t>(past.value.own_time_ms());
}

// The window is over by the clock, but not yet by the horizon, which lags by up to a 64th.
bool evicts_by_the_horizon(Mutant mutant) {
  Scenario s(mutant, std::chrono::hours(24));
  const PaymentId id = s.dated_at_home(base::wall_clock_ms());
  EXPECT_EQ(s.pay(s.narrow(id)), kDone);
  step_wall_clock(24 * 60 * kMinute - 10 * kMinute);
  s.book.fund(s.a, 1);
  EXPECT_LT(s.below.horizon_ms(), id.value.own_time_ms());
  step_wall_clock(12 * kMinute);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(s.pay(s.narrow(s.number_at_home())), kDone);
  EXPECT_LT(s.below.horizon_ms(), id.value.own_time_ms());
  return !s.executes(s.book.session, s.narrow(id));
}

// A payer sleeps before any of its accesses; meanwhile its id is executed, expires and is evicted.
// In the slow lane: in the fast one its accounts, read before, give it away.
bool reads_the_horizon_after_the_buckets(Mutant mutant) {
  Scenario s(mutant);
  for (uint64_t nth = 1; nth < 500; ++nth) {
    if (nth > 1) s.expect_slow(nth - 1);
    const Payment payment = s.wide(s.dated_at_home(base::wall_clock_ms()));
    bool first = false;
    Interruption sleep(nth, [&] {
      base::probes.access = nullptr;
      first = s.executes(s.other, payment);
      s.pass_the_window();
      for (int i = 0; i < 4; ++i) (void)s.other.pay(s.narrow(s.number_at_home()));
    });
    if (s.executes(s.book.session, payment) && first) return false;
    s.pass_the_window();
    s.pass_the_window();
  }
  return true;
}

bool commits_under_its_guard(Mutant mutant) {
  Scenario s(mutant);
  const Grant grant = must(s.book.session.try_acquire("lease"));
  Interruption loss(FaultPoint::payment_planned, [&] {
    must(s.other.release(grant.lease));
    must(s.other.try_acquire("lease"));
  });
  const Code answer = s.pay(s.narrow(payment_id(1)).guard(grant.lease));
  EXPECT_TRUE(loss.has_happened());
  return answer == Code::lease_superseded;
}

bool renews_only_what_lives(Mutant mutant) {
  Scenario s(mutant);
  const Grant grant = must(s.book.session.try_acquire("lease", {.ttl = std::chrono::seconds(1)}));
  step_boot_clock(2000);
  return code_of(s.book.session.renew(grant.lease, std::chrono::seconds(1))) == Code::lease_expired;
}

bool releases_only_by_token(Mutant mutant) {
  Scenario s(mutant);
  const Grant old = must(s.book.session.try_acquire("lease"));
  must(s.book.session.release(old.lease));
  must(s.book.session.try_acquire("lease"));
  (void)s.other.release(old.lease);
  return code_of(s.book.book.lease("lease")) == kDone;
}

bool records_only_true_refusals(Mutant mutant) {
  Scenario s(mutant);
  Interruption money(FaultPoint::payment_planned, [&] {
    base::probes.fault = nullptr;
    must(s.other.pay(s.narrow(s.number_at_home())));
  });
  // Of another bucket, so that nothing but the account tells them of one another.
  uint64_t number = 0;
  while (s.below.bucket(payment_id(number), 0) == kHome) ++number;
  const Payment payment = Payment(payment_id(number)).debit(s.a, 1).credit(s.book.world, 1);
  const auto answer = s.book.session.pay(payment);
  EXPECT_TRUE(money.has_happened());
  return code_of(answer) == kDone;
}

struct Case {
  Mutant mutant;
  bool (*keeps_the_rule)(Mutant mutant);
};

class Mutants : public testing::TestWithParam<Case> {};

TEST_P(Mutants, AreCaught) {
  EXPECT_TRUE(GetParam().keeps_the_rule(Mutant::none));
  EXPECT_FALSE(GetParam().keeps_the_rule(GetParam().mutant));
  Restored::restore();
}

INSTANTIATE_TEST_SUITE_P(
    OfBookAndLease, Mutants,
    testing::Values(Case{Mutant::ids_second_unguarded, guards_the_bucket_behind},
                    Case{Mutant::ids_home_unguarded, guards_the_home},
                    Case{Mutant::ids_over_cleared_plain, clears_over_into_gone},
                    Case{Mutant::ids_clock_evicts, evicts_by_the_horizon},
                    Case{Mutant::ids_over_ignored, looks_past_a_full_bucket},
                    Case{Mutant::ids_evict_unexpired, evicts_only_the_expired},
                    Case{Mutant::ids_horizon_first, reads_the_horizon_after_the_buckets},
                    Case{Mutant::guard_skipped, commits_under_its_guard},
                    Case{Mutant::renew_expired, renews_only_what_lives},
                    Case{Mutant::release_without_token, releases_only_by_token},
                    Case{Mutant::refusal_unguarded, records_only_true_refusals}),
    [](const auto& test) { return std::string(base::mutant_name(test.param.mutant)); });

}  // namespace
}  // namespace casbook
