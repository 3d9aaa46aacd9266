// Records, taken apart without being copied: their words go straight into cells.
#pragma once

#include <span>
#include <vector>

#include "journal/rebuilt_cells.h"
#include "log/record.h"

namespace casbook::journal {

// A run of encoded records, one behind the other, and what it should hold.
struct RecordRun {
  std::span<const uint64_t> words;
  uint64_t first_lsn = 0, count = 0;
  uint64_t term = 0;      // of all of them; 0: any
  uint64_t from_lsn = 0;  // those before it are checked only
};

struct RunResult {
  const char* fault = nullptr;  // null: all is well
  uint64_t lsn = 0;             // where the fault is
  uint64_t applied = 0;
  uint64_t newest_ms = 0;
  uint64_t last_position = 0;
  std::vector<Position> terms;  // of OPEN marks; nearly always empty
};

// `cells` null: the records are checked against `map` and stored nowhere. After a fault some of
// them are stored.
RunResult replay_run(const RecordRun& run, const CellMap& map, const RebuiltCells* cells);

// The changes of one record whose checksum fits. Null, or what is wrong with it.
const char* replay_record(const uint64_t* words, const CellMap& map, const RebuiltCells* cells);

}  // namespace casbook::journal
