// `casbook serve` on each host of a cluster, as processes that a test starts and strikes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/host_process.h"
#include "support/hosts/cluster_config.h"

namespace casbook::test_support {

class ClusterDaemons {
 public:
  // `plan` without a key file: one is made.
  ClusterDaemons(const Hosts& hosts, std::string program, ClusterPlan plan);

  void start(uint32_t host);
  void start_all();
  void kill(uint32_t host);
  // SIGTERM, and how it ended.
  Ended stop(uint32_t host);
  void signal(uint32_t host, int number) const;
  bool is_running(uint32_t host) const;
  // Its folder is empty from here on, and what it had in memory is gone; when it is started again
  // it waits to be added. Nobody else has its book open.
  void lose_disk(uint32_t host);
  const std::string& book() const { return plan_.book; }
  // What all its lives on that host have said.
  std::string events(uint32_t host) const;
  std::string last_events(uint32_t host, size_t lines) const;

 private:
  struct OnHost {
    std::unique_ptr<Started> process;
    std::string former;
  };
  void end(OnHost& daemon);

  const Hosts& hosts_;
  const std::string program_;
  ClusterPlan plan_;
  std::vector<OnHost> daemons_;
};

}  // namespace casbook::test_support
