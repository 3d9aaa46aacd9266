// Fetches a copy of another node's journal into this one's directory, beside the journal that is
// there. Installing it is somebody else's (journal/installation.h).
#pragma once

#include "daemon/catch_up_channel.h"
#include "journal/copy_target.h"

namespace casbook::daemon {

struct CatchUpQuestion {
  std::string address{};  // of the node that is asked
  replicate::StreamName name{};
  CatchUpRequest request{};
  ChannelOptions channel{};
};

// Blocking; ends early when the channel's must_stop says so. Errors: those of the channel and of
// the target; foreign_journal: the server knows this node with another disk; backpressure: it is
// busy; damaged: it has no copy to give, or of another book. After an error nothing is there of it.
Result<std::unique_ptr<journal::CopyTarget>> fetch_copy(journal::Storage& storage,
                                                        const replicate::ClusterKeys& keys,
                                                        const CatchUpQuestion& question,
                                                        const journal::CopyTargetOptions& target);

}  // namespace casbook::daemon
