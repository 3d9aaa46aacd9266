// Hosts on this machine: each a network namespace and a mount namespace with a /dev/shm and a
// folder on the disk of its own, joined by a switch that fails as it is told, or by the kernel's
// bridge.
//
//   host 1   10.77.0.1/24   eth0 ---+
//   host 2   10.77.0.2/24   eth0 ---+--- switch (TAP devices) or bridge (veth pairs)
//   host 3   10.77.0.3/24   eth0 ---+
//
// Nothing is named in the system: a namespace lives as long as the test or a process in it, a
// process in it dies with the thread that forked it, and so all is gone when the test ends, however
// it does. Process ids and the file system beside /dev/shm are those of the test.
//
// Make the hosts before what is not to be inherited by forks: threads, and books that are attached.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/hosts/ether_switch.h"

namespace casbook::test_support {

enum class Wire { faulty_switch, bridge };

struct HostsOptions {
  uint32_t count = 3;  // up to kHostsMax
  uint32_t mtu = 1500;
  Wire wire = Wire::faulty_switch;
  uint64_t seed = 1;          // of the switch
  std::string folder{};       // an existing one, for the folders of the hosts; empty: of /tmp
  std::string memory = "4g";  // of each /dev/shm, at most; pages come when they are touched
};

class Hosts {
 public:
  explicit Hosts(const HostsOptions& options = {});
  ~Hosts();
  Hosts(const Hosts&) = delete;
  Hosts& operator=(const Hosts&) = delete;

  // False where this process may not do it (root is needed) or the kernel cannot; a test skips
  // itself.
  bool are_there() const { return why_not_.empty(); }
  const std::string& why_not() const { return why_not_; }

  uint32_t count() const { return options_.count; }
  static std::string address(uint32_t host) { return "10.77.0." + std::to_string(host); }
  // Seen from everywhere under this name.
  const std::string& disk(uint32_t host) const { return hosts_[host - 1].disk; }

  // The calling process, a fork that has one thread, becomes one of that host, in its folder; it
  // ends with 126 where that fails. Open descriptors and mappings stay with it.
  void enter(uint32_t host) const;
  // The calling thread, and those that it starts, have the network of that host and nothing else.
  void enter_network(uint32_t host) const;
  // What a loss of power does to memory: /dev/shm is empty. End the host's processes first: what
  // they have mapped lives on unseen.
  bool lose_memory(uint32_t host) const;

  // Precondition: the wire is a switch.
  EtherSwitch& wire() { return *switch_; }
  LinkCounts wire_counts() const { return switch_->total(); }

 private:
  struct Host {
    std::string disk;
    int network = -1, mounts = -1;
  };

  std::string make();
  std::string make_bridge();
  std::string make_host(uint32_t host, int& tap);

  HostsOptions options_;
  std::string why_not_, folder_;
  bool owns_folder_ = false;
  int bridge_network_ = -1;
  std::vector<Host> hosts_;
  std::unique_ptr<EtherSwitch> switch_;
};

}  // namespace casbook::test_support
