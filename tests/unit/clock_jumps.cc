// Clocks that jump, in the middle of a call too. Money never depends on them: what a jump may do
// is end leases early or late, and refuse ids.
#include <gtest/gtest.h>

#include "support/dated_id.h"
#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;

constexpr int64_t kHourMs = 3'600'000;

struct Jump {
  const char* name;
  int64_t wall_ms, boot_ms;
};
void PrintTo(const Jump& jump, std::ostream* out) { *out << jump.name; }

const Jump kJumps[] = {{"AnHourBack", -kHourMs, 0},
                       {"AnHourAhead", kHourMs, 0},
                       {"AYearBack", -365 * 24 * kHourMs, 0},
                       {"AYearAhead", 365 * 24 * kHourMs, 0},
                       {"AMachineThatSleptAnHour", kHourMs, kHourMs},
                       {"ALeapSecond", -1000, 0}};

CreateOptions roomy() {
  CreateOptions options = small_options();
  options.payments = 5'000;
  return options;
}

class ClockJumps : public testing::TestWithParam<Jump> {
 protected:
  ClockJumps() : small_(roomy()), from_(small_.open_with("from", 1000)), to_(small_.open("to")) {}

  Payment payment(const PaymentId& id) const { return Payment(id).debit(from_, 1).credit(to_, 1); }
  void jump() {
    step_wall_clock(GetParam().wall_ms);
    step_boot_clock(GetParam().boot_ms);
  }

  SmallBook small_;
  Account from_, to_;
};

// At each step of a payment the clock jumps and jumps back, or stays there. The payment happens
// once, or is refused as too old or from the future, and the same id never pays twice.
TEST_P(ClockJumps, InTheMiddleOfAPaymentItIsPaidAtMostOnce) {
  uint64_t number = 0;
  Amount moved = 0;
  for (const bool comes_back : {true, false}) {
    bool has_happened = true;
    for (uint64_t nth = 1; has_happened && small_.available(from_) > 10; nth += 7) {
      SCOPED_TRACE("access " + std::to_string(nth) + (comes_back ? ", and back" : ""));
      base::injected_clock = {};
      const PaymentId id =
          ++number % 2 == 0 ? payment_id(number) : uuid_v7(base::wall_clock_ms(), number);
      Result<Receipt> first = Code::outcome_unknown;
      {
        Interruption interruption(nth, [&] { jump(); });
        first = small_.session.pay(payment(id));
        has_happened = interruption.has_happened();
      }
      if (comes_back) base::injected_clock = {};
      const Result<Receipt> again = small_.session.pay(payment(id));
      const Amount now_moved = small_.available(to_);
      ASSERT_TRUE(now_moved == moved || now_moved == moved + 1);
      if (first) {
        ASSERT_EQ(now_moved, moved + 1) << "paid twice, or never";
      }
      for (const Code code : {code_of(first), code_of(again)})
        ASSERT_TRUE(code == kDone || code == Code::payment_too_old ||
                    code == Code::payment_from_future)
            << code_name(code);
      moved = now_moved;
    }
  }
  EXPECT_GT(number, 10u);
  EXPECT_TRUE(small_.audit_is_ok());
}

// The token decides, not the clock: whatever a jump does to the deadline, of two holders only the
// later one pays.
TEST_P(ClockJumps, ALeaseHasOneHolderWhoCanPay) {
  Session other = must(small_.book.open_session());
  const Lease mine =
      must(small_.session.try_acquire("till", {.ttl = std::chrono::minutes(10), .owner_id = 1}))
          .lease;
  jump();
  const auto taken = other.try_acquire("till", {.ttl = std::chrono::minutes(10), .owner_id = 2});
  // Leases run on a clock that is never stepped, and goes on in a sleep.
  EXPECT_EQ(code_of(taken), GetParam().boot_ms > 0 ? kDone : Code::lease_held);
  const Result<Receipt> paid = small_.session.pay(payment(small_.fresh_id()).guard(mine));
  EXPECT_EQ(code_of(paid), taken ? Code::lease_superseded : kDone);
  if (taken) {
    EXPECT_EQ(code_of(other.pay(payment(small_.fresh_id()).guard(taken->lease))), kDone);
  }
  EXPECT_EQ(small_.available(to_), 1);
}

// The book goes on after any jump: payments without a time at once, dated ones when the clock and
// the book agree again, or the other way round after a jump ahead.
TEST_P(ClockJumps, TheBookGoesOn) {
  must(small_.session.pay(payment(small_.fresh_id())));
  jump();
  const Receipt receipt = must(small_.session.pay(payment(small_.fresh_id())));
  base::injected_clock = {};
  const Receipt later = must(small_.session.pay(payment(small_.fresh_id())));
  EXPECT_GE(later.time_ms, receipt.time_ms) << "book time ran back";
  EXPECT_GT(later.position, receipt.position);
  EXPECT_TRUE(small_.audit_is_ok());
}

INSTANTIATE_TEST_SUITE_P(Of, ClockJumps, testing::ValuesIn(kJumps),
                         [](const testing::TestParamInfo<Jump>& given) {
                           return std::string(given.param.name);
                         });

}  // namespace
}  // namespace casbook
