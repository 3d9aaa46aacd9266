// Does the book hold what its users were answered, once each? Two independent ways: every id is
// looked up, and every balance is summed up from the answers alone.
#pragma once

#include <string>

#include "cli/demo/board.h"

namespace casbook::cli::demo {

struct Reconciliation {
  uint64_t acknowledged = 0;  // payments answered with a receipt
  uint64_t refused = 0;       // answered with a recorded refusal
  uint64_t unanswered = 0;  // cut off by a kill, not sent again: the book says what became of them
  uint64_t stale = 0;       // refused under a stale lease
  uint64_t wrong_lookups = 0, wrong_balances = 0, stale_in_book = 0;
  std::string first_problem;
};

// Precondition: nobody writes to the book or the journals any more.
Reconciliation reconcile(const Setting& setting, const Book& book);

}  // namespace casbook::cli::demo
