// Stopped for seconds, at every fault point of every scenario, all at the same time, each in a book
// of its own: longer than the TTL of its leases, and for payments longer than the window of their
// ids. Meanwhile others take its lease and pay; then it wakes.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/crash_scenarios.h"
#include "support/dated_id.h"
#include "support/lanes.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;
using std::chrono::milliseconds;

constexpr milliseconds kTtl{300};
constexpr milliseconds kStop{2500};

struct Sleeper {
  Sleeper(const Scenario& played, FaultPoint at) : scenario(&played), point(at) {}

  const Scenario* scenario;
  FaultPoint point;
  Stage stage{800};
  std::unique_ptr<Child> victim;
  bool is_stopped = false;

  std::string text() const { return scenario->name + " at " + base::fault_point_name(point); }
};

void fall_asleep(Sleeper& sleeper) {
  sleeper.stage.ttl = kTtl;
  sleeper.stage.strike = {sleeper.point, 1, SIGSTOP};
  sleeper.scenario->prepare(sleeper.stage);
  sleeper.victim = std::make_unique<Child>([&] { sleeper.scenario->act(sleeper.stage); });
  sleeper.is_stopped = sleeper.victim->await_stopped();
}

void live_on(Sleeper& sleeper) {
  if (sleeper.scenario->refuses) return;
  sleeper.stage.book.expect_free("till");
  for (uint64_t number = 500; number < 520; ++number)
    sleeper.stage.book.settle(sleeper.stage.book.narrow(number));
}

void wake(Sleeper& sleeper) {
  sleeper.victim->signal(SIGCONT);
  EXPECT_TRUE(sleeper.victim->succeeded()) << "it did not finish what it was at";
  sleeper.scenario->settle(sleeper.stage);
  sleeper.stage.others.clear();
  sleeper.stage.book.check();
}

TEST(StoppedForSeconds, HarmsNothingInAnyCall) {
  std::vector<std::unique_ptr<Sleeper>> sleepers;
  for (const Scenario& scenario : scenarios()) {
    const Passages passages = passages_of(scenario);
    for (size_t i = 0; i < kFaultPoints; ++i) {
      if (passages.at[i] == 0) continue;
      sleepers.push_back(std::make_unique<Sleeper>(scenario, static_cast<FaultPoint>(i)));
      SCOPED_TRACE(sleepers.back()->text());
      fall_asleep(*sleepers.back());
    }
  }
  sleep_us(std::chrono::microseconds(kStop).count());
  uint64_t stopped = 0;
  for (const auto& sleeper : sleepers) {
    SCOPED_TRACE(sleeper->text());
    stopped += sleeper->is_stopped;
    live_on(*sleeper);
    wake(*sleeper);
    if (HasFailure()) return;
  }
  std::printf("%llu stopped at once\n", static_cast<unsigned long long>(stopped));
  EXPECT_GT(stopped, sleepers.size() * 9 / 10);
}

// An id that carries its time is executed once, however long its payer slept: what the payer is
// told, what a retry after the window is told, and the balance agree.
struct Nap {
  FaultPoint point;
  bool is_wide;  // and so in the slow lane
  Stage stage;
  Shared<Code> told;
  std::unique_ptr<Child> payer;

  Nap(FaultPoint at, bool wide) : point(at), is_wide(wide), stage(800, milliseconds(1000)) {}
  Payment payment(int64_t now_ms) const {
    const Account& from = stage.book.account(5);
    Payment made(uuid_v7(now_ms, 1));
    made.debit(from, is_wide ? 4 : 1);
    for (uint32_t i = 0; i < (is_wide ? 4u : 1u); ++i) made.credit(stage.book.account(6 + i), 1);
    return made;
  }
};

int64_t now_ms() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

TEST(StoppedForSeconds, ADatedIdIsPaidOnceThoughItsPayerSleptThroughTheWindow) {
  constexpr FaultPoint kPoints[] = {
      FaultPoint::payment_planned,      FaultPoint::commit_after_init,
      FaultPoint::commit_after_publish, FaultPoint::commit_after_first_lock,
      FaultPoint::commit_after_locks,   FaultPoint::commit_after_claim,
      FaultPoint::commit_after_decide,  FaultPoint::commit_after_first_word,
      FaultPoint::commit_after_release, FaultPoint::record_after_reserve,
      FaultPoint::record_after_publish, FaultPoint::payment_committed};
  std::vector<std::unique_ptr<Nap>> naps;
  const int64_t dated_ms = now_ms();
  for (const FaultPoint point : kPoints)
    for (const bool is_wide : {false, true}) {
      naps.push_back(std::make_unique<Nap>(point, is_wide));
      Nap& nap = *naps.back();
      nap.payer = std::make_unique<Child>([&] {
        Book book = nap.stage.book.attach();
        Result<Session> session = book.open_session();
        require(static_cast<bool>(session), "no session");
        arm({nap.point, 1, SIGSTOP});
        const Result<Receipt> answer = session->pay(nap.payment(dated_ms));
        disarm();
        *nap.told = answer ? Code{} : answer.error().code;
      });
      ASSERT_TRUE(nap.payer->await_stopped()) << base::fault_point_name(point);
    }
  sleep_us(std::chrono::microseconds(kStop).count());
  for (const auto& nap : naps) {
    SCOPED_TRACE(std::string(base::fault_point_name(nap->point)) + (nap->is_wide ? ", wide" : ""));
    Book& book = nap->stage.book.book();
    for (uint64_t number = 0; number < 50; ++number)  // moves the book's time, evicts the old
      nap->stage.book.settle(nap->stage.book.narrow(number));
    const Result<Receipt> early = nap->stage.book.session().pay(nap->payment(dated_ms));
    nap->payer->signal(SIGCONT);
    ASSERT_TRUE(nap->payer->succeeded());
    const Result<Receipt> late = nap->stage.book.session().pay(nap->payment(dated_ms));
    const Amount moved = book.balance(nap->stage.book.account(6))->available - CrashBook::kFunds;
    EXPECT_TRUE(moved == 0 || moved == 1) << moved;
    EXPECT_EQ(made_slow(book), nap->is_wide ? static_cast<uint64_t>(moved) : 0);
    for (const Result<Receipt>* answer : {&early, &late}) {
      EXPECT_TRUE(*answer || answer->error().code == Code::payment_too_old);
      if (*answer) {
        EXPECT_EQ(moved, 1);
      }
    }
    EXPECT_TRUE(*nap->told == Code{} ? moved == 1 : *nap->told == Code::payment_too_old)
        << code_name(*nap->told) << ", moved " << moved;
    EXPECT_TRUE(book.audit()->ok);
  }
}

}  // namespace
}  // namespace casbook
