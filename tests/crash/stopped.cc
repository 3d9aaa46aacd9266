// Processes that are stopped with SIGSTOP where it hurts most. The others keep their rate, and what
// the stopped one still does when it wakes is harmless.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "support/crash_scenarios.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;

// Payments of a process beside the stopped one: enough to lap the ring of records several times.
constexpr uint64_t kPayments = 3000;
// A machine that is shared is unfair now and then: so often may the rate fail before the test does.
constexpr int kTriesMax = 3;
constexpr int64_t kRatePercentMin = 30;

// On the accounts of the stopped one, which is helped then; or on others, and then nobody meets
// what it has begun until it wakes.
enum class Others { on_its_accounts, elsewhere };

Payment next_payment(const Stage& stage, Others others, uint64_t number) {
  if (others == Others::elsewhere) return stage.book.narrow(number, 6, 7);
  return number % 8 == 0 ? stage.book.wide(number) : stage.book.narrow(number);
}

// How long the next payments take.
int64_t pay_ns(Stage& stage, Others others, uint64_t& next) {
  const int64_t start_ns = monotonic_ns();
  for (uint64_t i = 0; i < kPayments; ++i, ++next)
    stage.book.settle(next_payment(stage, others, next));
  return monotonic_ns() - start_ns;
}

struct Stop {
  std::string scenario;
  FaultPoint point;
};
void PrintTo(const Stop& stop, std::ostream* out) {
  *out << stop.scenario << " at " << base::fault_point_name(stop.point);
}

const Scenario& scenario_of(const std::string& name) {
  const auto found = std::find_if(scenarios().begin(), scenarios().end(),
                                  [&](const Scenario& s) { return s.name == name; });
  return *found;
}

class Stopped : public testing::TestWithParam<Stop> {};

// Whether the rate held; tells the times.
bool stop_and_wake(const Stop& stop, Others others, std::string& times) {
  const Scenario& scenario = scenario_of(stop.scenario);
  Stage stage(4 * kPayments);
  stage.strike = {stop.point, 1, SIGSTOP};
  uint64_t next = 1'000'000;
  pay_ns(stage, others, next);  // warm
  const int64_t before_ns = pay_ns(stage, others, next);
  scenario.prepare(stage);
  Child victim([&] { scenario.act(stage); });
  EXPECT_TRUE(victim.await_stopped());
  const int64_t during_ns = pay_ns(stage, others, next);
  times += std::to_string(before_ns) + " ns before, " + std::to_string(during_ns) + " during; ";
  victim.signal(SIGCONT);
  EXPECT_TRUE(victim.succeeded()) << "it did not finish what it was at";
  scenario.settle(stage);
  stage.others.clear();
  stage.book.check();
  return during_ns * kRatePercentMin <= before_ns * 100;
}

TEST_P(Stopped, DelaysNobodyAndHarmsNothingWhenItWakes) {
  for (const Others others : {Others::on_its_accounts, Others::elsewhere}) {
    SCOPED_TRACE(others == Others::elsewhere ? "elsewhere" : "on its accounts");
    std::string times;
    bool has_rate_held = false;
    for (int tries = 0; tries < kTriesMax && !has_rate_held && !HasFailure(); ++tries)
      has_rate_held = stop_and_wake(GetParam(), others, times);
    EXPECT_TRUE(has_rate_held) << times;
  }
}

std::vector<Stop> stops() {
  std::vector<Stop> all;
  const auto add = [&](const char* scenario, std::initializer_list<FaultPoint> points) {
    for (const FaultPoint point : points) all.push_back({scenario, point});
  };
  add("pay_fast", {FaultPoint::payment_planned, FaultPoint::commit_after_init,
                   FaultPoint::commit_after_publish, FaultPoint::commit_after_first_lock,
                   FaultPoint::commit_after_locks, FaultPoint::commit_after_claim,
                   FaultPoint::commit_after_decide, FaultPoint::commit_after_first_word,
                   FaultPoint::commit_after_first_release, FaultPoint::commit_after_release,
                   FaultPoint::record_after_reserve, FaultPoint::record_before_publish,
                   FaultPoint::record_after_publish, FaultPoint::payment_committed});
  add("pay_slow", {FaultPoint::commit_after_locks, FaultPoint::commit_after_agree,
                   FaultPoint::commit_after_claim, FaultPoint::commit_after_first_word});
  add("pay_many", {FaultPoint::tail_before_advance, FaultPoint::floor_before_raise,
                   FaultPoint::block_after_retire});
  add("pay_conflict", {FaultPoint::commit_after_abort});
  add("take_over", {FaultPoint::takeover_after_mark, FaultPoint::takeover_after_run,
                    FaultPoint::takeover_after_session});
  add("attach", {FaultPoint::attach_after_lock, FaultPoint::attach_after_claim,
                 FaultPoint::session_after_claim, FaultPoint::block_after_intent,
                 FaultPoint::block_after_own});
  add("lease_life", {FaultPoint::lease_before_acquire, FaultPoint::lease_after_acquire,
                     FaultPoint::lease_before_renew, FaultPoint::lease_after_renew,
                     FaultPoint::lease_before_release, FaultPoint::lease_after_release});
  add("lease_wait", {FaultPoint::lease_waiting});
  add("lease_notify", {FaultPoint::notify_before_wake});
  add("help_locked", {FaultPoint::help_after_copy});
  add("help_half_written", {FaultPoint::help_after_copy});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Each, Stopped, testing::ValuesIn(stops()),
                         [](const testing::TestParamInfo<Stop>& given) {
                           return given.param.scenario + "_" +
                                  base::fault_point_name(given.param.point);
                         });

// What a holder was answered that was stopped past its lease.
struct Answer {
  Code pay, renew, release;
  uint64_t paid_at;
};

template <class T>
Code code_of(const Result<T>& result) {
  return result ? Code{} : result.error().code;
}

// Takes the lease "till" for 20 ms, is stopped at `point` of its payment, and goes on when woken.
void pay_stopped(const Stage& stage, FaultPoint point, Answer& answer) {
  Book book = stage.book.attach();
  Result<Session> session = book.open_session();
  require(static_cast<bool>(session), "no session");
  const Result<Grant> grant = session->try_acquire("till", {.ttl = std::chrono::milliseconds(20)});
  require(static_cast<bool>(grant), "the lease is not free");
  Payment payment = stage.book.narrow(1);
  payment.guard(grant->lease);
  arm({point, 1, SIGSTOP});
  const Result<Receipt> receipt = session->pay(payment);
  disarm();
  answer.pay = code_of(receipt);
  answer.paid_at = receipt ? receipt->position.value : 0;
  answer.renew = code_of(session->renew(grant->lease, std::chrono::hours(1)));
  answer.release = code_of(session->release(grant->lease));
}

class StoppedHolder : public testing::TestWithParam<FaultPoint> {};

TEST_P(StoppedHolder, CannotPayUnderATokenThatIsNotTheLeasesAnyMore) {
  Stage stage;
  Shared<Answer> answer;
  Child holder([&] { pay_stopped(stage, GetParam(), *answer); });
  ASSERT_TRUE(holder.await_stopped());
  Session& session = stage.book.session();
  const AcquireOptions options{.ttl = std::chrono::hours(1), .wait = std::chrono::seconds(5)};
  const Result<Grant> taken = session.wait_acquire("till", options);
  ASSERT_TRUE(taken) << taken.error().message();
  holder.signal(SIGCONT);
  ASSERT_TRUE(holder.succeeded());
  EXPECT_EQ(answer->renew, Code::lease_superseded);
  EXPECT_EQ(answer->release, Code::lease_superseded);
  // Locked and claimed before the lease was taken: then it is older than the new token.
  const bool was_locked = GetParam() == FaultPoint::commit_after_locks;
  EXPECT_EQ(answer->pay, was_locked ? Code{} : Code::lease_superseded);
  EXPECT_LT(answer->paid_at, taken->lease.token.value);
  EXPECT_EQ(stage.book.settle(stage.book.narrow(1)), was_locked);
  EXPECT_EQ(stage.book.book().lease("till")->lease, taken->lease) << "the new holder has lost it";
  EXPECT_TRUE(session.release(taken->lease));
  stage.book.check();
}

INSTANTIATE_TEST_SUITE_P(Each, StoppedHolder,
                         testing::Values(FaultPoint::payment_planned,
                                         FaultPoint::commit_after_publish,
                                         FaultPoint::commit_after_first_lock,
                                         FaultPoint::commit_after_locks),
                         [](const testing::TestParamInfo<FaultPoint>& given) {
                           return base::fault_point_name(given.param);
                         });

}  // namespace
}  // namespace casbook
