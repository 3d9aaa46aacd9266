// Processes that are stopped with SIGSTOP where it hurts most. The others keep their rate, and what
// the stopped one still does when it wakes is harmless.
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
  if (number % 8 != 0) return stage.book.narrow(number);
  return number % 16 == 0 ? stage.book.wide(number) : stage.book.widest(number);
}

// Beside one that rightly keeps others from paying there is no rate, but an answer.
void expect_an_answer(Stage& stage, uint64_t& next) {
  const BoundedTime bounded("a payment beside a stopped operator");
  const Payment payment = next_payment(stage, Others::elsewhere, next++);
  const Result<Receipt> answer = stage.book.session().pay(payment);
  if (answer) stage.book.settle(payment);
  EXPECT_TRUE(answer || answer.error().code == Code::book_closed ||
              answer.error().code == Code::quarantined || answer.error().code == Code::backpressure)
      << answer.error().message();
}

// How long the next payments take.
int64_t pay_ns(Stage& stage, Others others, uint64_t& next) {
  const int64_t start_ns = monotonic_ns();
  for (uint64_t i = 0; i < kPayments; ++i, ++next)
    stage.book.settle(next_payment(stage, others, next));
  return monotonic_ns() - start_ns;
}

// Whether the rate held; tells the times.
bool stop_and_wake(const Scenario& scenario, FaultPoint point, Others others, std::string& times) {
  Stage stage(4 * kPayments);
  stage.strike = {point, 1, SIGSTOP};
  uint64_t next = 1'000'000;
  int64_t before_ns = 0, during_ns = 0;
  if (!scenario.refuses) {
    pay_ns(stage, others, next);  // warm
    before_ns = pay_ns(stage, others, next);
  }
  scenario.prepare(stage);
  Child victim([&] { scenario.act(stage); });
  if (!victim.await_stopped()) {
    EXPECT_TRUE(victim.succeeded()) << "the victim failed by itself";
    scenario.settle(stage);
    times += "not stopped; ";
    return false;
  }
  if (scenario.refuses) {
    expect_an_answer(stage, next);
  } else {
    during_ns = pay_ns(stage, others, next);
    times += std::to_string(before_ns) + " ns before, " + std::to_string(during_ns) + " during; ";
  }
  victim.signal(SIGCONT);
  EXPECT_TRUE(victim.succeeded()) << "it did not finish what it was at";
  scenario.settle(stage);
  stage.others.clear();
  stage.book.check();
  return during_ns * kRatePercentMin <= before_ns * 100;
}

class Stopped : public testing::TestWithParam<Scenario> {};

// At every point that the scenario passes.
TEST_P(Stopped, DelaysNobodyAndHarmsNothingWhenItWakes) {
  const Scenario& scenario = GetParam();
  const Passages passages = passages_of(scenario);
  for (size_t i = 0; i < kFaultPoints; ++i) {
    if (passages.at[i] == 0) continue;
    const auto point = static_cast<FaultPoint>(i);
    for (const Others others : {Others::on_its_accounts, Others::elsewhere}) {
      SCOPED_TRACE(std::string(base::fault_point_name(point)) +
                   (others == Others::elsewhere ? ", elsewhere" : ", on its accounts"));
      std::string times;
      bool has_rate_held = false;
      for (int tries = 0; tries < kTriesMax && !has_rate_held && !HasFailure(); ++tries)
        has_rate_held = stop_and_wake(scenario, point, others, times);
      EXPECT_TRUE(has_rate_held) << times;
      if (HasFailure()) return;
      if (scenario.refuses) break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Stopped, testing::ValuesIn(scenarios()),
                         [](const testing::TestParamInfo<Scenario>& given) {
                           return given.param.name;
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
