// The payment stream that every design gets. Bout n has a pair of accounts of its own and up to
// kPaymentsMax payments, all from the one to the other, with amounts that are different powers of
// four: from what an account has lost or gained one reads how often each payment was executed.
#pragma once

#include "torture/diary.h"

namespace casbook::torture {

constexpr int64_t amount_of(uint32_t index) { return int64_t{1} << 2 * index; }

// Of each account. Enough for all payments of a bout but the two largest; of those for one only.
constexpr uint32_t kLarger = kPaymentsMax - 1, kLarge = kPaymentsMax - 2;
constexpr int64_t kFunds = amount_of(kLarger) + amount_of(kLarge) - amount_of(kLarge - 1);

using Transfers = std::array<peers::Transfer, kPaymentsMax>;

// `spends`: its first two payments are those that cannot both be paid.
inline Transfers transfers_of(uint32_t bout, bool spends) {
  Transfers transfers;
  for (uint32_t i = 0; i < kPaymentsMax; ++i) {
    const bool is_swapped = spends && (i < 2 || i >= kLarge);
    // Payers are now the one, now the other: locks are taken in the order of the numbers.
    const uint32_t odd = bout % 2;
    transfers[i] = {.id = uint64_t{bout} * kPaymentsMax + i + 1,
                    .from = 2 * bout + odd,
                    .to = 2 * bout + 1 - odd,
                    .amount = amount_of(is_swapped ? kLarger - i : i)};
  }
  return transfers;
}

}  // namespace casbook::torture
