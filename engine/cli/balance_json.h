// A balance as it is printed: account, ledger, available, held, position, all of them strings.
#pragma once

#include "cli/names.h"
#include "cli/output.h"

namespace casbook::cli {

Json balance_json(const Names::Known& account, const Balance& balance);
extern const std::vector<Column> kBalanceColumns;

}  // namespace casbook::cli
