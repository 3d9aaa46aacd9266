// What a node knows, written into the arena's lines for people and metrics.
#pragma once

#include "daemon/hosted_arena.h"

namespace casbook::daemon {

void publish_figures(const replicate::Replicator& node, replicate::RaftLog& log,
                     const HostedArena::Lines& lines);

// The one event of it.
void log_quarantine(const replicate::Quarantine& quarantine, const HostedArena& arena);

}  // namespace casbook::daemon
