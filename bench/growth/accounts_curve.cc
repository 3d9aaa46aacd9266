// How a payment grows with the number of accounts.
#include "growth/huge_pages.h"
#include "growth/subject.h"

namespace casbook::growth {
namespace {

constexpr uint64_t kBatch = 256;

// As many payments as asked for, rounded up to whole batches.
double time_batches(OwnBook& own, Random& random, uint64_t count) {
  std::vector<Payment> payments(kBatch, Payment(PaymentId{}));
  std::vector<Result<Receipt>> answers(kBatch, Receipt{});
  const uint64_t batches = (count + kBatch - 1) / kBatch;
  const double ns = time_each(batches, [&] {
    for (Payment& payment : payments) payment = own.payment(random);
    own.session().pay_batch(payments, answers);
    for (const auto& answer : answers)
      expect(static_cast<bool>(answer), "a payment of a batch was refused");
  });
  return ns / kBatch;
}

struct Lines {
  Series *singly, *batch, *load;
};

void measure(const Effort& effort, const Shape& shape, const Lines& lines, Control& control) {
  OwnBook own(bench::own_name(), shape.accounts, options_of(shape));
  touch_book(own.name());
  DependentLoads loads(own, shape, false);
  (void)Book::destroy(own.name(), shape.directory);
  Random random(2);
  const auto x = static_cast<double>(shape.accounts);
  Point singly{.x = x}, batch{.x = x}, load{.x = x};
  std::vector<double> controls;
  time_batches(own, random, effort.operations);  // not counted
  for (uint32_t i = 0; i < effort.repeats; ++i) {
    controls.push_back(control.ns(effort.operations / 4));
    singly.ns.push_back(time_each(effort.operations, [&] { pay_once(own, random); }));
    batch.ns.push_back(time_batches(own, random, effort.operations));
    load.ns.push_back(loads.ns(effort.operations));
  }
  time_singly(effort.operations * 2, singly.latencies, [&] { pay_once(own, random); });
  add_median(singly, "1,024 accounts in the same seconds, ns", controls);
  singly.also.emplace_back("accounts' lines, MiB", static_cast<double>(loads.bytes()) / (1 << 20));
  if (shape.directory != "/dev/shm")
    singly.also.emplace_back("on pages of 2 MiB, share", share_of_huge_pages());
  lines.singly->points.push_back(std::move(singly));
  lines.batch->points.push_back(std::move(batch));
  lines.load->points.push_back(std::move(load));
}

}  // namespace

Curve accounts_curve(const Effort& effort) {
  Curve curve{.name = "accounts",
              .title = "Accounts that payments are drawn from",
              .x = "accounts",
              .y = "ns of processor time",
              .series = {{"a payment"},
                         {"in batches of 256"},
                         {"one dependent load of an account's line"},
                         {"a payment, pages of 2 MiB"},
                         {"in batches, pages of 2 MiB"},
                         {"one dependent load, pages of 2 MiB"}}};
  auto& series = curve.series;
  Control control(effort);
  for (const uint64_t accounts : effort.sizes(
           {1u << 10, 1u << 12, 1u << 14, 1u << 16, 1u << 18, 1u << 20, 1u << 22, 1u << 24},
           1u << 12))
    measure(effort, {.accounts = accounts, .payments = effort.payments},
            {&series[0], &series[1], &series[2]}, control);
  for (const uint64_t accounts : effort.sizes({1u << 10, 1u << 16, 1u << 20, 1u << 24}, 1u << 10))
    if (!huge_page_directory().empty())
      measure(
          effort,
          {.accounts = accounts, .payments = effort.payments, .directory = huge_page_directory()},
          {&series[3], &series[4], &series[5]}, control);
  return curve;
}

}  // namespace casbook::growth
