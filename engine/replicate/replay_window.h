// Which datagrams of a run were taken already: the last kBits by number, each once.
#pragma once

#include <array>
#include <cstdint>

namespace casbook::replicate {

class ReplayWindow {
 public:
  // How far a datagram may come behind a later one; at 100,000 a second, 40 ms.
  static constexpr uint64_t kBits = 4096;

  // Everything up to `seq` counts as taken.
  void begin_behind(uint64_t seq) {
    bits_.fill(~uint64_t{0});
    highest_ = seq;
  }
  bool was_taken(uint64_t seq) const {
    if (seq > highest_) return false;
    return highest_ - seq >= kBits || (word(seq) >> seq % 64 & 1) != 0;
  }
  void take(uint64_t seq) {
    if (seq > highest_) advance(seq);
    word(seq) |= uint64_t{1} << seq % 64;
  }

 private:
  static constexpr uint64_t kWords = kBits / 64;

  void advance(uint64_t seq) {
    if (seq - highest_ >= kBits) bits_.fill(0), highest_ = seq;
    while (highest_ != seq) {
      ++highest_;
      word(highest_) &= ~(uint64_t{1} << highest_ % 64);
    }
  }
  uint64_t& word(uint64_t seq) { return bits_[seq / 64 % kWords]; }
  const uint64_t& word(uint64_t seq) const { return bits_[seq / 64 % kWords]; }

  std::array<uint64_t, kWords> bits_{};
  uint64_t highest_ = 0;
};

}  // namespace casbook::replicate
