// Calls of many processes, written down in memory that they share: a call before it is made, its
// answer when it is there. What was written stays when its writer is killed; a call without an
// answer is one whose outcome is unknown.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <vector>

#include "support/child_process.h"
#include "support/history.h"

namespace casbook::test_support {

// In a Shared<HistoryBoard>.
class HistoryBoard {
 public:
  static constexpr uint64_t kCallsMax = 1 << 17;

  // Where it is written; kCallsMax: the board is full, and the call is not to be made.
  // Crash: a slot that was taken and is not marked belongs to a call that was never made.
  uint64_t begin(HistoryCall call) {
    const uint64_t slot = next_++;
    if (slot >= kCallsMax) return kCallsMax;
    call.end = CallEnd::unknown;
    call.called_ns = monotonic_ns();
    std::memcpy(slots_[slot].call, &call, sizeof call);
    slots_[slot].stage = kCalled;
    return slot;
  }
  // What was asked, and its answer. Crash: before the mark it has none.
  void end(uint64_t slot, HistoryCall call) {
    call.returned_ns = monotonic_ns();
    call.called_ns = read(slots_[slot].call).called_ns;
    std::memcpy(slots_[slot].answer, &call, sizeof call);
    slots_[slot].stage = kAnswered;
  }

  bool is_full() const { return next_ >= kCallsMax; }
  // From `first` on, in the order in which they were begun. Those that write are over, or the last
  // ones may be without their answers.
  std::vector<HistoryCall> calls(uint64_t first = 0) const {
    std::vector<HistoryCall> list;
    for (uint64_t slot = first; slot < std::min(next_.load(), kCallsMax); ++slot) {
      const uint32_t stage = slots_[slot].stage;
      if (stage == kFree) continue;
      list.push_back(read(stage == kAnswered ? slots_[slot].answer : slots_[slot].call));
    }
    return list;
  }
  uint64_t count() const { return std::min(next_.load(), kCallsMax); }

 private:
  enum Stage : uint32_t { kFree, kCalled, kAnswered };
  struct Slot {
    std::atomic<uint32_t> stage;
    std::byte call[sizeof(HistoryCall)], answer[sizeof(HistoryCall)];
  };
  static HistoryCall read(const std::byte* bytes) {
    HistoryCall call;
    std::memcpy(&call, bytes, sizeof call);
    return call;
  }

  std::atomic<uint64_t> next_;
  std::array<Slot, kCallsMax> slots_;
};

}  // namespace casbook::test_support
