// Whoever changes the key of a simulated cluster, as the README of the project says: a second key
// on all hosts, the second first, the first away; then again. Each host has a key file of its own
// and its daemon reads that when it is told to, each host at another time, some of them in the
// middle of a copy. The next step waits until all that are up have loaded this one; who is down
// will read its file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/sim_node.h"

namespace casbook::test {

class SimKeys {
 public:
  // Writes the first key to all files: that of node `id` is `directory`/id.key.
  SimKeys(SimEvents& events, std::string directory, uint64_t nodes, uint64_t seed);
  std::string file(uint64_t id) const { return directory_ + "/" + std::to_string(id) + ".key"; }

  void begin(std::vector<std::unique_ptr<SimNode>>& nodes);
  // No further step.
  void end() { is_over_ = true; }
  struct Counts {
    uint64_t rotations = 0, loaded_in_copies = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  enum class Step { append, swap, drop };
  enum class Host { waits, has_file, is_told };
  void begin_step();
  void look();
  bool has_loaded(uint64_t id) const;
  void write(uint64_t id) const;
  replicate::ClusterKey random_key();
  SimNode& node(uint64_t id) const { return *(*nodes_)[id - 1]; }
  int64_t some(int64_t ns) {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(ns) + 1));
  }

  SimEvents& events_;
  const std::string directory_;
  Random random_;
  std::vector<std::unique_ptr<SimNode>>* nodes_ = nullptr;
  std::vector<replicate::ClusterKey> keys_;  // of the step that is under way
  Step next_ = Step::append;
  struct Place {
    Host host = Host::waits;
    int64_t file_at_ns = 0, told_at_ns = 0;
  };
  std::vector<Place> places_;  // by id - 1
  Counts counts_;
  bool is_over_ = false;
};

}  // namespace casbook::test
