// The log of a book as the witness of a history.
#pragma once

#include <map>
#include <vector>

#include <casbook/log.h>

#include "support/history.h"

namespace casbook::test_support {

class HistoryWitness {
 public:
  // In the order of the log, from the first record on.
  void take(const LogRecord& record);
  // Until the reader's end. Errors: those of LogReader and LogFollower::next().
  template <class Reader>
  Result<void> take_all(Reader& reader) {
    for (;;) {
      auto next = reader.next();
      if (!next) return next.error();
      if (!*next) return {};
      take(**next);
    }
  }
  const std::vector<WitnessRecord>& log() const { return log_; }

 private:
  uint32_t lease_at(uint64_t place) const;

  std::vector<WitnessRecord> log_;
  std::map<uint64_t, uint32_t> leases_;  // whose grant was the last at that place
};

}  // namespace casbook::test_support
