#include "log/snapshot.h"

#include <algorithm>
#include <unordered_map>

namespace casbook::log {

namespace {

// What is scanned: position in the list <-> unit.
struct Scan {
  uint64_t count;
  std::function<Unit(uint64_t)> unit_at;
  FindUnit find;
};

struct Scanned {
  Snapshot snapshot;
  uint64_t end = 0;  // S1: one past the last record contained
};

Error overrun_error() { return {Code::overrun, false, 0, 0, {}}; }

Result<Position> position_before(const commit::Store& store, uint64_t lsn) {
  if (lsn <= commit::kFirstLsn) return Position{0};
  Record record;
  const Fetch result = fetch(store, lsn - 1, record);
  if (result == Fetch::damaged) return Code::damaged;
  if (result != Fetch::got) return Code::overrun;
  return record.position;
}

// Applies `apply` to each change of [from, to), in the order given by `step` (+1 or -1).
template <class Apply>
Result<void> for_each_record(const commit::Store& store, uint64_t from, uint64_t to, int step,
                             Apply apply) {
  Record record;
  for (uint64_t n = 0; n < to - from; ++n) {
    const uint64_t lsn = step > 0 ? from + n : to - 1 - n;
    const Fetch result = fetch(store, lsn, record);
    if (result == Fetch::damaged) return Code::damaged;
    if (result != Fetch::got) return overrun_error();
    apply(record);
  }
  return {};
}

Result<Scanned> scan_and_redo(const commit::Store& store, const Scan& scan, uint32_t words) {
  Scanned result;
  std::vector<uint64_t> versions(scan.count);
  result.snapshot.values.resize(scan.count * words);
  const uint64_t start = log_end(store);
  commit::CellImage image;
  for (uint64_t i = 0; i < scan.count; ++i) {
    commit::peek_cell(store, scan.unit_at(i), words, image);
    versions[i] = image.version;
    std::copy_n(image.value, words, &result.snapshot.values[i * words]);
    if (i == scan.count / 2) base::fault_point(base::FaultPoint::audit_scanning);
  }
  result.end = log_end(store);
  const auto redone = for_each_record(store, start, result.end, +1, [&](const Record& record) {
    for (uint32_t c = 0; c < record.change_count; ++c) {
      const Change& change = record.changes[c];
      if (!change.writes() || change.word() >= words) continue;
      const int64_t at = scan.find(change.unit());
      if (at >= 0 && record.position.value > versions[at])
        result.snapshot.values[at * words + change.word()] = change.new_value;
    }
  });
  if (!redone) return redone.error();
  auto position = position_before(store, result.end);
  if (!position) return position.error();
  result.snapshot.position = *position;
  return result;
}

Scan scan_of(std::span<const Unit> units, const std::unordered_map<Unit, int64_t>& where) {
  return {units.size(), [units](uint64_t i) { return units[i]; },
          [&where](Unit unit) {
            const auto found = where.find(unit);
            return found == where.end() ? -1 : found->second;
          }};
}

Scan scan_of(UnitRange range) {
  return {range.count, [range](uint64_t i) { return range.first + i * range.step; },
          [range](Unit unit) -> int64_t {
            if (unit < range.first || (unit - range.first) % range.step != 0) return -1;
            const uint64_t at = (unit - range.first) / range.step;
            return at < range.count ? static_cast<int64_t>(at) : -1;
          }};
}

Result<Snapshot> undo_to(const commit::Store& store, const Scan& scan, uint32_t words,
                         Position position, Scanned scanned) {
  if (position > scanned.snapshot.position)
    return Error{Code::bad_argument, false, 0, 0, "position: it lies after the end of the log"};
  const uint64_t from = position.lsn() + 1;
  if (from < log_floor(store)) return overrun_error();
  auto exact = position_before(store, from);
  if (exact && *exact != position) return Code::undone;
  auto& values = scanned.snapshot.values;
  const auto undone = for_each_record(store, from, scanned.end, -1, [&](const Record& record) {
    for (uint32_t c = 0; c < record.change_count; ++c) {
      const Change& change = record.changes[c];
      if (!change.writes() || change.word() >= words) continue;
      const int64_t at = scan.find(change.unit());
      if (at >= 0) values[at * words + change.word()] = change.old_value;
    }
  });
  if (!undone) return undone.error();
  scanned.snapshot.position = position;
  return std::move(scanned.snapshot);
}

std::unordered_map<Unit, int64_t> index_units(std::span<const Unit> units) {
  std::unordered_map<Unit, int64_t> where;
  for (uint64_t i = 0; i < units.size(); ++i) where[units[i]] = static_cast<int64_t>(i);
  return where;
}

Result<Snapshot> now(const commit::Store& store, const Scan& scan, uint32_t words) {
  auto scanned = scan_and_redo(store, scan, words);
  if (!scanned) return scanned.error();
  return std::move(scanned->snapshot);
}

Result<Snapshot> at(const commit::Store& store, const Scan& scan, uint32_t words,
                    Position position) {
  auto scanned = scan_and_redo(store, scan, words);
  if (!scanned) return scanned.error();
  return undo_to(store, scan, words, position, std::move(*scanned));
}

}  // namespace

Result<Snapshot> take_snapshot(const commit::Store& store, std::span<const Unit> units,
                               uint32_t words) {
  const auto where = index_units(units);
  return now(store, scan_of(units, where), words);
}

Result<Snapshot> take_snapshot(const commit::Store& store, UnitRange range, uint32_t words) {
  return now(store, scan_of(range), words);
}

Result<Snapshot> take_snapshot_at(const commit::Store& store, std::span<const Unit> units,
                                  uint32_t words, Position position) {
  const auto where = index_units(units);
  return at(store, scan_of(units, where), words, position);
}

Result<Snapshot> take_snapshot_at(const commit::Store& store, UnitRange range, uint32_t words,
                                  Position position) {
  return at(store, scan_of(range), words, position);
}

}  // namespace casbook::log
