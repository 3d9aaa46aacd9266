// How a payment grows with its postings.
#include "growth/wide_payment.h"

namespace casbook::growth {
namespace {

// All sizes take turns on one book.
void measure(const Effort& effort, uint64_t accounts, Series& series) {
  const auto own = make_book({.accounts = accounts, .payments = effort.payments});
  Random random(4);
  const auto pay = [&](uint32_t postings) {
    return [&, postings] {
      expect(static_cast<bool>(own->session().pay(wide_payment(*own, random, accounts, postings))),
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
