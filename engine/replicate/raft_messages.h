// Messages as libraft has them, and back. libraft's version of each travels along (D7).
#pragma once

#include "replicate/message.h"
#include "replicate/raft_shim.h"

namespace casbook::replicate {

// False: libraft knows no such message.
inline bool is_of_raft(const Message& message) {
  return std::visit([](const auto& m) { return requires { m.version; }; }, message);
}
// Without the entries of AppendEntries. Precondition: is_of_raft().
RaftShimMessage to_raft(uint64_t from, const Message& message);
// Not for InstallSnapshot.
Outgoing from_raft(const RaftShimMessage& message);

uint64_t term_of(const Message& message);

}  // namespace casbook::replicate
