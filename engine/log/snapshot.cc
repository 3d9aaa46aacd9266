#include "log/snapshot.h"

#include <algorithm>
#include <utility>

namespace casbook::log {

namespace {

// What is scanned: position in the list <-> unit.
struct Scan {
  uint64_t count;
  std::function<Unit(uint64_t)> unit_at;
  FindUnit find;
  uint64_t ahead = 0;  // cells to be on their way from memory at the same time
};

struct Scanned {
  Snapshot snapshot;
  uint64_t end = 0;  // S1: one past the last record contained
};

Error overrun_error() { return {Code::overrun, false, 0, 0, {}}; }

Result<Position> position_before(const commit::Store& store, uint64_t lsn) {
  if (lsn <= commit::kFirstLsn) return Position{0};
  return position_of(store, lsn - 1);
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

// One pass over the cells. Records that were added meanwhile are redone as it goes on, so that a
// scan may take longer than the ring holds records: only a redo that is slower than the writers is
// overrun.
class ScanAndRedo {
 public:
  ScanAndRedo(const commit::Store& store, const Scan& scan, uint32_t words)
      : store_(store), scan_(scan), words_(words), versions_(scan.count), redone_(log_end(store)) {
    scanned_.snapshot.values.resize(scan.count * words);
  }

  Result<Scanned> run() {
    for (uint64_t i = 0; i < scan_.count; ++i) {
      if (scan_.ahead != 0 && i + scan_.ahead < scan_.count)
        base::prefetch(&store_.cell(scan_.unit_at(i + scan_.ahead)));
      copy(i);
      if (i == scan_.count / 2) base::fault_point(base::FaultPoint::audit_scanning);
      if (i % kLookEach != kLookEach - 1) continue;
      const uint64_t end = log_end(store_);
      if (end - redone_ < store_.mapping().geometry().records / kRingShare) continue;
      if (auto redone = redo_to(end); !redone) return redone.error();
    }
    scanned_.end = log_end(store_);
    if (auto redone = redo_to(scanned_.end); !redone) return redone.error();
    auto position = position_before(store_, scanned_.end);
    if (!position) return position.error();
    scanned_.snapshot.position = *position;
    return std::move(scanned_);
  }

 private:
  static constexpr uint64_t kLookEach = 256;  // cells between two looks at the log
  static constexpr uint64_t kRingShare = 8;   // of the ring that may fill before it is redone

  void copy(uint64_t i) {
    commit::peek_cell(store_, scan_.unit_at(i), words_, image_);
    versions_[i] = image_.version;
    std::copy_n(image_.value, words_, &scanned_.snapshot.values[i * words_]);
  }

  // A cell that is not copied yet may be written here: its copy comes later and has all of it,
  // since every LSN below `end` was claimed before.
  Result<void> redo_to(uint64_t end) {
    const uint64_t from = std::exchange(redone_, end);
    return for_each_record(store_, from, end, +1, [&](const Record& record) {
      for (uint32_t c = 0; c < record.change_count; ++c) {
        const Change& change = record.changes[c];
        if (!change.writes() || change.word() >= words_) continue;
        const int64_t at = scan_.find(change.unit());
        if (at >= 0 && record.position.value > versions_[at])
          scanned_.snapshot.values[at * words_ + change.word()] = change.new_value;
      }
    });
  }

  const commit::Store& store_;
  const Scan& scan_;
  const uint32_t words_;
  std::vector<uint64_t> versions_;
  uint64_t redone_;  // records below are in what was copied
  Scanned scanned_;
  commit::CellImage image_;
};

// They come in any order, so the processor does not fetch ahead; what fits a cache needs no asking.
Scan scan_of(const UnitList& list) {
  constexpr uint64_t kCached = 4096, kAhead = 16;
  const uint64_t count = list.units().size();
  return {count, [&list](uint64_t i) { return list.units()[i]; },
          [&list](Unit unit) { return list.find(unit); }, count > kCached ? kAhead : 0};
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

Result<Snapshot> now(const commit::Store& store, const Scan& scan, uint32_t words) {
  auto scanned = ScanAndRedo(store, scan, words).run();
  if (!scanned) return scanned.error();
  return std::move(scanned->snapshot);
}

Result<Snapshot> at(const commit::Store& store, const Scan& scan, uint32_t words,
                    Position position) {
  auto scanned = ScanAndRedo(store, scan, words).run();
  if (!scanned) return scanned.error();
  return undo_to(store, scan, words, position, std::move(*scanned));
}

}  // namespace

Result<Snapshot> take_snapshot(const commit::Store& store, const UnitList& units, uint32_t words) {
  return now(store, scan_of(units), words);
}

Result<Snapshot> take_snapshot(const commit::Store& store, UnitRange range, uint32_t words) {
  return now(store, scan_of(range), words);
}

Result<Snapshot> take_snapshot_at(const commit::Store& store, const UnitList& units, uint32_t words,
                                  Position position) {
  return at(store, scan_of(units), words, position);
}

Result<Snapshot> take_snapshot_at(const commit::Store& store, UnitRange range, uint32_t words,
                                  Position position) {
  return at(store, scan_of(range), words, position);
}

}  // namespace casbook::log
