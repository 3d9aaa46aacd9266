// The random worlds, shared by the exploration itself and by the hunt for mutants.
#pragma once

#include <cstdint>
#include <string>

namespace casbook::test {

// Each builds a world from the seed and runs it. Empty: all is well.
std::string run_payers(uint64_t seed);     // commits and observers
std::string run_wide(uint64_t seed);       // the same, over many cells
std::string run_gate(uint64_t seed);       // with operators that seal and open
std::string run_followers(uint64_t seed);  // with followers, which hold the ring, and readers

using RunWorld = std::string (*)(uint64_t seed);

// Seeds from `first_seed` on, for `seconds` or until one fails; its text names the seed.
struct Exploration {
  uint64_t runs = 0;
  std::string violation;
};
Exploration explore_for(RunWorld run, double seconds, uint64_t first_seed);
// As a test: CASBOOK_SECONDS (default 4) and CASBOOK_SEED (default 1).
void explore(RunWorld run);

}  // namespace casbook::test
