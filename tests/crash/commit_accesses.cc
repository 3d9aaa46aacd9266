// SIGKILL at every single access to shared memory of a payment and of a lease's life; and at two or
// three of them at once: a process that is killed while it helps the corpse of another.
#include <cstdlib>
#include <optional>
#include <ostream>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "support/crash_scenarios.h"
#include "support/lanes.h"
#include "support/random.h"

namespace casbook {
namespace {

using namespace test_support;

struct Operation {
  std::string name;
  uint64_t accesses_min;  // what it takes at least: fewer, and it does not do what it should
  void (*act)(Stage&, uint64_t number);
  void (*settle)(Stage&, uint64_t number);
  uint64_t slow = 0;  // payments that it makes in the slow lane
};

void PrintTo(const Operation& operation, std::ostream* out) { *out << operation.name; }

void settle_payment(Stage& stage, const Payment& payment) {
  stage.book.expect_free("till");
  stage.book.settle(payment);
}

struct Holder {
  Book book;
  Session session;
  Lease till;
};

Holder hold_till(Stage& stage) {
  Book book = stage.book.attach();
  Result<Session> session = book.open_session();
  require(static_cast<bool>(session), "no session");
  const Result<Grant> grant = session->try_acquire("till", {.ttl = std::chrono::hours(1)});
  require(static_cast<bool>(grant), "the lease is not free");
  return {std::move(book), std::move(*session), grant->lease};
}

void expect_till_free(Stage& stage, uint64_t) { stage.book.expect_free("till"); }

const Operation kOperations[] = {
    {"pay_fast", 200,
     [](Stage& stage, uint64_t number) { pay_guarded(stage, stage.book.narrow(number)); },
     [](Stage& stage, uint64_t number) { settle_payment(stage, stage.book.narrow(number)); }},
    {"pay_slow", 300,
     [](Stage& stage, uint64_t number) { pay_guarded(stage, stage.book.wide(number)); },
     [](Stage& stage, uint64_t number) { settle_payment(stage, stage.book.wide(number)); }, 1},
    {"pay_widest", 300,
     [](Stage& stage, uint64_t number) { pay_guarded(stage, stage.book.widest(number)); },
     [](Stage& stage, uint64_t number) { settle_payment(stage, stage.book.widest(number)); }},
    {"lease_acquire", 100,
     [](Stage& stage, uint64_t) {
       Book book = stage.book.attach();
       Result<Session> session = book.open_session();
       require(static_cast<bool>(session), "no session");
       stage.begin();
       (void)!session->try_acquire("till", {.ttl = std::chrono::hours(1)});
     },
     expect_till_free},
    {"lease_renew", 80,
     [](Stage& stage, uint64_t) {
       Holder holder = hold_till(stage);
       stage.begin();
       (void)!holder.session.renew(holder.till, std::chrono::hours(2));
     },
     expect_till_free},
    {"lease_release", 80,
     [](Stage& stage, uint64_t) {
       Holder holder = hold_till(stage);
       stage.begin();
       (void)!holder.session.release(holder.till);
       disarm();  // the session and the book close unharmed: others strike that
     },
     expect_till_free},
    {"detach", 30,
     [](Stage& stage, uint64_t) {
       const Holder holder = hold_till(stage);
       stage.begin();
     },
     expect_till_free},
};

// A fresh book now and then: each check makes payments of its own.
Stage& renew(std::optional<Stage>& stage, uint64_t round) {
  if (!stage || round % 80 == 0) stage.emplace();
  return *stage;
}

class EveryAccess : public testing::TestWithParam<Operation> {};

TEST_P(EveryAccess, MayBeTheLast) {
  const Operation& operation = GetParam();
  std::optional<Stage> book_of_some;
  uint64_t nth = 1;
  for (;; ++nth) {
    SCOPED_TRACE(operation.name + ", access " + std::to_string(nth));
    Stage& stage = renew(book_of_some, nth);
    stage.strike = {.nth = nth};
    const uint64_t slow_before = made_slow(stage.book.book());
    Child victim([&] { operation.act(stage, nth); });
    const bool is_struck = victim.was_killed_by(SIGKILL);
    ASSERT_TRUE(is_struck || victim.succeeded()) << "the victim failed by itself";
    if (!is_struck) {
      EXPECT_EQ(made_slow(stage.book.book()), slow_before + operation.slow) << "the wrong lane";
    }
    operation.settle(stage, nth);
    stage.book.check();
    if (!is_struck || HasFailure()) break;
  }
  EXPECT_GT(nth, operation.accesses_min);
}

INSTANTIATE_TEST_SUITE_P(Each, EveryAccess, testing::ValuesIn(kOperations),
                         [](const testing::TestParamInfo<Operation>& given) {
                           return given.param.name;
                         });

uint64_t seed_of_this_run() {
  const char* given = std::getenv("CASBOOK_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu: CASBOOK_SEED=%llu runs it again\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed));
  return seed;
}

// Payments of one pair of accounts, so that each meets what the one before left behind.
Payment pick(const Stage& stage, uint64_t number) {
  if (number % 3 != 0) return stage.book.narrow(number);
  return number % 2 == 0 ? stage.book.wide(number) : stage.book.widest(number);
}

void pay_struck(const Stage& stage, uint64_t number, const Strike& strike) {
  Book book = stage.book.attach();
  Result<Session> session = book.open_session();
  require(static_cast<bool>(session), "no session");
  arm(strike);
  (void)!session->pay(pick(stage, number));
  disarm();
}

constexpr uint64_t kAccessesOfAPayment = 420;  // strikes beyond the end of one hit nobody

TEST(AccessPairs, TheHelperOfACorpseIsKilledToo) {
  test::Random random(seed_of_this_run());
  std::optional<Stage> book_of_some;
  uint64_t number = 0;
  int both = 0;
  for (int round = 0; round < 400; ++round) {
    const uint64_t first = random.below(kAccessesOfAPayment) + 1;
    const uint64_t second = random.below(kAccessesOfAPayment) + 1;
    SCOPED_TRACE("round " + std::to_string(round) + ", accesses " + std::to_string(first) + ", " +
                 std::to_string(second));
    Stage& stage = renew(book_of_some, static_cast<uint64_t>(round));
    const uint64_t one = ++number, two = ++number;
    Child corpse([&] { pay_struck(stage, one, {.nth = first}); });
    const bool is_first_struck = corpse.was_killed_by(SIGKILL);
    Child helper([&] { pay_struck(stage, two, {.nth = second}); });
    both += helper.was_killed_by(SIGKILL) && is_first_struck;
    stage.book.settle(pick(stage, two));
    stage.book.settle(pick(stage, one));
    stage.book.check();
    if (HasFailure()) return;
  }
  EXPECT_GT(both, 50);
}

// The first is only stopped. It goes on when the second is dead and the survivor has repaired,
// taken the second over and gone on: whatever it still does must be harmless.
TEST(AccessPairs, TheStoppedOneGoesOnAfterItsHelperIsDead) {
  test::Random random(seed_of_this_run());
  std::optional<Stage> book_of_some;
  uint64_t number = 0;
  int both = 0;
  for (int round = 0; round < 300; ++round) {
    const uint64_t first = random.below(kAccessesOfAPayment) + 1;
    const uint64_t second = random.below(kAccessesOfAPayment) + 1;
    SCOPED_TRACE("round " + std::to_string(round) + ", accesses " + std::to_string(first) + ", " +
                 std::to_string(second));
    Stage& stage = renew(book_of_some, static_cast<uint64_t>(round));
    const uint64_t one = ++number, two = ++number;
    Child stopped([&] { pay_struck(stage, one, {.nth = first, .signal = SIGSTOP}); });
    const bool is_stopped = stopped.await_stopped();
    Child helper([&] { pay_struck(stage, two, {.nth = second}); });
    both += helper.was_killed_by(SIGKILL) && is_stopped;
    stage.book.settle(pick(stage, two));
    stage.book.settle(pick(stage, one));
    if (is_stopped) {
      for (int i = 0; i < 20; ++i) stage.book.settle(stage.book.narrow(++number));
      EXPECT_TRUE(stage.book.book().take_over_the_dead());
      stopped.signal(SIGCONT);
    }
    EXPECT_TRUE(stopped.succeeded());
    stage.book.check();
    if (HasFailure()) return;
  }
  EXPECT_GT(both, 40);
}

}  // namespace
}  // namespace casbook
