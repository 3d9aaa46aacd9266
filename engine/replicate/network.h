// Datagrams between nodes, as the transport sees them: lossy, duplicating, reordering.
//
// Two kinds implement it: udp_network.h is real sockets; the simulator has virtual ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace casbook::replicate {

class Network {
 public:
  virtual ~Network() = default;
  // To every other node at once, where there is multicast. May be dropped, never blocks.
  virtual void multicast(std::span<const std::byte> datagram) = 0;
  // Where a node is, from now on. One that nobody set is not there: what is for it is dropped.
  virtual void set_peer(uint64_t /*node*/, std::string_view /*address*/) {}
  virtual void remove_peer(uint64_t /*node*/) {}
  virtual void unicast(uint64_t node, std::span<const std::byte> datagram) = 0;
  // What was handed over since the last call leaves now, in as few system calls as possible.
  virtual void flush() = 0;
  // Bytes of a datagram that may pass without fragments, as configured.
  virtual uint32_t datagram_bytes() const = 0;
  // The smallest datagram that this host itself refused to send since the last call, for its
  // interface carries less; 0: none.
  virtual uint32_t take_refused_bytes() { return 0; }
};

}  // namespace casbook::replicate
