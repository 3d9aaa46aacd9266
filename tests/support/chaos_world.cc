#include "support/chaos_world.h"

#include <cstdio>

#include "base/clock.h"
#include "support/child_process.h"
#include "support/random.h"

namespace casbook::test_support::chaos {

const char* problem_name(Problem problem) {
  constexpr const char* kNames[] = {"log",    "old_value",   "money",         "refusal", "twice",
                                    "answer", "stale_guard", "missing_guard", "lease",   "balance",
                                    "reader", "defect",      "stall"};
  static_assert(std::size(kNames) == kProblems);
  return kNames[static_cast<size_t>(problem)];
}

void Board::report(Problem problem, const std::string& what) {
  constexpr uint64_t kSaid = 5;
  base::AtomicU64& count = problems[static_cast<size_t>(problem)];
  count.add_relaxed(1);
  if (count.load_relaxed() <= kSaid)
    std::fprintf(stderr, "chaos: %s: %s\n", problem_name(problem), what.c_str());
}

namespace {

constexpr uint64_t kNumberBits = 40;

// Half of the ids carry their time, as a UUIDv7.
PaymentId id_of(uint64_t worker, uint64_t number, bool is_dated, int64_t time_ms) {
  const uint64_t sender = worker << kNumberBits | number;
  if (!is_dated) return {ExternalId::of_number(sender)};
  return {ExternalId::of_uuid(static_cast<uint64_t>(time_ms) << 16 | 0x7000,
                              uint64_t{2} << 62 | sender)};
}

}  // namespace

Sender sender_of(const PaymentId& id) {
  // Both kinds keep their low half first.
  const uint64_t sender = id.value.words()[0] & ((uint64_t{1} << 62) - 1);
  return {sender >> kNumberBits, sender & ((uint64_t{1} << kNumberBits) - 1)};
}

std::string lease_name(uint32_t lease) { return "till " + std::to_string(lease); }

Plan plan_payment(uint64_t seed, uint64_t worker, uint64_t number, int64_t id_time_ms) {
  test::Random random(seed ^ worker << 56 ^ number << 8);
  Plan plan;
  plan.id = id_of(worker, number, random.one_in(2), id_time_ms);
  plan.is_guarded = random.one_in(3);
  plan.lease = static_cast<uint32_t>(random.below(kLeases));
  constexpr uint32_t kWide[] = {kSlow, kPaymentPostingsMax};
  plan.postings = random.one_in(5) ? kWide[random.below(2)] : 2;
  const Amount amount = static_cast<Amount>(random.below(60)) + 1;
  const auto first = static_cast<uint32_t>(random.below(kAccounts));
  const auto step = static_cast<uint32_t>(random.below(3)) + 1;
  plan.parts[0] = {first, Side::debit, amount * (plan.postings - 1)};
  for (uint32_t i = 1; i < plan.postings; ++i)
    plan.parts[i] = {(first + i * step) % kAccounts, Side::credit, amount};
  return plan;
}

void run_clock_fast(int64_t start_ns) {
  base::injected_clock.wall_offset_ms = (kTimeFactor - 1) * (monotonic_ns() - start_ns) / 1'000'000;
}

}  // namespace casbook::test_support::chaos
