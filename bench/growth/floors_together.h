// What processes do at the same time where there is no casbook: as bench_contention has it.
#pragma once

#include "growth/together.h"

namespace casbook::growth {

// Two CAS, a record, an id into a lock-free set. Not atomic, and a kill loses money.
inline Team::Prepare plain_payers(uint64_t accounts, uint64_t payments) {
  const auto plain = std::make_shared<bench::TwoCasRecordIds>(accounts, payments);
  return [=](uint32_t process) -> Team::Operation {
    plain->touch_pages();
    return [=, log = std::make_shared<bench::RecordLog>(), random = Random(process + 1),
            id = base::Pair{process, 0}]() mutable {
      ++id.hi;
      return plain->transfer(id, random.two_below(accounts), 1, *log);
    };
  };
}

// Two robust mutexes: who is stopped inside stops everybody who needs one of them.
inline Team::Prepare locked_payers(uint64_t accounts) {
  const auto locked = std::make_shared<bench::RobustPair>(accounts);
  return [=](uint32_t process) -> Team::Operation {
    locked->touch_pages();
    return [=, random = Random(process + 1)]() mutable {
      locked->transfer(random.two_below(accounts), 1);
      return true;
    };
  };
}

}  // namespace casbook::growth
