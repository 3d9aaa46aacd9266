// A switch between TAP devices: a process of its own that hands frames from port to port and, as it
// is told while it runs, loses, delays, doubles, reorders, damages and cuts.
//
// A unicast frame goes to the port of its address (mac_of_host), any other to all ports: multicast
// is flooded, so who has joined which group does not matter. Queries and reports pass as all else.
//
// Each direction of each link draws from a sequence of its own, of the seed: its n-th frame meets
// the same fate in every run that sets the same faults at the same frame.
#pragma once

#include <array>
#include <vector>

#include <sys/types.h>

#include "support/hosts/link_faults.h"

namespace casbook::test_support {

using Mac = std::array<uint8_t, 6>;
constexpr Mac mac_of_host(uint32_t host) {
  return {0x02, 0xca, 0x5b, 0, 0, static_cast<uint8_t>(host)};
}

class EtherSwitch {
 public:
  // One TAP for each host, the first for host 1; they are the caller's and may be closed. The
  // process dies with the thread that made it.
  EtherSwitch(const std::vector<int>& taps, uint64_t seed);
  ~EtherSwitch();
  EtherSwitch(const EtherSwitch&) = delete;
  EtherSwitch& operator=(const EtherSwitch&) = delete;

  uint32_t hosts() const { return hosts_; }
  pid_t pid() const { return pid_; }

  // One way. Hosts are numbered from 1.
  void set(uint32_t from, uint32_t to, const LinkFaults& faults);
  void cut_one_way(uint32_t from, uint32_t to);
  // Between all hosts; {} heals everything.
  void set_all(const LinkFaults& faults);
  void cut(uint32_t a, uint32_t b);
  // From all others, both ways.
  void isolate(uint32_t host);
  void heal() { set_all({}); }

  LinkCounts counts(uint32_t from, uint32_t to) const;
  LinkCounts total() const;

 private:
  LinkLines& link(uint32_t from, uint32_t to) const { return lines_->links[from - 1][to - 1]; }

  SwitchLines* lines_;
  uint32_t hosts_;
  pid_t pid_;
};

}  // namespace casbook::test_support
