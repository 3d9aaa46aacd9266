#include "support/witness_book.h"

#include <iterator>

namespace casbook::test_support {

void WitnessBook::take(const WitnessRecord& record) {
  switch (record.kind) {
    case WitnessRecord::Kind::pay:
      move(record.account, record.position, record.amount);
      if (record.from != kNobody) move(record.from, record.position, -record.amount);
      return;
    case WitnessRecord::Kind::acquire:
      tokens_[record.lease][record.position] = record.position;
      entries_[record.lease] = 1;
      return;
    case WitnessRecord::Kind::release:
      tokens_[record.lease][record.position] = 0;
      entries_[record.lease] = 0;
      return;
    case WitnessRecord::Kind::reenter:
    case WitnessRecord::Kind::leave:
      entries_[record.lease] = record.count;
      return;
    case WitnessRecord::Kind::renew:
    case WitnessRecord::Kind::deny:
    case WitnessRecord::Kind::other:
      return;
  }
}

void WitnessBook::move(uint32_t account, uint64_t position, int64_t amount) {
  ByPosition& balances = balances_[account];
  const int64_t before = balances.empty() ? 0 : balances.rbegin()->second;
  balances.insert_or_assign(position, before + amount);
}

int64_t WitnessBook::balance_at(uint32_t account, uint64_t position) const {
  const auto found = balances_.find(account);
  if (found == balances_.end()) return 0;
  const auto behind = found->second.upper_bound(position);
  return behind == found->second.begin() ? 0 : std::prev(behind)->second;
}

uint64_t WitnessBook::changed_at(uint32_t account, uint64_t position) const {
  const auto found = balances_.find(account);
  if (found == balances_.end()) return 0;
  const auto behind = found->second.upper_bound(position);
  return behind == found->second.begin() ? 0 : std::prev(behind)->first;
}

uint64_t WitnessBook::token_before(uint32_t lease, uint64_t position) const {
  const auto found = tokens_.find(lease);
  if (found == tokens_.end()) return 0;
  const auto there = found->second.lower_bound(position);
  return there == found->second.begin() ? 0 : std::prev(there)->second;
}

}  // namespace casbook::test_support
