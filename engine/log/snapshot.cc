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
  std::function<void(Unit)> prefetch;  // what `find` looks at
  uint64_t ahead = 0;                  // cells to be on their way from memory at the same time
};

// What a record wrote to a cell that is scanned.
struct Write {
  Unit unit;
  uint32_t word;
  uint64_t old_value, new_value;
  int64_t at = -1;  // in the list
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

// Some writes together, so that their lines come from memory at the same time: one after the other
// would be slower than two that pay.
class WriteBatch {
 public:
  WriteBatch(const Scan& scan, uint32_t words) : scan_(scan), words_(words) {
    writes_.reserve(kTogether + kEntriesMax);
  }

  // Each in its turn, some of them later: the rest by end().
  template <class Touch, class Apply>
  void add(const Record& record, const Touch& touch, const Apply& apply) {
    for (uint32_t c = 0; c < record.change_count; ++c) {
      const Change& change = record.changes[c];
      if (!change.writes() || change.word() >= words_) continue;
      writes_.push_back({change.unit(), change.word(), change.old_value, change.new_value});
    }
    if (writes_.size() >= kTogether) end(touch, apply);
  }
  template <class Touch, class Apply>
  void end(const Touch& touch, const Apply& apply) {
    for (const Write& write : writes_) scan_.prefetch(write.unit);
    for (Write& write : writes_)
      if (write.at = scan_.find(write.unit); write.at >= 0) touch(write.at);
    for (const Write& write : writes_)
      if (write.at >= 0) apply(write);
    writes_.clear();
  }

 private:
  static constexpr size_t kTogether = 32;

  const Scan& scan_;
  const uint32_t words_;
  std::vector<Write> writes_;
};

// Applies `apply` to each write of [from, to), in the order given by `step` (+1 or -1). Ahead of it
// `touch` is told the place in the list.
template <class Touch, class Apply>
Result<void> for_each_write(const commit::Store& store, const Scan& scan, uint32_t words,
                            uint64_t from, uint64_t to, int step, Touch touch, Apply apply) {
  if (from == to) return {};
  WriteBatch batch(scan, words);
  Record record;
  for (uint64_t n = 0; n < to - from; ++n) {
    const uint64_t lsn = step > 0 ? from + n : to - 1 - n;
    const Fetch result = fetch(store, lsn, record);
    if (result == Fetch::damaged) return Code::damaged;
    if (result != Fetch::got) return overrun_error();
    batch.add(record, touch, apply);
  }
  batch.end(touch, apply);
  return {};
}

// One pass over the cells. Records that were added meanwhile are redone as it goes on, so that a
// scan may take longer than the ring holds records: only a redo that is slower than the writers is
// overrun.
class ScanAndRedo {
 public:
  ScanAndRedo(const commit::Store& store, const Scan& scan, uint32_t words)
      : store_(store), scan_(scan), words_(words) {
    scanned_.snapshot.values.resize(scan.count * words);
    redone_ = log_end(store);  // once the memory is there: to get it may take a lap of the ring
  }

  Result<Scanned> run() {
    for (uint64_t i = 0; i < scan_.count; ++i) {
      if (scan_.ahead != 0 && i + scan_.ahead < scan_.count)
        base::prefetch(&store_.cell(scan_.unit_at(i + scan_.ahead)));
      copy(i);
      copied_ = static_cast<int64_t>(i + 1);
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
    std::copy_n(image_.value, words_, &scanned_.snapshot.values[i * words_]);
  }

  // What is not copied yet is left out: its copy comes later and has all of it, since every LSN
  // below `end` was claimed before. What a copy has already is written again: whatever wrote it
  // last comes last here too.
  Result<void> redo_to(uint64_t end) {
    auto& values = scanned_.snapshot.values;
    const auto touch = [&](int64_t at) { base::prefetch_for_write(&values[at * words_]); };
    const auto redo = [&](const Write& write) {
      if (write.at < copied_) values[write.at * words_ + write.word] = write.new_value;
    };
    const uint64_t from = std::exchange(redone_, end);
    return for_each_write(store_, scan_, words_, from, end, +1, touch, redo);
  }

  const commit::Store& store_;
  const Scan& scan_;
  const uint32_t words_;
  int64_t copied_ = 0;   // cells
  uint64_t redone_ = 0;  // records below are in what was copied
  Scanned scanned_;
  commit::CellImage image_;
};

// They come in any order, so the processor does not fetch ahead; what fits a cache needs no asking.
Scan scan_of(const UnitList& list) {
  constexpr uint64_t kCached = 4096, kAhead = 16;
  const uint64_t count = list.units().size();
  return {count, [&list](uint64_t i) { return list.units()[i]; },
          [&list](Unit unit) { return list.find(unit); },
          [&list](Unit unit) { list.prefetch(unit); }, count > kCached ? kAhead : 0};
}

Scan scan_of(UnitRange range) {
  return {range.count, [range](uint64_t i) { return range.first + i * range.step; },
          [range](Unit unit) -> int64_t {
            if (unit < range.first || (unit - range.first) % range.step != 0) return -1;
            const uint64_t at = (unit - range.first) / range.step;
            return at < range.count ? static_cast<int64_t>(at) : -1;
          },
          [](Unit) {}};
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
  const auto undone = for_each_write(
      store, scan, words, from, scanned.end, -1,
      [&](int64_t at) { base::prefetch_for_write(&values[at * words]); },
      [&](const Write& write) { values[write.at * words + write.word] = write.old_value; });
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
