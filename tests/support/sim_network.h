// The network of a simulated cluster: each directed link loses, doubles, delays, reorders, flips
// bits, or is cut, as it is told to; multicast may be silent where unicast is not. A tap sees what is
// sent, and may take it off the wire for later.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "replicate/network.h"
#include "support/random.h"
#include "support/sim_events.h"

namespace casbook::test {

struct SimLink {
  uint32_t loss_permille = 0, double_permille = 0, flip_permille = 0;
  int64_t delay_ns = 50 * kSimUs, jitter_ns = 50 * kSimUs;
  bool is_cut = false, is_multicast_silent = false;
};

class SimNetwork {
 public:
  struct Counts {
    uint64_t sent = 0, sent_bytes = 0, lost = 0, lost_bytes = 0, flipped = 0;
  };
  // `receive` has what comes out.
  using Receive = std::function<void(uint64_t to, const std::vector<std::byte>& datagram)>;
  SimNetwork(SimEvents& events, uint64_t seed, uint64_t nodes, Receive receive);

  // What `node` sends through. It lives as long as the network.
  replicate::Network& port(uint64_t node) { return *ports_.at(node - 1); }
  SimLink& link(uint64_t from, uint64_t to) { return links_[from * 64 + to]; }
  void set_all(const SimLink& link);
  void heal() { set_all({}); }
  void cut(uint64_t from, uint64_t to) { link(from, to).is_cut = true; }
  uint64_t nodes() const { return ports_.size(); }
  // Sees what is sent, also over links that are cut; true: it has taken it, nothing arrives.
  using Tap = std::function<bool(uint64_t from, uint64_t to, std::span<const std::byte> datagram)>;
  void set_tap(Tap tap) { tap_ = std::move(tap); }
  // What was taken off the wire arrives now, whatever became of the link.
  void put_back(uint64_t to, const std::vector<std::byte>& datagram) { receive_(to, datagram); }
  const Counts& counts() const { return counts_; }

 private:
  class Port;
  using Datagram = std::shared_ptr<const std::vector<std::byte>>;
  void send(uint64_t from, uint64_t to, const Datagram& datagram, bool is_multicast);
  void deliver(uint64_t to, const Datagram& datagram, const SimLink& link);

  SimEvents& events_;
  Random random_;
  Receive receive_;
  Tap tap_;
  std::vector<std::unique_ptr<replicate::Network>> ports_;
  std::map<uint64_t, SimLink> links_;
  Counts counts_;
};

}  // namespace casbook::test
