// What goes wrong in a simulated cluster, when and where: by chance, from the seed. Everything is
// well again at the end.
#pragma once

#include "support/sim_node.h"

namespace casbook::test {

// How often what happens, of all that happens. By the seed each run has a character of its own.
struct SimWeights {
  uint32_t links = 4, partition = 4, one_way = 4, isolated_leader = 3, silent_multicast = 2;
  uint32_t power = 4, power_in_write = 3, kill = 4, stop = 4, clock = 1;
  uint32_t slow_disk = 3, failing_disk = 2, full_disk = 1;
  uint32_t power_of_all = 1;
};

class SimFaults {
 public:
  SimFaults(SimEvents& events, SimNetwork& network, std::vector<std::unique_ptr<SimNode>>& nodes,
            uint64_t seed);

  // From now on, about every `pause_ns`.
  void begin(const SimWeights& weights, int64_t pause_ns);
  // No more, and all that was done is made good.
  void heal();

 private:
  void strike();
  void disturb_links();
  void cut_in_two();
  void cut_one_way();
  void isolate(uint64_t node);
  void silence_multicast();
  void lose_power(SimNode& node);
  void restart_later(SimNode& node, int64_t ns_max);
  void trouble_disk(SimNode& node, int error_number, bool is_lasting);
  SimNode& any() { return *nodes_[random_.below(nodes_.size())]; }
  SimNode& leader_or_any();
  int64_t some(int64_t ns) {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(ns) + 1));
  }
  void later(int64_t ns, std::function<void()> action);

  SimEvents& events_;
  SimNetwork& network_;
  std::vector<std::unique_ptr<SimNode>>& nodes_;
  Random random_;
  SimWeights weights_;
  int64_t pause_ns_ = 0;
  SimLink weather_;  // what links are like when nothing is wrong with them
  bool is_over_ = false;
};

}  // namespace casbook::test
