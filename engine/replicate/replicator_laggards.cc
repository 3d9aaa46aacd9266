// Followers that are far behind (laggards.h): they are spared the stream, and offered a copy.
#include <algorithm>

#include "base/probe.h"
#include "replicate/replicator.h"

namespace casbook::replicate {

void Replicator::note_lag(const Follower& follower) {
  const uint64_t index = std::max(follower.received, consensus_->match_index(follower.id));
  if (index != 0) laggards_.note(follower.id, log_.bytes_behind(index), now_ns_);
}

// Who waits for entries that the log has lost since it was told of them rejects nothing: consensus
// does not learn of it (found by the simulator, seed 22).
void Replicator::offer_copies(std::vector<Outgoing>& messages) const {
  const uint64_t base = log_.base_index();
  for (const Follower& follower : followers_) {
    const uint64_t index = std::max(follower.received, consensus_->match_index(follower.id));
    if (index != 0 && index < base && !base::mutated(base::Mutant::offer_dropped))
      messages.push_back({follower.id, Offer{term_, base, log_.term_at(base)}});
  }
}

bool Replicator::is_out(uint64_t node) {
  const uint64_t boot = transport_->boot_of(node);
  if (Follower* const follower = find_follower(node); follower && follower->lag_boot != boot)
    follower->lag_boot = boot, laggards_.began_anew(node, now_ns_);
  return laggards_.is_out(node);
}

// To those that are out of the stream no entries go, so they ask for none: they hear that the
// leader is there, and that they may have a copy.
void Replicator::spare_laggards(std::vector<Outgoing>& messages) {
  if (role_ != Role::leader) return;
  const uint64_t commit = consensus_->commit_index();
  for (size_t i = 0, count = messages.size(); i < count; ++i) {
    auto* const append = std::get_if<AppendEntries>(&messages[i].message);
    if (!append || append->count == 0 || !is_out(messages[i].to)) continue;
    append->count = 0;
    messages.push_back({messages[i].to, Offer{term_, commit, log_.term_at(commit)}});
  }
}

void Replicator::on_offer(uint64_t from, const Offer& offer) {
  const auto leader = consensus_->leader();
  if (leader && leader->id == from && offer.term == consensus_->term()) offer_ = offer;
}

std::optional<Replicator::CatchUp> Replicator::catch_up_wanted() const {
  const auto leader = this->leader();
  if (!offer_ || !leader || leader->address.empty() || offer_->term != consensus_->term() ||
      role_ == Role::leader)
    return std::nullopt;
  // Got by the log meanwhile, or by a copy.
  const bool has_it = log_.base_index() >= offer_->base_index ||
                      log_.term_at(offer_->base_index) == offer_->base_term;
  if (has_it) return std::nullopt;
  return CatchUp{*leader, offer_->base_index};
}

}  // namespace casbook::replicate
