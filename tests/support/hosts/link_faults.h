// What befalls frames on their way from one host to another, and what did.
#pragma once

#include <atomic>
#include <cstdint>

namespace casbook::test_support {

constexpr uint32_t kHostsMax = 8;

// Of one direction of a link. Probabilities are of each frame by itself.
struct LinkFaults {
  double lose = 0, duplicate = 0, reorder = 0;
  // One bit of a UDP payload flips, under a checksum that passes (a frame of anything else is left
  // alone: its kernel would drop it, which is `lose`).
  double corrupt = 0;
  int64_t delay_us = 0;
  int64_t jitter_us = 0;       // up to so much more, drawn for each frame: so they overtake
  int64_t reorder_us = 1'000;  // a reordered frame is held back for so long
  bool is_cut = false;
  uint32_t frame_bytes_max = 0;  // larger ones are lost without a word; 0: none
};

// Frames, and bytes of those that went on. A duplicate is passed twice.
struct LinkCounts {
  uint64_t passed = 0, bytes = 0, lost = 0, cut = 0, duplicated = 0, reordered = 0, corrupted = 0;
  uint64_t overflows = 0;  // no room to hold it back
  uint64_t too_large = 0;
};

// Both, shared by the switch and those who set it. Each field takes effect by itself, from some
// next frame on: nothing is ordered by them, so all accesses are relaxed.
class LinkLines {
 public:
  enum Chance { kLose, kDuplicate, kReorder, kCorrupt, kChances };
  enum Time { kDelay, kJitter, kHoldBack, kTimes };
  enum Count {
    kPassed,
    kBytes,
    kLost,
    kCut,
    kDuplicated,
    kReordered,
    kCorrupted,
    kOverflows,
    kTooLarge,
    kCounts
  };

  void set(const LinkFaults& faults) {
    const double chances[] = {faults.lose, faults.duplicate, faults.reorder, faults.corrupt};
    for (int i = 0; i < kChances; ++i) store(chances_[i], fixed_point(chances[i]));
    const int64_t times[] = {faults.delay_us, faults.jitter_us, faults.reorder_us};
    for (int i = 0; i < kTimes; ++i) store(times_us_[i], static_cast<uint64_t>(times[i]));
    store(is_cut_, faults.is_cut ? 1 : 0);
    store(frame_bytes_max_, faults.frame_bytes_max);
  }
  void set_cut(bool is_cut) { store(is_cut_, is_cut ? 1 : 0); }
  LinkCounts counts() const {
    return {.passed = load(counts_[kPassed]),
            .bytes = load(counts_[kBytes]),
            .lost = load(counts_[kLost]),
            .cut = load(counts_[kCut]),
            .duplicated = load(counts_[kDuplicated]),
            .reordered = load(counts_[kReordered]),
            .corrupted = load(counts_[kCorrupted]),
            .overflows = load(counts_[kOverflows]),
            .too_large = load(counts_[kTooLarge])};
  }

  // Of the switch, which alone counts. A chance is a share of 2^32.
  uint64_t chance(Chance which) const { return load(chances_[which]); }
  int64_t time_ns(Time which) const { return static_cast<int64_t>(load(times_us_[which])) * 1000; }
  bool is_cut() const { return load(is_cut_) != 0; }
  bool is_too_large(uint64_t bytes) const {
    const uint64_t bytes_max = load(frame_bytes_max_);
    return bytes_max != 0 && bytes > bytes_max;
  }
  void count(Count which, uint64_t more = 1) { store(counts_[which], load(counts_[which]) + more); }

 private:
  using Word = std::atomic<uint64_t>;
  static uint64_t load(const Word& word) { return word.load(std::memory_order_relaxed); }
  static void store(Word& word, uint64_t value) { word.store(value, std::memory_order_relaxed); }
  static uint64_t fixed_point(double chance) { return static_cast<uint64_t>(chance * 0x1p32); }

  alignas(64) Word chances_[kChances];
  Word times_us_[kTimes], is_cut_, frame_bytes_max_;
  alignas(64) Word counts_[kCounts];
};

struct SwitchLines {
  LinkLines links[kHostsMax][kHostsMax];  // from, to
};

}  // namespace casbook::test_support
