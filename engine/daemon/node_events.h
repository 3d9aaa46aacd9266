// What a node of a cluster tells when it comes to stand otherwise: a line for each change, once.
#pragma once

#include "daemon/config.h"
#include "daemon/hosted_arena.h"

namespace casbook::daemon {

class NodeEvents {
 public:
  explicit NodeEvents(const Config& config) : config_(config) {}

  // After anything that may have changed the node, under its mutex: role, members, quarantine. A
  // book of which nothing more is expected is called failed in its arena.
  void look(const replicate::Replicator& node, HostedArena& arena);
  // Now and then, under its mutex: that somebody leads, and the book here is his or follows him;
  // disks that are refused.
  void look_for_service(const replicate::Replicator& node);

 private:
  void tell_role(const replicate::Replicator& node) const;
  void tell_members(const replicate::Replicator& node);
  void tell_quarantine(const replicate::Replicator& node, HostedArena& arena);
  void tell_refused_disk(const replicate::Replicator& node);

  const Config& config_;
  replicate::Standing standing_ = replicate::Standing::following;
  replicate::Role role_ = replicate::Role::follower;
  uint64_t configuration_version_ = UINT64_MAX;
  replicate::Configuration members_;
  bool is_quarantined_ = false, is_serving_ = false;
  uint64_t refused_node_ = 0;
};

}  // namespace casbook::daemon
