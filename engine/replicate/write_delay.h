// When the disk gets entries that are in memory: at once where somebody waits for it, a little
// later and together where nobody does. A write and a sync of their own cost each small entry many
// times what its way to the other nodes costs, and `quorum` waits for no disk.
#pragma once

#include <algorithm>
#include <cstdint>

#include "replicate/entry.h"

namespace casbook::replicate {

struct WriteDelayLimits {
  int64_t delay_ns = 1'000'000;      // of the oldest; 0: each at once
  uint64_t bytes_max = 32ull << 10;  // so many are worth a write
};

class WriteDelay {
 public:
  explicit WriteDelay(const WriteDelayLimits& limits) : limits_(limits) {}

  // Is in memory now. A barrier or a change is waited for by the cluster itself.
  void added(const LogEntry& entry, int64_t now_ns) {
    if (bytes_ == 0) since_ns_ = now_ns;
    first_ = bytes_ == 0 ? entry.index : std::min(first_, entry.index);
    bytes_ += std::max<uint64_t>(entry.body.size(), 1);
    is_due_ |= entry.type != journal::EntryType::records || entry.index <= asked_ ||
               bytes_ >= limits_.bytes_max;
  }
  // Somebody waits for the disk with entries up to there, which may not be here yet.
  void ask_up_to(uint64_t index) {
    asked_ = std::max(asked_, index);
    is_due_ |= bytes_ != 0 && first_ <= index;
  }
  // Of entries up to there nobody is to hear before the disk has them.
  void disk_alone_up_to(uint64_t index) { alone_ = std::max(alone_, index); }
  bool is_for_disk_alone(uint64_t index) const { return index <= alone_; }
  // The disk has been given all.
  void written() { bytes_ = 0, is_due_ = false; }

  // Once it is, it stays so until all is written, however long the disk has no room.
  bool is_due(int64_t now_ns) { return is_due_ = bytes_ != 0 && (is_due_ || now_ns >= due()); }
  // Somebody waits for the disk with some of it.
  bool is_awaited() const { return bytes_ != 0 && first_ <= asked_; }
  // When to ask again; never: nothing waits, or it was found due and waits for the disk alone.
  int64_t deadline_ns() const { return bytes_ == 0 || is_due_ ? INT64_MAX : due(); }

 private:
  int64_t due() const { return since_ns_ + limits_.delay_ns; }

  const WriteDelayLimits limits_;
  uint64_t bytes_ = 0;  // not given to the disk; 0: there are none
  uint64_t first_ = 0;  // index of the first of them
  uint64_t asked_ = 0, alone_ = 0;
  int64_t since_ns_ = 0;
  bool is_due_ = false;
};

}  // namespace casbook::replicate
