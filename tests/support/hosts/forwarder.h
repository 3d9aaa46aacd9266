// The inner side of the switch: what its process does.
#pragma once

#include <span>
#include <vector>

#include "support/hosts/delayed_frames.h"
#include "support/hosts/link_faults.h"
#include "support/random.h"

namespace casbook::test_support {

class Forwarder {
 public:
  Forwarder(std::vector<int> taps, SwitchLines& lines, uint64_t seed);
  [[noreturn]] void run();

 private:
  void take_frames(uint32_t from);
  void forward(uint32_t from, std::span<std::byte> frame);
  void pass(uint32_t from, uint32_t to, std::span<const std::byte> frame);
  std::span<const std::byte> damaged(std::span<const std::byte> frame, test::Random& random);
  void send(std::span<const std::byte> frame, uint32_t to);
  void wait_for_frames();
  uint32_t ports() const { return static_cast<uint32_t>(taps_.size()); }

  std::vector<int> taps_;
  SwitchLines& lines_;
  std::vector<test::Random> random_;  // by direction of a link
  DelayedFrames delayed_;
  std::vector<std::byte> arrived_, damaged_;
  uint32_t readable_ = 0;  // a bit for each port
};

}  // namespace casbook::test_support
