#include "replicate/replicator.h"

#include <algorithm>

#include "base/assert.h"
#include "base/clock.h"
#include "base/probe.h"
#include "base/trace.h"

namespace casbook::replicate {

using base::kNsPerMs;
using base::Mutant;

namespace {

// While so many entries are on their way, few records wait for an answer and share the next entry.
constexpr uint64_t kEntriesUnderWay = 2;
constexpr uint64_t kRecordsWorthAnEntry = 64;
constexpr int64_t kRefusedNs = 300 * kNsPerMs;

}  // namespace

Replicator::Replicator(const ReplicatorOptions& options, journal::Storage& storage,
                       const journal::JournalState& state, RaftLog& log, Network& network,
                       HostedBook& book, PeerDisks disks)
    : options_(options),
      storage_(storage),
      state_(state),
      log_(log),
      network_(network),
      book_(book),
      disks_(std::move(disks)),
      write_delay_(options.write),
      laggards_(options.lag),
      divergence_({options.self.id, options.digest_bytes_per_second}) {}

Result<std::unique_ptr<Replicator>> Replicator::open(
    const ReplicatorOptions& options, journal::Storage& storage, const journal::JournalState& state,
    RaftLog& log, Network& network, const ClusterKeys& keys, HostedBook& book, uint64_t applied,
    bool needs_rebuild, int64_t now_ns) {
  auto disks = PeerDisks::open(storage);
  if (!disks) return disks.error();
  auto node = std::unique_ptr<Replicator>(
      new Replicator(options, storage, state, log, network, book, std::move(*disks)));
  node->now_ns_ = now_ns;
  node->applied_ = applied;
  node->persisted_ = log.persisted_index();
  Recovered recovered{.node = options.self.id,
                      .term = std::max<uint64_t>(state.reserved_term, 1),
                      .voted_for = state.voted_for,
                      .base_index = log.base_index(),
                      .base_term = log.base_term(),
                      .configuration = options.configuration,
                      .entries = log.recovered_entries()};
  if (auto done = node->recover_configuration(recovered, applied); !done) return done.error();
  auto consensus = Consensus::open(recovered, options.consensus, node->now_ms());
  if (!consensus) return consensus.error();
  node->consensus_ = std::move(*consensus);
  TransportOptions transport = options.transport;
  transport.storage_id = state.storage_id, transport.disks = &node->disks_;
  node->transport_ = std::make_unique<Transport>(
      transport, keys, network, log, [raw = node.get()](uint64_t from, Message&& message) {
        raw->on_message(from, std::move(message));
      });
  node->term_ = node->consensus_->term();
  if (auto done = node->note_configuration(); !done) return done.error();
  if (needs_rebuild) {
    node->standing_ = Standing::sealed;
    node->decide_may_lead();
  }
  return node;
}

// --- events ---

Result<void> Replicator::receive(std::span<const std::byte> datagram, int64_t now_ns) {
  now_ns_ = now_ns;
  transport_->receive(datagram, now_ns);
  if (auto known = check_disks(); !known) return known;
  if (failure_) return *failure_;
  return hand_to_disk();
}

// Under an id that another disk had, this node would vote twice and deny what it acknowledged.
// It takes part in nothing any more, and ends when the others have learned of it.
Result<void> Replicator::check_disks() {
  if (disks_.failure()) return *disks_.failure();
  const uint64_t by = transport_->refused_by();
  if (by == 0) return {};
  if (refused_since_ns_ == 0) refused_since_ns_ = now_ns_;
  if (now_ns_ - refused_since_ns_ < kRefusedNs) return {};
  return Error{.code = Code::foreign_journal,
               .detail = "node " + std::to_string(by) + " knows node " +
                         std::to_string(options_.self.id) +
                         " with another disk: one that lost its disk needs a new id"};
}

Result<void> Replicator::tick(int64_t now_ns) {
  now_ns_ = now_ns;
  transport_->tick(now_ns);
  if (auto known = check_disks(); !known) return known;
  if (transport_->refused_by() != 0) return {};
  if (now_ms() >= consensus_->deadline_ms()) {
    auto update = consensus_->timeout(now_ms());
    if (update || is_fatal(update.error()))
      if (auto done = carry_out(std::move(update)); !done) return done;
  }
  const bool is_asked = book_.confirm_asked() > confirm_sent_;
  if (role_ == Role::leader && (now_ns >= next_round_ns_ || is_asked)) begin_round();
  if (now_ns >= answer_due_ns_) answer_without_disk();
  if (auto done = hand_over(); !done) return done;
  if (auto done = tend_members(); !done) return done;
  if (failure_) return *failure_;
  return hand_to_disk();
}

int64_t Replicator::deadline_ns() const {
  if (refused_since_ns_ != 0) return std::min(now_ns_ + 10 * kNsPerMs, transport_->deadline_ns());
  const int64_t consensus = consensus_->deadline_ms() * kNsPerMs;
  int64_t deadline =
      std::min({consensus, transport_->deadline_ns(), write_delay_.deadline_ns(), answer_due_ns_});
  if (!membership_.is_idle()) deadline = std::min(deadline, now_ns_ + kNsPerMs);
  return role_ == Role::leader ? std::min(deadline, next_round_ns_) : deadline;
}

Result<void> Replicator::set_able(bool is_able, int64_t now_ns) {
  now_ns_ = now_ns;
  if (is_able == is_able_) return {};
  is_able_ = is_able;
  decide_may_lead();
  next_hand_over_ns_ = now_ns_;
  return is_able ? Result<void>() : hand_over();
}

// To the one that has most of those that are there; again until one takes it, each time to another:
// that one may not be able to lead either. Sessions stop paying at once: what they would pay
// meanwhile might be undone.
Result<void> Replicator::hand_over() {
  if (wants_to_lead() || role_ != Role::leader || now_ns_ < next_hand_over_ns_) return {};
  next_hand_over_ns_ = now_ns_ + 2 * election_timeout_ns();
  uint64_t best = 0, best_match = 0;
  for (const Follower& follower : followers_) {
    const uint64_t match = consensus_->match_index(follower.id);
    if (follower.is_voter && is_there(follower.id) && follower.id != handed_to_ &&
        match > best_match)
      best = follower.id, best_match = match;
  }
  handed_to_ = best;
  if (best == 0) return {};
  book_.tell_leading_until(0);
  // Refused while another transfer is under way: that one will do.
  auto update = consensus_->transfer(best, now_ms());
  return update ? carry_out(std::move(update)) : Result<void>();
}

Result<bool> Replicator::compacted(uint64_t index, int64_t now_ns) {
  now_ns_ = now_ns;
  auto update = consensus_->compacted(index, now_ms());
  if (!update) return is_fatal(update.error()) ? Result<bool>(update.error()) : false;
  if (auto done = carry_out(std::move(update)); !done) return done.error();
  return true;
}

bool Replicator::is_window_open() const {
  return log_.last_index() - consensus_->commit_index() < options_.window_entries &&
         window_bytes_ < options_.window_bytes;
}

Result<bool> Replicator::collect(int64_t now_ns) {
  now_ns_ = now_ns;
  // Promoting too: behind OPEN the leases are renewed, and their records need the room of the ring.
  const bool is_open = standing_ == Standing::leading || standing_ == Standing::promoting;
  if (is_open) want_disk_for_the_sent();
  if (auto done = hand_to_disk(); !done) return done.error();
  if (!is_open || !is_window_open() || now_ns < laggards_.may_take_ns()) return false;
  if (book_.confirm_asked() > confirm_sent_) begin_round();
  const uint64_t next = log_.next_lsn();
  const uint64_t end = book_.end_lsn();
  if (end <= next) return false;
  if (log_.last_index() - quorum_index() >= kEntriesUnderWay && end - next < kRecordsWorthAnEntry)
    return false;
  auto entry = std::make_shared<LogEntry>();
  auto taken = book_.take(next, options_.entry_bytes_max, *entry);
  if (!taken) return taken.error();
  if (!*taken) return false;
  CASBOOK_ASSERT(entry->term == led_term_ && entry->first_lsn == next);
  entry->index = log_.last_index() + 1;
  const uint64_t index = entry->index, bytes = entry->body.size();
  // Who pays without waiting has waited for the collector instead.
  const Waits waits = book_.waits();
  if (waits != Waits::for_majority) want_disk(index, waits == Waits::for_disk);
  auto update = consensus_->submit(std::move(entry), now_ms());
  // The lead is being handed over: the book still has the records.
  if (!update && update.error().code == Code::not_leader) return false;
  laggards_.took(
      laggards_.is_anybody_lagging(now_ns, options_.consensus.election_timeout_ms * kNsPerMs),
      now_ns);
  in_flight_.emplace_back(index, bytes);
  window_bytes_ += bytes;
  if (auto done = carry_out(std::move(update)); !done) return done.error();
  if (auto done = hand_to_disk(); !done) return done.error();
  return true;
}

// In the order that Raft's proof needs: term and vote, log, messages.
Result<void> Replicator::carry_out(Result<Update>&& update) {
  if (!update) return update.error();
  if (update->has_term_or_vote) {
    state_.reserved_term = update->term, state_.voted_for = update->voted_for;
    if (auto written = journal::write_state(storage_, state_); !written) return written;
  }
  if (!update->entries.empty()) {
    const uint64_t first = update->entries.front()->index;
    persisted_ = std::min(persisted_, first - 1);
    matched_ = std::min(matched_, first - 1);
    log_.append(update->entries);
    for (const EntryPtr& entry : update->entries) write_delay_.added(*entry, now_ns_);
  }
  if (auto done = note_configuration(); !done) return done;
  note_role();
  for (Outgoing& out : update->messages)
    if (auto* append = std::get_if<AppendEntries>(&out.message)) append->round = round_;
  spare_laggards(update->messages);
  if (!update->messages.empty()) transport_->send(update->messages, now_ns_);
  tell_progress();
  return {};
}

// --- roles ---

void Replicator::note_role() {
  const Role role = consensus_->role();
  const uint64_t term = consensus_->term();
  if (role == role_ && term == term_) return tell_leader();
  const bool was_leader = role_ == Role::leader;
  role_ = role, term_ = term;
  CASBOOK_TRACE(elect, options_.self.id, term, static_cast<uint32_t>(role));
  divergence_.begin(term);
  if (was_leader || standing_ == Standing::leading || standing_ == Standing::promoting) step_down();
  if (role == Role::leader) lead();
  tell_leader();
}

void Replicator::lead() {
  ++counts_.elections;
  for (Follower& follower : followers_) follower.received = 0, follower.round = 0;
  laggards_.begin();
  rounds_.clear();
  in_flight_.clear(), window_bytes_ = 0;
  next_round_ns_ = now_ns_, proven_ns_ = 0;
  disk_wanted_ = 0;
}

// Nothing of that term is claimed from here on, so what the majority never had stays where nobody
// can be told that it was reached.
void Replicator::step_down() {
  ++counts_.step_downs;
  book_.tell_leading_until(0);
  in_flight_.clear(), window_bytes_ = 0;
  if (standing_ != Standing::leading && standing_ != Standing::promoting) return;
  if (!base::mutated(Mutant::seal_skipped)) book_.seal(led_term_);
  // Promoting: the task is under way, and promoted() comes to it.
  if (standing_ == Standing::leading)
    standing_ = quarantine_ ? Standing::quarantined : Standing::sealed;
  decide_may_lead();
}

bool Replicator::has_task() const {
  if (is_tasked_) return false;
  switch (standing_) {
    case Standing::sealed:
      return true;
    case Standing::following:
      return role_ == Role::leader || divergence_.is_due(applied_);
    case Standing::leading:
      return divergence_.may_plan(now_ns_);
    case Standing::promoting:
    case Standing::quarantined:
      return false;
  }
  return false;
}

bool Replicator::has_entry() const {
  return standing_ == Standing::following &&
         applied_ < std::min(consensus_->commit_index(), persisted_);
}

Task Replicator::next_task() {
  if (is_tasked_) return {};
  if (standing_ == Standing::sealed) {
    is_tasked_ = true;
    return {.kind = Task::Kind::rebuild,
            .entry = nullptr,
            .committed = log_.position_at(std::min(consensus_->commit_index(), persisted_))};
  }
  if (Task task = next_comparison(); task.kind != Task::Kind::none) return task;
  if (standing_ != Standing::following) return {};
  // What this node's own journal has too: a checkpoint of the book needs its records.
  const uint64_t commit = std::min(consensus_->commit_index(), persisted_);
  if (applied_ < commit) {
    EntryPtr entry = log_.at_hand(applied_ + 1);
    if (!entry) return {};  // in a moment
    return {.kind = Task::Kind::apply, .entry = std::move(entry), .committed = {}};
  }
  // Its own barrier is committed: all that earlier leaders acknowledged is here.
  const bool is_its_term_begun = commit > 0 && commit <= log_.last_index() &&
                                 role_ == Role::leader && log_.term_at(commit) == term_;
  if (!is_its_term_begun) return {};
  standing_ = Standing::promoting, led_term_ = term_, is_tasked_ = true;
  return {.kind = Task::Kind::promote, .entry = nullptr, .term = term_, .committed = {}};
}

void Replicator::applied(uint64_t index) {
  CASBOOK_ASSERT(index == applied_ + 1);
  applied_ = index;
  tell_progress();
}

void Replicator::promoted(uint64_t term) {
  CASBOOK_ASSERT(standing_ == Standing::promoting && term == led_term_);
  is_tasked_ = false;
  if (role_ == Role::leader && term_ == term) {
    standing_ = Standing::leading;
    if (proven_ns_ != 0 && !are_payments_held()) tell_leading(proven_ns_);
    return;
  }
  // Deposed meanwhile, perhaps before the book was open: once more.
  book_.tell_leading_until(0);
  book_.seal(term);
  standing_ = quarantine_ ? Standing::quarantined : Standing::sealed;
  decide_may_lead();
}

void Replicator::rebuilt(uint64_t index) {
  CASBOOK_ASSERT(standing_ == Standing::sealed);
  is_tasked_ = false;
  standing_ = Standing::following;
  applied_ = index;
  quorum_told_ = durable_told_ = {};
  leader_told_ = {}, leader_term_told_ = 0;
  decide_may_lead();
  tell_leader();
  tell_progress();
}

// --- what is reached ---

// The greatest that a majority has at least.
uint64_t Replicator::majority_of(std::vector<uint64_t> values) const {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end(), std::greater<>());
  return *middle;
}

// Of entries of its own term only, as with commits (Raft's figure 8); else what is committed.
uint64_t Replicator::quorum_index() const {
  const uint64_t commit = consensus_->commit_index();
  if (role_ != Role::leader) return commit;
  const bool do_all_count = base::mutated(Mutant::quorum_counts_standby);
  std::vector<uint64_t> received;
  if (is_voter()) received.push_back(log_.last_index());
  for (const Follower& follower : followers_) {
    if (!follower.is_voter && !do_all_count) continue;
    const bool is_of_this_run = follower.boot == transport_->boot_of(follower.id);
    received.push_back(
        std::max(is_of_this_run ? follower.received : 0, consensus_->match_index(follower.id)));
  }
  const uint64_t index = majority_of(std::move(received));
  // Never else: nobody is told before its own barrier is committed, and all behind that is its own.
  return index > commit && log_.term_at(index) == term_ ? index : commit;
}

void Replicator::tell_progress() {
  const uint64_t commit = consensus_->commit_index();
  // Progress: each round takes one off.
  while (!in_flight_.empty() && in_flight_.front().first <= commit) {
    window_bytes_ -= in_flight_.front().second;
    in_flight_.pop_front();
  }
  // Promoting too: the records of its first commits leave the ring that way.
  if (standing_ == Standing::leading || standing_ == Standing::promoting) {
    const Position durable = log_.position_at(commit);
    if (durable > durable_told_) book_.tell_durable(durable_told_ = durable);
    const Position quorum = std::max(durable, log_.position_at(quorum_index()));
    if (quorum > quorum_told_) book_.tell_quorum(quorum_told_ = quorum);
    log_.used(commit);
  } else if (standing_ == Standing::following) {
    const Position durable = log_.position_at(applied_);
    if (durable > durable_told_) {
      book_.tell_durable(durable_told_ = durable);
      book_.tell_quorum(quorum_told_ = durable);
    }
    log_.used(applied_);
  } else if (standing_ == Standing::quarantined) {
    log_.used(std::min(commit, persisted_));  // by nobody
  }
}

void Replicator::tell_leader() {
  const auto leader = role_ == Role::leader ? std::optional(options_.self) : this->leader();
  if (leader == leader_told_ && term_ == leader_term_told_) return;
  leader_told_ = leader, leader_term_told_ = term_;
  book_.tell_leader(leader, term_);
}

std::vector<Replicator::NodeState> Replicator::nodes() const {
  const auto role_of = [this](uint64_t id) -> std::optional<ServerRole> {
    const Server* const server = configuration().find(id);
    return server ? std::optional(server->role) : std::nullopt;
  };
  std::vector<NodeState> nodes{{.id = options_.self.id,
                                .received_index = log_.last_index(),
                                .synced_index = persisted_,
                                .heard_ns = now_ns_,
                                .role = role_of(options_.self.id)}};
  for (const Follower& follower : followers_)
    nodes.push_back(
        {.id = follower.id,
         .received_index = role_ == Role::leader ? follower.received : 0,
         .synced_index = role_ == Role::leader ? consensus_->match_index(follower.id) : 0,
         .heard_ns = transport_->heard_ns(follower.id),
         .role = role_of(follower.id)});
  return nodes;
}

}  // namespace casbook::replicate
