// --open-accounts: the accounts that the rows name and the book lacks.
#pragma once

#include "cli/apply_plan.h"
#include "cli/limits_text.h"

namespace casbook::cli {

// Opens each in the ledger of the first row that names it, with the limits given; accounts that are
// open stay as they are, whatever their limits. Attaches for itself, and is detached when it
// returns: workers are forked afterwards. Returns how many were opened.
// Errors: those of attaching; bad_argument for limits finer than a ledger; book_full.
Result<uint64_t> open_missing_accounts(const std::string& book, const std::string& directory,
                                       const Plan& plan, const LimitsText& limits);

}  // namespace casbook::cli
