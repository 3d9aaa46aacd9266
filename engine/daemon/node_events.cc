#include "daemon/node_events.h"

#include <utility>

#include "daemon/event_log.h"
#include "daemon/member_commands.h"
#include "daemon/service_manager.h"

namespace casbook::daemon {

using replicate::Standing;

namespace {

void log_quarantine(const replicate::Quarantine& quarantine, const HostedArena& arena) {
  if (quarantine.error)
    return log_event(Severity::error, "book_quarantined", {{"error", quarantine.error->message()}});
  if (!quarantine.divergence)
    return log_event(Severity::error, "book_quarantined", {{"by", "whoever asked for it"}});
  const replicate::Divergence& divergence = *quarantine.divergence;
  log_event(Severity::error, "book_diverged",
            {{"position", divergence.position.value},
             {"index", divergence.index},
             {"where", arena.where(divergence)},
             {"majority", quarantine.is_of_majority ? "yes" : "no"}});
}

}  // namespace

void NodeEvents::look(const replicate::Replicator& node, HostedArena& arena) {
  if (node.standing() != standing_ || node.role() != role_) tell_role(node);
  if (node.quarantine()) tell_quarantine(node, arena);
  tell_members(node);
  standing_ = node.standing(), role_ = node.role();
}

void NodeEvents::look_for_service(const replicate::Replicator& node) {
  tell_refused_disk(node);
  const auto leader = node.leader();
  const bool is_led = node.role() == replicate::Role::leader
                          ? node.standing() == Standing::leading
                          : leader && node.standing() == Standing::following;
  if (is_serving_ || !is_led) return;
  is_serving_ = true;
  notify_status("serving");
  log_event(Severity::info, "serving",
            {{"book", config_.book},
             {"term", node.term()},
             {"leader", leader ? leader->id : config_.cluster.node}});
}

void NodeEvents::tell_role(const replicate::Replicator& node) const {
  static constexpr const char* kStandings[] = {"following", "promoting", "leading", "sealed",
                                               "quarantined"};
  static constexpr const char* kRoles[] = {"follower", "candidate", "leader"};
  const auto leader = node.leader();
  log_event(Severity::info, "role",
            {{"role", kRoles[static_cast<int>(node.role())]},
             {"book", kStandings[static_cast<int>(node.standing())]},
             {"term", node.term()},
             {"leader", leader ? leader->id : 0}});
}

void NodeEvents::tell_members(const replicate::Replicator& node) {
  if (configuration_version_ == node.configuration_version()) return;
  configuration_version_ = node.configuration_version();
  const replicate::Configuration& all = node.committed_configuration();
  if (all == members_) return;
  const uint64_t self = config_.cluster.node;
  const bool was_one = members_.find(self);
  members_ = all;
  log_event(Severity::info, "members", {{"members", text_of(all)}});
  if (was_one && !all.find(self))
    log_event(Severity::warn, "removed",
              {{"node", self}, {"hint", "this node is no member any more: stop it"}});
}

// Once that it is so, and once that nothing more is expected of the book.
void NodeEvents::tell_quarantine(const replicate::Replicator& node, HostedArena& arena) {
  if (!std::exchange(is_quarantined_, true)) log_quarantine(*node.quarantine(), arena);
  if (node.standing() == Standing::quarantined && standing_ != Standing::quarantined)
    arena.tell_journal(arena::JournalState::failed, Code::quarantined);
}

void NodeEvents::tell_refused_disk(const replicate::Replicator& node) {
  const uint64_t refused = node.transport().refused_node();
  if (std::exchange(refused_node_, refused) == refused) return;
  log_event(Severity::error, "disk_refused",
            {{"node", refused}, {"advice", "it lost its disk: remove it, or give it a new id"}});
}

}  // namespace casbook::daemon
