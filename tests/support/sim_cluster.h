// One run of the simulator: a cluster, those who pay, what goes wrong, and what is found in the
// end. One number decides everything.
#pragma once

#include "support/sim_faults.h"
#include "support/sim_payers.h"

namespace casbook::test {

struct SimOptions {
  uint64_t seed = 1;
  bool is_traced = false;
  bool is_rough = false;  // longer, and more goes wrong at once
  bool must_change = false;  // its members; otherwise by chance
  SimBug bug = SimBug::none;
};

struct SimReport {
  std::string violation;  // empty: none
  uint64_t seed = 0, trace_hash = 0, events = 0;
  uint64_t nodes = 0, payments = 0, answers = 0, terms = 0, excused = 0, slept = 0, undone = 0;
  uint64_t changes = 0, members = 0;  // asked for and made; at the end
  uint64_t confirmed = 0, guarded = 0, replayed = 0, lost_bytes = 0, repair_bytes = 0;
  uint64_t copies = 0;  // of journals, that took the place of others
  uint64_t rotations = 0, loaded_in_copies = 0;  // of keys, in every third seed
  int64_t virtual_ns = 0, progress_ns = 0;
};

SimReport simulate(const SimOptions& options);

std::string describe(const SimReport& report);

}  // namespace casbook::test
