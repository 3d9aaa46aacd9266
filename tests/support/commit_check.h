// The checker: whether a history of commits, reads, snapshots and fetches is one that the protocol
// allows. Linear in the history, since the log itself is the witness.
#pragma once

#include <string>

#include "support/commit_history.h"

namespace casbook::test {

// Empty: all is well. Else the first rule that is broken. To be called when no process runs any
// more and all was swept (commit_world.h): the cells have to be what the log says.
//
//   log         dense; epochs never fall; no record behind the SEAL of its epoch
//   chain       each record's versions and old values are those of the record before; bounds and
//               guards hold; money is conserved
//   attempts    in the log at most once; committed: there, under the position answered, claimed
//               while the call ran; anything else: not there; refused: with reason
//   reads       equal the state of a moment within the call
//   snapshots   equal the state at their position
//   fetches     equal the claim; `end` and `overrun` only where that was so
//   at the end  cells free and equal to the replay
std::string check_history(const CommitHistory& history);

}  // namespace casbook::test
