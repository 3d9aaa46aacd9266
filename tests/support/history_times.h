// Where the calls of a history lie in real time, as positions of the log.
#pragma once

#include "support/history.h"

namespace casbook::test_support {

// Whether the call itself put something into the log, at its position.
bool has_done_it(const HistoryCall& call);

class HistoryTimes {
 public:
  explicit HistoryTimes(const std::vector<HistoryCall>& calls);

  // The log had this when the call began: it had been answered.
  uint64_t before(size_t call) const { return before_[call]; }
  // The log did not have more when the call returned: it was done by calls that began later.
  uint64_t behind(size_t call) const { return behind_[call]; }

 private:
  void find_before(const std::vector<HistoryCall>& calls, const std::vector<size_t>& by_call);
  void find_behind(const std::vector<HistoryCall>& calls, const std::vector<size_t>& by_call);

  std::vector<uint64_t> before_, behind_;
};

}  // namespace casbook::test_support
