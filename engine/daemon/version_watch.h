// Nodes that speak another version than this program: told once each, so that an operator knows
// which to upgrade. Only addresses of nodes are told of: anybody can send such a datagram.
#pragma once

#include <map>
#include <string>

#include "replicate/udp_network.h"

namespace casbook::daemon {

class VersionWatch {
 public:
  // The same version of the same node again only after that time; another one as soon as the first.
  static constexpr int64_t kAgainNs = 3'600'000'000'000, kNextNs = 10'000'000'000;

  // Of each datagram that came. A node of a newer version is told as an error, for it is this one
  // that stays behind; of an older one as a warning.
  void look(std::span<const std::byte> datagram, const replicate::UdpNetwork& network,
            const sockaddr_in& from, int64_t now_ns);

 private:
  struct Seen {
    uint8_t version = 0;
    int64_t told_ns = 0;
  };
  std::map<uint64_t, Seen> seen_;  // by node
};

}  // namespace casbook::daemon
