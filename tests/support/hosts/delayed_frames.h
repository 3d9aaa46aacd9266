// Frames that are held back until they are due. All room is had at the start; used by one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace casbook::test_support {

class DelayedFrames {
 public:
  DelayedFrames(uint32_t frames_max, uint32_t frame_bytes_max)
      : frame_bytes_max_(frame_bytes_max),
        slots_(new std::byte[size_t{frames_max} * frame_bytes_max]) {  // pages come when touched
    heap_.reserve(frames_max);
    for (uint32_t slot = frames_max; slot > 0; --slot) free_.push_back(slot - 1);
  }

  // False: no room.
  bool hold(std::span<const std::byte> frame, uint32_t port, int64_t due_ns) {
    if (free_.empty() || frame.size() > frame_bytes_max_) return false;
    const uint32_t slot = free_.back();
    free_.pop_back();
    std::memcpy(bytes_of(slot), frame.data(), frame.size());
    heap_.push_back({due_ns, ++held_, slot, static_cast<uint32_t>(frame.size()), port});
    std::push_heap(heap_.begin(), heap_.end(), is_after);
    return true;
  }
  int64_t next_due_ns() const {
    return heap_.empty() ? std::numeric_limits<int64_t>::max() : heap_.front().due_ns;
  }
  // send(frame, port) of each that is due, in the order in which they are.
  template <class Send>
  void release(int64_t now_ns, Send&& send) {
    while (next_due_ns() <= now_ns) {
      std::pop_heap(heap_.begin(), heap_.end(), is_after);
      const Held& held = heap_.back();
      send(std::span<const std::byte>(bytes_of(held.slot), held.bytes), held.port);
      free_.push_back(held.slot);
      heap_.pop_back();
    }
  }

 private:
  struct Held {
    int64_t due_ns;
    uint64_t number;  // those that are due together leave as they came
    uint32_t slot, bytes, port;
  };
  static bool is_after(const Held& a, const Held& b) {
    return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.number > b.number;
  }
  std::byte* bytes_of(uint32_t slot) const { return &slots_[size_t{slot} * frame_bytes_max_]; }

  uint32_t frame_bytes_max_;
  std::unique_ptr<std::byte[]> slots_;
  std::vector<uint32_t> free_;
  std::vector<Held> heap_;
  uint64_t held_ = 0;
};

}  // namespace casbook::test_support
