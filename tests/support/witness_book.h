// What the log of a history comes to: balances and holders of leases by position.
#pragma once

#include <map>

#include "support/history.h"

namespace casbook::test_support {

class WitnessBook {
 public:
  // In the order of the log.
  void take(const WitnessRecord& record);

  int64_t balance_at(uint32_t account, uint64_t position) const;
  // Of the account's last change up to there; 0: none.
  uint64_t changed_at(uint32_t account, uint64_t position) const;
  // Before the record at `position`; 0: nobody holds it.
  uint64_t token_before(uint32_t lease, uint64_t position) const;
  // Of the lease, as of what was taken last.
  uint32_t entries(uint32_t lease) const {
    const auto found = entries_.find(lease);
    return found == entries_.end() ? 0 : found->second;
  }
  // Whether at some moment of [from, to] the holder was one of whom `is_wanted(token)` is true.
  template <class Wanted>
  bool was_holder(uint32_t lease, uint64_t from, uint64_t to, Wanted&& is_wanted) const {
    if (is_wanted(token_before(lease, from + 1))) return true;
    const auto found = tokens_.find(lease);
    if (found == tokens_.end()) return false;
    for (auto at = found->second.upper_bound(from); at != found->second.end(); ++at) {
      if (at->first > to) return false;
      if (is_wanted(at->second)) return true;
    }
    return false;
  }

 private:
  using ByPosition = std::map<uint64_t, int64_t>;
  void move(uint32_t account, uint64_t position, int64_t amount);

  std::map<uint32_t, ByPosition> balances_;                  // after the record there
  std::map<uint32_t, std::map<uint64_t, uint64_t>> tokens_;  // of leases, likewise
  std::map<uint32_t, uint32_t> entries_;
};

}  // namespace casbook::test_support
