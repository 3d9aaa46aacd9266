// --min-available and --max-available: decimal text, read by the scale of a ledger.
#pragma once

#include <string>

#include <casbook/account.h>

namespace casbook::cli {

struct LimitsText {
  std::string min_available, max_available;  // empty: no limit
};

// bad_argument, naming the option: more decimals than the ledger has, more than 63 bits.
Result<AccountLimits> parse_limits(const LimitsText& text, uint32_t scale);

}  // namespace casbook::cli
