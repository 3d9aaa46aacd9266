// Settlement: pays out to merchants what their cards have brought in.
//
// The merchants are shared out over desks; who works a desk holds its lease and guards each payout
// with the token. A worker keeps a desk for a fifth of a second and renews the lease meanwhile.
//
// A worker may be killed or stopped anywhere. A payout is noted in the worker's journal before it
// is sent; the worker's successor sends the last one again under the same id, and learns whether it
// had been paid. One that was stopped past its lease finds its payouts refused, and lets the desk
// go.
#pragma once

#include <string>

#include "cli/demo/board.h"

namespace casbook::cli::demo {

constexpr int64_t kLeaseTtlMs = 250;

std::string desk_name(uint64_t desk);
// A name of its own for each payout of a worker and its successors.
PaymentId payout_id(uint32_t worker, uint64_t number);
// As noted in the journal: from pending to the merchant, less the fee.
Payment payout_payment(const Setting& setting, uint32_t worker, uint64_t number);
Amount payout_fee(Amount amount);

// Runs in a process of its own until the board says stop. Returns the exit status: 0, or 1 after an
// answer that nobody can expect (said on standard error).
int run_worker(const Setting& setting, uint32_t worker);

}  // namespace casbook::cli::demo
