// A cluster on hosts of its own with a payer on each, for tests of what operators do to it while
// payments go on; and what is to hold after.
#pragma once

#include <array>
#include <optional>

#include "support/cluster_check.h"
#include "support/cluster_daemons.h"

namespace casbook::test_support {

// What a host's book says of its cluster.
struct HostView {
  uint64_t leader, term, position, durable, datagram_bytes, dropped_forged, dropped_newer;
  bool is_there, follows, leads;
};

class ClusterLoad {
 public:
  // Makes the hosts, and begins nothing.
  explicit ClusterLoad(uint32_t hosts, uint64_t seed = 1);

  Hosts& hosts() { return hosts_; }
  uint32_t count() const { return hosts_.count(); }
  // With a key file of each host's own.
  void make_daemons(ClusterPlan plan = {});
  ClusterDaemons& daemons() { return *daemons_; }
  std::string key_file(uint32_t host) const { return hosts_.disk(host) + "/cluster.key"; }
  ClusterTruth& truth() { return *truth_; }

  void start_payers();
  void stop_payers();
  // Each client has had so many payments more, at its level.
  bool await_progress(uint64_t payments = 5, int seconds = 30);

  HostView look(uint32_t host) const;
  // Who leads by the word of a majority; 0: nobody.
  uint32_t leader() const;
  bool await_leader(int seconds = 30) const;
  // That host's book has everything that any host's book has now.
  bool await_caught_up(uint32_t host, int seconds = 30) const;

  // All has reached all hosts; the books are equal, hold what was answered, each payment once.
  // `quorum` is to hold, too: no daemon was killed.
  void expect_sound();
  std::string events() const;

 private:
  bool await_equal_positions();

  Shared<ClusterTruth> truth_;
  Shared<std::array<HostReport, kHostsMax>> reports_;
  Shared<std::array<HostView, kHostsMax>> views_;
  Hosts hosts_;
  std::optional<ClusterDaemons> daemons_;
  std::vector<std::optional<Child>> payers_;
};

// The longest time without a payment that reached its level. Looks from a process of its own.
class GapWatch {
 public:
  explicit GapWatch(const ClusterTruth& truth);
  double longest_ms() const { return static_cast<double>(longest_ns_->load()) / 1e6; }
  void begin_anew() { *longest_ns_ = 0; }

 private:
  Shared<std::atomic<int64_t>> longest_ns_;
  Child watcher_;
};

}  // namespace casbook::test_support
