// Damage in records, blocks and followers. Writes nothing.
#pragma once

#include "base/findings.h"
#include "commit/store.h"

namespace casbook::log {

// Every record from the floor to the end is found, and its checksum is right.
void check_records(const commit::Store& store, base::Findings& findings);
// Block states, the blocks that sessions write into, followers.
void check_blocks(const commit::Store& store, base::Findings& findings);
void check_followers(const commit::Store& store, base::Findings& findings);

}  // namespace casbook::log
