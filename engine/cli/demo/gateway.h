// The gateway: submits the payments of customers, and some of them again.
#pragma once

#include "cli/demo/board.h"

namespace casbook::cli::demo {

// Runs in a process of its own until the board says stop or every order is answered. Returns the
// exit status: 0, or 1 after an answer that nobody can expect (said on standard error).
int run_gateway(const Setting& setting);

// The id of a worker's payout: a name of its own for each, so that a payout sent again by the
// worker's successor is one payment.
PaymentId payout_id(uint32_t worker, uint64_t number);

}  // namespace casbook::cli::demo
