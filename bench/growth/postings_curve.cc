// How a payment grows with its postings.
#include "growth/subject.h"

namespace casbook::growth {
namespace {

// One debit, and credits of as many accounts as are left, all different.
Payment payment_of(OwnBook& own, Random& random, uint32_t postings) {
  const std::vector<Account>& accounts = own.accounts();
  const uint64_t step = accounts.size() / kPaymentPostingsMax;
  uint64_t at = random.below(accounts.size());
  Payment payment(own.fresh_id());
  payment.debit(accounts[at], postings - 1);
  for (uint32_t i = 1; i < postings; ++i) {
    at += 1 + random.below(step);  // at most so far that it does not come round
    payment.credit(accounts[at % accounts.size()], 1);
  }
  return payment;
}

// All sizes take turns on one book.
void measure(const Effort& effort, uint64_t accounts, Series& series) {
  const auto own = make_book({.accounts = accounts, .payments = effort.payments});
  Random random(4);
  const auto pay = [&](uint32_t postings) {
    return [&, postings] {
      expect(static_cast<bool>(own->session().pay(payment_of(*own, random, postings))),
             "a payment was refused");
    };
  };
  for (uint32_t postings = 2; postings <= kPaymentPostingsMax; ++postings)
    series.points.push_back({.x = static_cast<double>(postings)});
  for (uint32_t i = 0; i < effort.repeats; ++i)
    for (Point& point : series.points)
      point.ns.push_back(time_each(effort.operations, pay(static_cast<uint32_t>(point.x))));
  for (Point& point : series.points)
    time_singly(effort.operations, point.latencies, pay(static_cast<uint32_t>(point.x)));
}

}  // namespace

Curve postings_curve(const Effort& effort) {
  Curve curve{.name = "postings",
              .title = "Postings of a payment",
              .x = "postings",
              .y = "ns of processor time",
              .series = {{"1,024 accounts"}, {"1 M accounts"}}};
  measure(effort, 1024, curve.series[0]);
  measure(effort, effort.is_tiny ? 4096 : 1u << 20, curve.series[1]);
  return curve;
}

}  // namespace casbook::growth
