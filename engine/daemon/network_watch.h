// What changes about the network of a node, told once each time: who hears no multicast of it, and
// how large a datagram may be. What changes back within a second is not told.
#pragma once

#include "replicate/transport.h"

namespace casbook::daemon {

class NetworkWatch {
 public:
  static constexpr int64_t kSpacingNs = 1'000'000'000;

  void look(const replicate::Transport& transport, int64_t now_ns);

 private:
  void tell_deaf(const std::vector<uint64_t>& deaf);
  void tell_size(uint32_t bytes);

  std::vector<uint64_t> deaf_told_;
  uint32_t bytes_told_ = 0;
  int64_t next_ns_ = 0;
};

}  // namespace casbook::daemon
