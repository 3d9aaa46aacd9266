// A simulated cluster for runs by plan: nothing goes wrong but what the test does.
#pragma once

#include <functional>
#include <set>

#include "support/scratch_directory.h"
#include "support/sim_payers.h"

namespace casbook::test {

struct SimSceneOptions {
  uint64_t nodes = 3;
  uint64_t spares = 0;  // nodes that are no members
  uint64_t seed = 1;
  SimLink link{};
  uint64_t entry_bytes_max = 1;  // an entry for each record
  bool is_compacting = false;
};

class SimScene {
 public:
  // Comes back when the first payments have their answers; those are all that are paid by
  // themselves.
  explicit SimScene(const SimSceneOptions& options);

  const std::string& violation() const { return truth_.violation(); }

 protected:
  SimNode& node(uint64_t id) { return *nodes_[id - 1]; }
  uint64_t count() const { return nodes_.size(); }
  SimNode* leader();
  static uint64_t last_index(const SimNode& node);

  // False: it did not come to be so.
  bool run_until(const std::function<bool()>& condition, int64_t seconds);
  void run_for(int64_t ns);

  // Nothing passes between these and the others.
  void cut_off(const std::set<uint64_t>& side);
  void mend() { network_.set_all(link_); }

  // On that host, so long for each burst; whatever becomes of it.
  void pay(SimNode& node, int bursts, uint64_t burst_size, int64_t pause_ns = kSimMs);

  SimEvents events_{false};
  SimTruth truth_;
  test_support::ScratchDirectory directory_;
  const SimLink link_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  SimNetwork network_;
  std::unique_ptr<SimPayers> payers_;

 private:
  uint64_t paid_ = 500'000;
};

}  // namespace casbook::test
