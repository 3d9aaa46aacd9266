// The payments that the demo's gateway is asked for: made up, deterministic, and accessible at
// random, so that any of them can be sent again and the whole can be summed up independently.
#pragma once

#include "cli/demo/economy.h"

namespace casbook::cli::demo {

// The code of the payment, by which a bank would reconcile it.
enum class Purpose : uint32_t { card = 1, salary = 2, refund = 3, payout = 4 };

struct Order {
  uint64_t number = 0;
  Purpose purpose{};
  Account debit, credit;
  Amount amount = 0;
};

// Out of 1,000 orders 971 are card payments of 2 to 200 EUR (small ones are more frequent, some
// merchants much more popular than others), 20 are salaries of 1,800 to 3,400 EUR, which is a
// little more than the cards spend, and 9 are refunds.
class Traffic {
 public:
  // The economy must outlive it.
  Traffic(const Economy& economy, uint64_t seed) : economy_(economy), seed_(seed) {}

  // The same order for the same seed and number, on every machine. Cost: about 20 ns.
  Order order(uint64_t number) const;

 private:
  const Economy& economy_;
  uint64_t seed_;
};

// The id is the order's number, so that an order sent twice is one payment.
Payment payment_of(const Order& order);
PaymentId payment_id_of(uint64_t order_number);

}  // namespace casbook::cli::demo
