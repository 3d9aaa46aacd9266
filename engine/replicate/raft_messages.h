// Messages as libraft has them, and back. libraft's version of each travels along (D7).
#pragma once

#include "replicate/message.h"
#include "replicate/raft_shim.h"

namespace casbook::replicate {

// Without the entries of AppendEntries. Not for Received, which libraft does not know.
RaftShimMessage to_raft(uint64_t from, const Message& message);
// Not for InstallSnapshot.
Outgoing from_raft(const RaftShimMessage& message);

uint64_t term_of(const Message& message);

}  // namespace casbook::replicate
