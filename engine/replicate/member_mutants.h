// Until they are in base/mutants.def, which rebuilds everything.
#pragma once
#include "base/probe.h"
namespace casbook::replicate::mutants {
constexpr auto number(int n) { return static_cast<base::Mutant>(200 + n); }
constexpr auto consensus_change_early = number(0);
constexpr auto consensus_changes_overlap = number(1);
constexpr auto consensus_change_forgotten = number(2);
constexpr auto consensus_standby_votes = number(3);
constexpr auto quorum_counts_standby = number(4);
constexpr auto configuration_not_kept = number(5);
constexpr auto transport_hears_removed = number(6);
}  // namespace casbook::replicate::mutants
