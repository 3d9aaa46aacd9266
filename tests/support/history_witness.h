// The log of a book as the witness of a history.
#pragma once

#include <map>
#include <vector>

#include <casbook/log.h>

#include "support/history.h"

namespace casbook::test_support {

// A record by itself, wherever in the log it was read: whose lease lies at a place is told by the
// grant before it.
struct LoneRecord {
  static constexpr uint64_t kNowhere = UINT64_MAX;

  WitnessRecord record;
  uint64_t place = kNowhere;  // of its lease
  bool operator==(const LoneRecord&) const = default;
};
LoneRecord lone_record(const LogRecord& record);

class HistoryWitness {
 public:
  // In the order of the log, from the first record on.
  void take(const LoneRecord& lone);
  // Until the reader's end. Errors: those of LogReader and LogFollower::next().
  template <class Reader>
  Result<void> take_all(Reader& reader) {
    for (;;) {
      auto next = reader.next();
      if (!next) return next.error();
      if (!*next) return {};
      take(lone_record(**next));
    }
  }
  const std::vector<WitnessRecord>& log() const { return log_; }

 private:
  std::vector<WitnessRecord> log_;
  std::map<uint64_t, uint32_t> leases_;  // whose grant was the last at that place
};

}  // namespace casbook::test_support
