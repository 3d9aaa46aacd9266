// Many cells at one position, while writers run, writing nothing.
//
// A fuzzy scan and redo: copy every cell, each consistent in itself, between two looks at the end
// of the log, S0 and S1; then apply the records of [S0, S1), in their order. Whatever a copy held of
// them already is written again by them, so the result is exactly the state after the record before
// S1. Nobody is delayed. Redo begins during the
// scan, so a scan may take longer than the ring holds records; under a storm that overruns the redo
// the answer is `overrun`.
//
// The past: the same, and then undo the records from S1 back to the position asked for, by their
// old values.
#pragma once

#include <functional>
#include <vector>

#include "commit/read.h"
#include "log/log_reader.h"
#include "log/unit_list.h"

namespace casbook::log {

// `words` words of each unit, unit after unit. Errors: overrun, damaged.
struct Snapshot {
  Position position;             // the last commit that it contains; 0 = none yet
  std::vector<uint64_t> values;  // words per unit
};

// Where a unit stands in the list of a scan, or -1: how redo finds what it has to change.
using FindUnit = std::function<int64_t(Unit unit)>;

// A run of equal cells: `count` units, `step` apart.
struct UnitRange {
  Unit first = 0;
  uint64_t count = 0, step = 1;
};

Result<Snapshot> take_snapshot(const commit::Store& store, const UnitList& units, uint32_t words);
Result<Snapshot> take_snapshot(const commit::Store& store, UnitRange range, uint32_t words);

// As of an earlier position that the ring still holds. Errors: overrun; undone: no such position in
// this book; bad_argument: it lies in the future.
Result<Snapshot> take_snapshot_at(const commit::Store& store, const UnitList& units, uint32_t words,
                                  Position position);
Result<Snapshot> take_snapshot_at(const commit::Store& store, UnitRange range, uint32_t words,
                                  Position position);

}  // namespace casbook::log
