// Hunting for a bug that a child process has switched on: the directed schedules and the random
// ones, until one of them notices.
#pragma once

#include <functional>
#include <string>

namespace casbook::test {

// The directed schedules of commit and gate; those and the followers'; the long ones of the copies.
// Only the first keep their expectations in weak memory: the others count on news that travels at
// once, which no rule promises (a payer may learn late that a follower has let go).
std::string run_core_scenarios();
std::string run_scenarios();
std::string run_long_scenarios();

// In a child of its own: a bug may end in an assert of the engine, or never. What it says, or how
// it ended when it was struck down; empty: nothing was noticed.
std::string hunt_in_child(unsigned seconds_max, const std::function<std::string()>& hunt);

}  // namespace casbook::test
