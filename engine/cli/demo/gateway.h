// The gateway: submits the payments of customers, and some of them again.
#pragma once

#include "cli/demo/board.h"

namespace casbook::cli::demo {

// The orders last at least so long, at which pace the gateway waits: the accidents need their time.
constexpr int64_t kOrdersLastNs = 7'000'000'000;

// Runs in a process of its own until the board says stop or every order is answered. Returns the
// exit status: 0, or 1 after an answer that nobody can expect (said on standard error).
int run_gateway(const Setting& setting);

}  // namespace casbook::cli::demo
