// A cluster on hosts of its own with a payer on each, for tests that do one thing to it after the
// other and look; at the end all books have to be equal, and to hold what was answered.
#pragma once

#include <optional>
#include <vector>

#include "support/cluster_check.h"
#include "support/cluster_daemons.h"

namespace casbook::test_support {

// What the book of a host says of its cluster.
struct HostLook {
  uint64_t is_there, leads, follows, leader, leader_term;
  uint64_t position, durable, elections;
  uint64_t dropped_forged, dropped_foreign, dropped_replayed, dropped_malformed, repair_bytes;
};

class ClusterRun {
 public:
  explicit ClusterRun(const HostsOptions& options);

  Hosts& hosts() { return hosts_; }
  ClusterDaemons& daemons() { return *daemons_; }
  ClusterTruth& truth() { return *truth_; }
  const std::string& book() const { return daemons_->book(); }

  // Daemons and payers on all hosts. False: nobody pays.
  bool begin();
  HostLook look(uint32_t host);
  // That leads, in the latest term of those that do; 0: none.
  uint32_t leader();
  // Another than `former` does. 0: not within `seconds`.
  uint32_t await_leader(uint32_t former = 0, int seconds = 20);
  // Each client is answered a few times more.
  bool await_progress(int seconds = 30);
  void start_payers();  // where there are none
  // In a process of that host; expectations belong to the caller.
  bool on_host(uint32_t host, const std::function<void()>& body) {
    return fork_on(hosts_, host, body).succeeded();
  }
  void lose_memory(uint32_t host);
  // Heals, lets them pay, stops them, and checks all that is promised.
  void end(Promise promise);
  std::string all_events(size_t lines = 40) const;

 private:
  void stop_payers();
  bool await_equal_positions();
  void check(Promise promise);

  Shared<ClusterTruth> truth_;
  Shared<std::array<HostReport, kHostsMax>> reports_;
  Shared<HostLook> look_;
  Hosts hosts_;
  std::optional<ClusterDaemons> daemons_;
  std::vector<std::optional<Child>> payers_;
};

}  // namespace casbook::test_support
