// A cluster on hosts of its own with a payer on each, for tests that do something to it while
// payments go on, and look; at the end all books have to be equal, and to hold what was answered.
#pragma once

#include <optional>
#include <vector>

#include "support/cluster_check.h"
#include "support/cluster_daemons.h"
#include "support/cluster_payer.h"

namespace casbook::test_support {

// What the book of a host says of its cluster.
struct HostLook {
  uint64_t is_there, leads, follows, leader, leader_term;
  uint64_t position, durable, elections, datagram_bytes;
  uint64_t dropped_forged, dropped_foreign, dropped_replayed, dropped_malformed, dropped_newer;
  uint64_t refused_disks, repair_bytes;
};

class ClusterRun {
 public:
  // Makes the hosts, and begins nothing.
  explicit ClusterRun(const HostsOptions& options);

  Hosts& hosts() { return hosts_; }
  const Hosts& hosts() const { return hosts_; }
  uint32_t count() const { return hosts_.count(); }
  // Each host has a key file of its own.
  void make_daemons(ClusterPlan plan);
  ClusterDaemons& daemons() { return *daemons_; }
  std::string key_file(uint32_t host) const { return hosts_.disk(host) + "/cluster.key"; }
  ClusterTruth& truth() { return *truth_; }
  const ClusterTruth& truth() const { return *truth_; }
  const std::string& book() const { return daemons_->book(); }

  // Daemons and payers on all hosts. False: nobody pays.
  bool begin();
  HostLook look(uint32_t host);
  // That leads, in the latest term of those that do; 0: none.
  uint32_t leader();
  // Another than `former` does. 0: not within `seconds`.
  uint32_t await_leader(uint32_t former = 0, int seconds = 30);
  // Each client has had so many payments more, at its level.
  bool await_progress(uint64_t payments = 5, int seconds = 30) {
    return test_support::await_progress(*truth_, payments, seconds);
  }
  // That host's book has everything that any host's book has now.
  bool await_caught_up(uint32_t host, int seconds = 30);
  void start_payers();  // where there are none
  void stop_payers();
  std::optional<Child>& payer(uint32_t host) { return payers_[host - 1]; }
  // In a process of that host; expectations belong to the caller.
  bool on_host(uint32_t host, const std::function<void()>& body) {
    return fork_on(hosts_, host, body).succeeded();
  }
  void lose_memory(uint32_t host);
  // Heals, lets them pay, stops them, and checks all that is promised.
  void end(Promise promise);
  // While nobody pays: all has reached all hosts; the books are equal, hold what was answered, each
  // payment once.
  void expect_sound(Promise promise);
  std::string all_events(size_t lines = 40) const;

 private:
  bool await_equal_positions();
  void check(Promise promise);
  std::string positions();

  Shared<ClusterTruth> truth_;
  Shared<std::array<HostReport, kHostsMax>> reports_;
  Shared<HostLook> look_;
  Hosts hosts_;
  std::optional<ClusterDaemons> daemons_;
  std::vector<std::optional<Child>> payers_;
};

// For tests of one fault: elections take so long that a busy machine begins none by itself.
ClusterPlan patient_plan();

}  // namespace casbook::test_support
