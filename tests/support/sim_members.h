// An operator of a simulated cluster, who changes its members while everything else goes wrong:
// adds nodes that were none, or were some once; removes others, the leader too; promotes, and hands
// the lead over. In the end one more change has to be possible.
#pragma once

#include "support/sim_node.h"

namespace casbook::test {

class SimMembers {
 public:
  SimMembers(SimEvents& events, std::vector<std::unique_ptr<SimNode>>& nodes, uint64_t seed);

  // From now on, about every `pause_ns`.
  void begin(int64_t pause_ns);
  // No more.
  void end() { is_over_ = true; }
  // Tries one more at whoever leads, again until one is made; then true.
  bool can_change();

  // Of the last configuration that is known to be committed, as the leader has it; where nobody
  // leads, as it was last.
  bool is_member(uint64_t node);
  uint64_t count() { return members().servers.size(); }
  uint64_t made() const { return made_; }
  const std::string& last_error() const { return last_error_; }

 private:
  void act();
  void ask(SimNode& leader, const replicate::MemberRequest& request);
  void take_answers();
  replicate::MemberRequest choose(const replicate::Configuration& all);
  SimNode* leader();
  const replicate::Configuration& members();

  SimEvents& events_;
  std::vector<std::unique_ptr<SimNode>>& nodes_;
  Random random_;
  int64_t pause_ns_ = 0;
  bool is_over_ = false;
  uint64_t made_ = 0, asked_of_ = 0, asked_life_ = 0;
  std::optional<uint64_t> ticket_;
  std::string last_error_ = "nobody leads";
  replicate::Configuration members_;
};

}  // namespace casbook::test
