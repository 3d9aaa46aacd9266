// One worker of `apply`: sends its share of the orders to the book.
#pragma once

#include <string>

#include "cli/apply_board.h"
#include "cli/apply_plan.h"

namespace casbook::cli {

struct ApplySetting {
  std::string book, directory;
  const Plan& plan;
  const ApplyBoard& board;
};

// In a process of its own, which attaches for itself. Sends every order of the share that has no
// answer yet, in file order: also those that a killed predecessor sent without noting the answer,
// for which the payment id gets the first answer again. Ends early when the board says stop.
//
// Returns what ended it before its share was done: that it could not attach, or a failure.
Result<void> run_apply_worker(const ApplySetting& setting, uint32_t worker);

}  // namespace casbook::cli
