// Payments of more postings than two.
#pragma once

#include "growth/subject.h"

namespace casbook::growth {

// One debit, and credits of as many accounts as are left, all different, of the first `accounts`.
inline Payment wide_payment(OwnBook& own, Random& random, uint64_t accounts, uint32_t postings,
                            uint64_t series = 0) {
  const std::vector<Account>& all = own.accounts();
  const uint64_t step = accounts / kPaymentPostingsMax;
  uint64_t at = random.below(accounts);
  Payment payment(own.fresh_id(series));
  payment.debit(all[at], postings - 1);
  for (uint32_t i = 1; i < postings; ++i) {
    at += 1 + random.below(step);  // at most so far that it does not come round
    payment.credit(all[at % accounts], 1);
  }
  return payment;
}

}  // namespace casbook::growth
