#include "support/hunt.h"

#include "support/scenario.h"

namespace casbook::test {

namespace {

std::string run_all(std::span<const Scenario> scenarios) {
  for (const Scenario& scenario : scenarios) {
    const std::string violation = scenario.run();
    // A scenario that did not come to its place has seen nothing.
    if (!violation.empty() && !violation.starts_with("setup"))
      return std::string(scenario.name) + ": " + violation;
  }
  return "";
}

}  // namespace

std::string run_core_scenarios() {
  const std::string violation = run_all(commit_scenarios());
  return violation.empty() ? run_all(gate_scenarios()) : violation;
}

std::string run_scenarios() {
  const std::string violation = run_core_scenarios();
  return violation.empty() ? run_all(follower_scenarios()) : violation;
}

std::string run_long_scenarios() { return run_all(log_scenarios()); }

}  // namespace casbook::test
