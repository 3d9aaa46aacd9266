// Damage in cells, descriptors and the log ring: what no crash and no race explains. Writes nothing.
#pragma once

#include "base/findings.h"
#include "commit/store.h"

namespace casbook::commit {

// Word counts as formatted; I1: a free cell's state is its greatest word version; no version beyond
// the end of the log; a lock names a session that there is.
void check_cells(const Store& store, base::Findings& findings);
// Counts, units, words and modes in bounds, statuses possible.
void check_descriptors(const Store& store, base::Findings& findings);
// I3 and I8: slots contiguous from the floor to the end, their content possible; floor <= keep.
void check_log(const Store& store, base::Findings& findings);

}  // namespace casbook::commit
