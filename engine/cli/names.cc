#include "cli/names.h"

namespace casbook::cli {

const Names::Known& Names::of(Account account) {
  const auto [place, is_new] = known_.try_emplace(account.index);
  if (!is_new) return place->second;
  if (auto info = book_.account_info(account))
    place->second = {info->id.value.text(), info->ledger, info->scale};
  else
    place->second = {"#" + std::to_string(account.index), "-", 0};
  return place->second;
}

std::string Names::amount(Account account, Amount amount) {
  return format_amount(amount, of(account).scale);
}

}  // namespace casbook::cli
