// Signals in the middle of a call: a storm of them, a handler that pays itself, and a handler that
// leaves the call by siglongjmp at any access to shared memory.
#include <atomic>
#include <csetjmp>

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/time.h>

#include "support/child_process.h"
#include "support/lanes.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

CreateOptions options_of_storm() {
  CreateOptions options = small_options();
  options.payments = 400'000;
  return options;
}

// Interrupts this process every 100 us, its system calls too (no SA_RESTART).
class Storm {
 public:
  explicit Storm(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigaction(SIGALRM, &action, &before_);
    set_interval(100);
  }
  ~Storm() {
    set_interval(0);
    sigaction(SIGALRM, &before_, nullptr);
  }
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;

 private:
  static void set_interval(suseconds_t us) {
    const itimerval interval{{0, us}, {0, us}};
    setitimer(ITIMER_REAL, &interval, nullptr);
  }
  struct sigaction before_ {};
};

class Signals : public testing::Test {
 public:
  Signals() : small_(options_of_storm()) {
    from_ = small_.open_with("from", 1'000'000);
    to_ = small_.open("to");
    for (const char* id : {"a", "b", "c"}) others_.push_back(small_.open(id));
    begin_slow({4});
  }

  // Narrow or, every third, of four accounts in the slow lane. Both take 3 from `from`.
  Payment payment(uint64_t number) const {
    Payment made(payment_id(number));
    made.debit(from_, 3);
    if (number % 3 != 0) return made.credit(to_, 3);
    for (const Account& other : others_) made.credit(other, 1);
    return made;
  }
  Amount paid() const { return 1'000'000 - small_.available(from_); }

  SmallBook small_;
  Account from_, to_;
  std::vector<Account> others_;
};

std::atomic<uint64_t> interrupts{0};

TEST_F(Signals, AStormOfThemDelaysNoPaymentAndLosesNone) {
  interrupts = 0;
  uint64_t payments = 0;
  {
    const Storm storm([](int) { ++interrupts; });
    while (interrupts < 200 && payments < 200'000) must(small_.session.pay(payment(++payments)));
  }
  EXPECT_GE(interrupts, 200u);
  EXPECT_EQ(paid(), static_cast<Amount>(3 * payments));
  EXPECT_EQ(made_slow(small_.book), payments / 3);
  EXPECT_TRUE(small_.audit_is_ok());
}

// The handler has a session of its own, so it may pay wherever it interrupts: what it meets half
// done it helps to its end.
TEST_F(Signals, AHandlerMayPayWhereverItInterrupts) {
  static Session* handlers_session;
  static Signals* test;
  static uint64_t handled;
  static Code refusal;
  Session own = must(small_.book.open_session());
  handlers_session = &own, test = this, handled = 0, refusal = kDone;
  uint64_t payments = 0;
  {
    const Storm storm([](int) {
      const uint64_t number = 5'000'000 + ++handled;
      const auto answer = handlers_session->pay(test->payment(number));
      if (!answer) refusal = answer.error().code;
    });
    while (handled < 200 && payments < 200'000) must(small_.session.pay(payment(++payments)));
  }
  EXPECT_GE(handled, 200u);
  EXPECT_EQ(refusal, kDone);
  EXPECT_EQ(paid(), static_cast<Amount>(3 * (payments + handled)));
  EXPECT_GE(made_slow(small_.book), payments / 3 + handled / 3);
  EXPECT_TRUE(small_.audit_is_ok());
}

// Wherever a call is left, its session goes on: what it had begun is finished by its next commit
// or by others, and the same id pays once.
TEST_F(Signals, ACallMayBeLeftByLongjmpAnywhere) {
  static sigjmp_buf out;
  static uint64_t remaining;
  Session other = must(small_.book.open_session());
  uint64_t number = 0, left = 0;
  for (const uint64_t kind : {1, 3}) {  // narrow, wide
    bool was_left = true;
    for (uint64_t nth = 1; was_left; ++nth) {
      SCOPED_TRACE("kind " + std::to_string(kind) + ", access " + std::to_string(nth));
      number += 3 + kind - number % 3;
      ASSERT_EQ(number % 3 == 0, kind == 3);
      const Payment left_one = payment(number);
      remaining = nth;
      base::probes.access = [](const void*) {
        if (--remaining == 0) siglongjmp(out, 1);
      };
      was_left = sigsetjmp(out, 1) != 0;
      if (!was_left) must(small_.session.pay(left_one));
      base::probes.access = nullptr;
      left += was_left;
      // By turns the same session and another one are the first to go on.
      Session& next = nth % 2 == 0 ? small_.session : other;
      const Result<Receipt> again = next.pay(left_one);
      ASSERT_TRUE(again) << again.error().message();
      must(small_.session.pay(payment(2'000'001 + 3 * number)));
      ASSERT_EQ(paid(), static_cast<Amount>(3 * 2 * (left + (kind == 3) + !was_left)));
    }
  }
  EXPECT_GT(left, 500u);
  EXPECT_GT(made_slow(small_.book), left) << "the payments that followed each";
  EXPECT_TRUE(small_.audit_is_ok());
  EXPECT_TRUE(small_.book.check().ok);
}

// A wait that is interrupted all the time still ends when its time is over, and not before.
TEST_F(Signals, AWaitTakesItsTimeInAStorm) {
  interrupts = 0;
  Session holder = must(small_.book.open_session());
  must(holder.try_acquire("till", {.ttl = std::chrono::hours(1), .owner_id = 1}));
  const int64_t start_ns = monotonic_ns();
  Code code{};
  {
    const Storm storm([](int) { ++interrupts; });
    code = code_of(small_.session.wait_acquire(
        "till", {.owner_id = 2, .wait = std::chrono::milliseconds(100)}));
  }
  const int64_t taken_ns = monotonic_ns() - start_ns;
  EXPECT_EQ(code, Code::wait_timeout);
  EXPECT_GE(taken_ns, 100'000'000);
  EXPECT_LT(taken_ns, 3'000'000'000);
  EXPECT_GT(interrupts, 50u);
}

}  // namespace
}  // namespace casbook
