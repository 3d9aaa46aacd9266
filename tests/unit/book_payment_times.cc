// How long payments take, by sample: what is counted, and what status says of it.
#include <gtest/gtest.h>

#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using std::chrono::nanoseconds;

constexpr uint32_t kSampledOneIn = 251;

class PaymentTimes : public testing::Test {
 protected:
  static CreateOptions options() {
    CreateOptions options = small_options();
    options.payments = 5000;
    return options;
  }
  Payment payment(uint64_t id) const {
    return Payment(payment_id(id)).debit(book_.world, 1).credit(a_, 1);
  }
  uint64_t sampled() const { return book_.book.status().payments_sampled; }

  SmallBook book_{options()};
  Account a_ = book_.open("a");
};

TEST_F(PaymentTimes, OneInSoManyOfASessionIsSampled) {
  for (uint64_t id = 1; id < kSampledOneIn; ++id) must(book_.session.pay(payment(id)));
  EXPECT_EQ(sampled(), 0u);
  EXPECT_EQ(book_.book.status().payment_p50, nanoseconds(0));
  const int64_t begun_ns = base::monotonic_ns();
  must(book_.session.pay(payment(kSampledOneIn)));
  const nanoseconds took(base::monotonic_ns() - begun_ns);
  const BookStatus status = book_.book.status();
  EXPECT_EQ(status.payments_sampled, 1u);
  EXPECT_GT(status.payment_p50, nanoseconds(0));
  EXPECT_LE(status.payment_p50, 2 * took) << "right within a factor of two";
  EXPECT_EQ(status.payment_max, status.payment_p50) << "of one there is one";
  Session other = must(book_.book.open_session());
  for (uint64_t id = 1000; id < 1000 + 2 * kSampledOneIn; ++id) must(other.pay(payment(id)));
  EXPECT_EQ(sampled(), 3u) << "each session counts for itself";
}

TEST_F(PaymentTimes, OnlyExecutedPaymentsCount) {
  must(book_.session.pay(payment(1)));
  for (uint64_t i = 0; i < 2 * kSampledOneIn; ++i) must(book_.session.pay(payment(1)));
  EXPECT_EQ(sampled(), 0u) << "an answer that was given before";
  const Payment refused = Payment(payment_id(2)).debit(a_, 500).credit(book_.world, 500);
  for (uint64_t i = 0; i < 2 * kSampledOneIn; ++i) (void)book_.session.pay(refused);
  EXPECT_EQ(sampled(), 0u) << "a refusal";
}

}  // namespace
}  // namespace casbook
