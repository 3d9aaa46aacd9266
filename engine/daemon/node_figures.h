// What a node knows, written into the arena's lines for people and metrics.
#pragma once

#include "daemon/hosted_arena.h"

namespace casbook::daemon {

void publish_figures(const replicate::Replicator& node, replicate::RaftLog& log,
                     const HostedArena::Lines& lines);

}  // namespace casbook::daemon
