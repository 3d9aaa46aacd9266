// The members, as a node lives with them: who is heard and counted, what is kept of it on disk, and
// what is done about requests.
#include <algorithm>

#include "base/assert.h"
#include "base/probe.h"
#include "replicate/replicator.h"

namespace casbook::replicate {

namespace {

// For so many election timeouts a removed node is told what it was told last.
constexpr int64_t kFarewells = 10;
// So many without a leader, and a node hears those too that were removed.
constexpr int64_t kLonely = 4;

}  // namespace

// --- what is kept --------------------------------------------------------------------------------

// The file has the configuration as of the log's base, or a later one that was committed. Where it
// is older than what this node's book has applied, a crash came between: it is written now, before
// a checkpoint can make the entry superfluous.
Result<void> Replicator::recover_configuration(Recovered& recovered, uint64_t applied) {
  auto kept = journal::read_configuration(storage_);
  if (!kept && kept.error().code != Code::book_missing) return kept.error();
  if (kept) {
    auto configuration = decode_configuration(kept->body);
    if (!configuration)
      return Error{.code = configuration.error().code,
                   .detail = storage_.describe() + "/" + journal::kConfigurationName + ": " +
                             configuration.error().detail};
    kept_ = std::move(*kept);
    recovered.configuration = std::move(*configuration);
  }
  for (const EntryPtr& entry : recovered.entries) {
    if (entry->type != journal::EntryType::change || entry->index > std::max<uint64_t>(applied, 1))
      continue;
    const auto configuration = decode_configuration(entry->body);
    if (!configuration) return configuration.error();
    if (auto done = keep_configuration(entry->index, *configuration); !done) return done;
  }
  return {};
}

Result<void> Replicator::keep_configuration(uint64_t index, const Configuration& configuration) {
  if (index <= kept_.index || configuration.servers.empty()) return {};
  std::vector<std::byte> body = encode(configuration);
  if (body == kept_.body) return {};
  if (index > 1 && base::mutated(base::Mutant::configuration_not_kept)) return {};
  journal::KeptConfiguration next{.journal_id = state_.journal_id,
                                  .index = index,
                                  .term = log_.term_at(index),
                                  .body = std::move(body)};
  if (auto written = journal::write_configuration(storage_, next); !written) return written;
  kept_ = std::move(next);
  return {};
}

// --- who is heard and counted --------------------------------------------------------------------

Result<void> Replicator::note_configuration() {
  if (configuration_seen_ == consensus_->configuration_version()) return {};
  configuration_seen_ = consensus_->configuration_version();
  if (auto done = keep_configuration(consensus_->committed_configuration_index(),
                                     consensus_->committed_configuration());
      !done)
    return done;
  std::erase_if(followers_, [this](const Follower& f) { return !configuration().find(f.id); });
  for (const Server& server : configuration().servers) {
    if (server.id == options_.self.id) continue;
    Follower* follower = find_follower(server.id);
    if (!follower) follower = &followers_.emplace_back(Follower{.id = server.id});
    follower->is_voter = server.is_voter();
  }
  return name_peers();
}

// Members of the last configuration, and, until it is committed, of the one before. A node without
// any hears those that its file names. An id stands for one disk while it is a peer.
Result<void> Replicator::name_peers() {
  std::vector<uint64_t> peers;
  const auto name = [&](const Server& server) {
    if (server.id == options_.self.id || std::ranges::find(peers, server.id) != peers.end()) return;
    peers.push_back(server.id);
    network_.set_peer(server.id, server.address);
  };
  const Configuration* all[] = {&configuration(), &committed_configuration()};
  for (const Configuration* one : all)
    for (const Server& server : one->servers) name(server);
  if (configuration().servers.empty())
    for (const Server& server : options_.configuration.servers) name(server);
  for (const Leaving& one : leaving_)
    if (std::ranges::find(peers, one.id) == peers.end()) peers.push_back(one.id);
  transport_->set_peers(peers, now_ns_);
  return disks_.keep_only(peers);
}

// A leader that this node's log does not know yet said where it is, or the file names it.
std::optional<Server> Replicator::leader() const {
  auto leader = consensus_->leader();
  if (!leader || !leader->address.empty()) return leader;
  leader->address = transport_->introduced_at(leader->id);
  const Server* const named = options_.configuration.find(leader->id);
  if (leader->address.empty() && named) leader->address = named->address;
  return leader;
}

bool Replicator::is_there(uint64_t node) const {
  const int64_t heard_ns = transport_->heard_ns(node);
  return heard_ns != 0 && now_ns_ - heard_ns < election_timeout_ns();
}

// --- requests ------------------------------------------------------------------------------------

MembershipView Replicator::membership_view() const {
  return {.self = options_.self.id,
          .term = term_,
          .commit = consensus_->commit_index(),
          .last_index = log_.last_index(),
          .leads = role_ == Role::leader,
          .may_change = standing_ == Standing::leading && consensus_->may_change(),
          .is_transferring = consensus_->is_transferring(),
          .is_drained = book_.end_lsn() <= log_.next_lsn(),
          .configuration = configuration(),
          .leader = leader(),
          .match = [this](uint64_t node) { return consensus_->match_index(node); },
          .is_there = [this](uint64_t node) { return is_there(node); },
          .term_at = [this](uint64_t index) { return log_.term_at(index); },
          .now_ns = now_ns_,
          .election_timeout_ns = election_timeout_ns()};
}

Result<uint64_t> Replicator::ask(const MemberRequest& request, int64_t now_ns) {
  now_ns_ = now_ns;
  return membership_.ask(request, membership_view());
}

// This node's log may end with their removal, and they were added again since: then one of them may
// be the leader that it waits for. Where nobody leads there is nobody to disturb.
void Replicator::forgive_removed() {
  const bool is_led = role_ == Role::leader || consensus_->leader();
  if (is_led || leaderless_since_ns_ == 0) leaderless_since_ns_ = is_led ? 0 : now_ns_;
  if (is_led || now_ns_ - leaderless_since_ns_ < kLonely * election_timeout_ns()) return;
  transport_->forgive_removed();
  leaderless_since_ns_ = now_ns_;
}

Result<void> Replicator::tend_members() {
  forgive_removed();
  if (auto done = tell_leaving(); !done) return done;
  if (role_ != Role::leader && membership_.is_idle()) return {};
  // Bounded by what waits; each step is taken or refused.
  for (;;) {
    const MembershipStep step = membership_.next(membership_view());
    switch (step.kind) {
      case MembershipStep::Kind::none:
        return {};
      case MembershipStep::Kind::drain:
        book_.tell_leading_until(0);
        break;
      case MembershipStep::Kind::change:
        if (auto done = change(step.configuration); !done) return done;
        break;
      case MembershipStep::Kind::transfer: {
        auto update = consensus_->transfer(step.to, now_ms());
        if (!update) {
          membership_.refused(update.error());
          break;
        }
        membership_.transferring();
        if (auto done = carry_out(std::move(update)); !done) return done;
        break;
      }
    }
  }
}

Result<void> Replicator::change(const Configuration& to) {
  auto entry = std::make_shared<LogEntry>();
  entry->index = log_.last_index() + 1, entry->term = term_;
  entry->type = journal::EntryType::change, entry->first_lsn = log_.next_lsn();
  entry->body = encode(to);
  const uint64_t index = entry->index;
  std::vector<Leaving> leaving;
  for (const Server& server : configuration().servers)
    if (server.id != options_.self.id && !to.find(server.id))
      leaving.push_back(
          {.id = server.id, .match = consensus_->match_index(server.id), .index = index});
  auto update = consensus_->submit(std::move(entry), now_ms());
  if (!update) {
    membership_.refused(update.error());
    return {};
  }
  membership_.changed(index, term_);
  for (Leaving& one : leaving) {
    one.until_ns = now_ns_ + kFarewells * election_timeout_ns();
    std::erase_if(leaving_, [&](const Leaving& other) { return other.id == one.id; });
    leaving_.push_back(one);
  }
  return carry_out(std::move(update));
}

// --- farewell ------------------------------------------------------------------------------------

// Who is removed gets no entries any more, and so not the one that says it. The leader sends that
// one all the same, as to any follower, for a while: from it the node knows that it is no member,
// also when it starts again. It counts for nothing; without it the node asks in vain for votes.
Result<void> Replicator::tell_leaving() {
  const size_t before = leaving_.size();
  std::erase_if(leaving_, [this](const Leaving& one) {
    return one.until_ns <= now_ns_ || configuration().find(one.id) || role_ != Role::leader;
  });
  if (leaving_.size() != before)
    if (auto done = name_peers(); !done) return done;
  for (Leaving& one : leaving_) {
    const uint64_t commit = consensus_->commit_index();
    if (commit < one.index || now_ns_ < one.next_ns) continue;
    one.next_ns = now_ns_ + options_.consensus.heartbeat_ms * int64_t{1'000'000};
    const uint64_t prev = one.match && one.match < one.index ? one.match : one.index - 1;
    if (log_.term_at(prev) == 0) continue;
    const Outgoing last{one.id, AppendEntries{.term = term_,
                                              .prev_index = prev,
                                              .prev_term = log_.term_at(prev),
                                              .commit = commit,
                                              .count = static_cast<uint32_t>(one.index - prev),
                                              .entries = {},
                                              .round = round_}};
    transport_->send({&last, 1}, now_ns_);
  }
  return {};
}

void Replicator::note_leaving(uint64_t from, const AppendResult& result) {
  if (result.rejected != 0 || result.term != term_) return;
  for (Leaving& one : leaving_)
    if (one.id == from && result.last_index >= one.index) one.until_ns = now_ns_;
}

}  // namespace casbook::replicate
