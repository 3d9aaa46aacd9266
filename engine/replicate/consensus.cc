#include "replicate/consensus.h"

#include "base/assert.h"
#include "base/limits.h"
#include "replicate/consensus_impl.h"

namespace casbook::replicate {

using base::Mutant;
using base::mutated;

Error error_of(int status) {
  switch (status) {
    case kRaftShimNoMemory:
      return {.code = Code::no_memory, .detail = "consensus"};
    case kRaftShimNotLeader:
      return {.code = Code::not_leader, .detail = {}};
    case kRaftShimChangePending:
      return bad_argument("change of configuration: the one before it is not committed yet");
    case kRaftShimContradiction:
      return contradiction("a committed entry of this node's log differs from the leader's");
    default:
      return bad_argument("consensus refuses this");
  }
}

// --- beginning -----------------------------------------------------------------------------------

Consensus::Consensus(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Consensus::~Consensus() = default;

Result<std::unique_ptr<Consensus>> Consensus::open(const Recovered& recovered,
                                                   const ConsensusOptions& options,
                                                   int64_t now_ms) {
  CASBOOK_ASSERT(recovered.node && options.election_timeout_ms > options.heartbeat_ms &&
                 options.heartbeat_ms && options.inflight_max);
  auto impl = std::make_unique<Impl>();
  impl->node = recovered.node;
  impl->options = options;
  const RaftShimOptions raft{.id = recovered.node,
                             .election_timeout_ms = options.election_timeout_ms,
                             .heartbeat_ms = options.heartbeat_ms,
                             .inflight_max = options.inflight_max,
                             .seed = options.seed};
  impl->shim = raft_shim_create(&raft);
  if (!impl->shim) return error_of(kRaftShimNoMemory);
  if (const auto begun = impl->begin(recovered, now_ms); !begun) return begun.error();
  return std::unique_ptr<Consensus>(new Consensus(std::move(impl)));
}

// Terms and changes of what was recovered, or what is wrong with it.
Result<void> Consensus::Impl::take_over(const Recovered& recovered) {
  if ((recovered.base_index == 0) != (recovered.base_term == 0))
    return contradiction("log: its base has an index or a term, not both");
  terms.begin(recovered.base_index, recovered.base_term);
  if (recovered.base_index) {
    if (const auto sound = check(recovered.configuration); !sound) return sound.error();
    changes.push_back({recovered.base_index, recovered.configuration});
  }
  for (const EntryPtr& entry : recovered.entries) {
    const std::string where = "log: entry " + std::to_string(entry->index) + ": ";
    if (entry->index != terms.last_index() + 1)
      return contradiction(where + "expected " + std::to_string(terms.last_index() + 1));
    if (entry->term == 0 || entry->term < terms.last_term())
      return contradiction(where + "term " + std::to_string(entry->term) + " behind " +
                           std::to_string(terms.last_term()));
    if (entry->index == 1 && !is_change(entry))
      return contradiction(where + "expected the first configuration");
    terms.append(entry->term);
    if (!is_change(entry)) continue;
    auto configuration = decode_configuration(entry->body);
    if (!configuration)
      return Error{.code = configuration.error().code,
                   .detail = where + configuration.error().detail};
    changes.push_back({entry->index, *std::move(configuration)});
  }
  return {};
}

Result<void> Consensus::Impl::begin(const Recovered& recovered, int64_t now_ms) {
  if (const auto taken = take_over(recovered); !taken) return taken;
  RaftShimStart start{};
  start.term = recovered.term;
  start.voted_for = recovered.voted_for;
  // Nobody asks for votes in term 1, so none was given in it.
  if (start.term == 0 && terms.last_index() == 1 && terms.last_term() == 1) start.term = 1;
  if (start.term < terms.last_term() || start.term > kTermMax)
    return contradiction("term and vote: term " + std::to_string(start.term) +
                         "; expected at least " + std::to_string(terms.last_term()) +
                         " of the last entry, at most " + std::to_string(kTermMax));
  const RaftConfiguration base(recovered.configuration);
  in_raft.assign(recovered.entries);
  start.base_index = recovered.base_index;
  start.base_term = recovered.base_term;
  start.base_change = base.get();
  start.entries = in_raft.data();
  start.count = in_raft.count();
  RaftShimUpdate update;
  const int status = raft_shim_start(shim, &start, static_cast<uint64_t>(now_ms), &update);
  if (status != kRaftShimOk) return error_of(status);
  stored = terms.last_index();
  commit = raft_shim_commit_index(shim);
  // Entry 1 and what was so at the base are committed. libraft takes all but the last change of a
  // log for that by itself.
  if (!changes.empty()) settled = changes.front().index;
  Update nothing;
  return settle_changes(commit, now_ms, nothing);
}

// --- other events --------------------------------------------------------------------------------

Result<Update> Consensus::persisted(uint64_t index, uint64_t term, int64_t now_ms) {
  Impl& impl = *impl_;
  if (index <= impl.stored || index > impl.terms.last_index()) return Update{};
  // D13
  if (impl.terms.of(index) != term && !mutated(Mutant::consensus_counts_replaced)) return Update{};
  impl.stored = index;
  if (index == impl.terms.last_index()) impl.replaced_term = 0;
  RaftShimUpdate update;
  const int status = raft_shim_persisted(impl.shim, index, static_cast<uint64_t>(now_ms), &update);
  Update out;
  if (const auto taken = impl.take(status, update, {}, now_ms, out); !taken) return taken.error();
  return out;
}

Result<Update> Consensus::timeout(int64_t now_ms) {
  Impl& impl = *impl_;
  const bool is_due = now_ms >= deadline_ms();
  // D15: libraft lets a candidate that was not elected raise the term at every timeout. Alone on
  // its side of the network it would use up a book's terms within hours.
  const bool is_bold = impl.may_lead && mutated(Mutant::consensus_reelects_boldly);
  if (is_due && impl.is_standing() && !is_bold) raft_shim_back_to_pre_vote(impl.shim);
  RaftShimUpdate update;
  const int status = raft_shim_timeout(impl.shim, static_cast<uint64_t>(now_ms), &update);
  // D26: who begins no election, a stand-by or one whose disk is behind, would keep its leader, and
  // refuse its vote to any other, for as long as that one is dead.
  if (is_due) raft_shim_forget_leader(impl.shim);
  Update out;
  if (const auto taken = impl.take(status, update, {}, now_ms, out); !taken) return taken.error();
  if (is_due && !impl.leads() && impl.term() >= kTermMax)
    return Error{.code = Code::book_full,
                 .detail = "terms: " + std::to_string(kTermMax) +
                           " is the last that positions can name; no leader can be elected"};
  return out;
}

Result<Update> Consensus::submit(EntryPtr entry, int64_t now_ms) {
  Impl& impl = *impl_;
  if (!impl.leads() || entry->term != impl.term()) return Code::not_leader;
  CASBOOK_ASSERT(entry->index == impl.terms.last_index() + 1);
  if (is_change(entry)) {
    if (const auto sound = impl.check_change(*entry); !sound) return sound.error();
    Update nothing;  // the seeded bug: libraft is told what is not so
    if (mutated(Mutant::consensus_changes_overlap))
      (void)impl.settle_changes(impl.terms.last_index(), now_ms, nothing);
  }
  impl.in_raft.assign({&entry, 1});
  RaftShimUpdate update;
  const int status =
      raft_shim_submit(impl.shim, impl.in_raft.data(), static_cast<uint64_t>(now_ms), &update);
  Update out;
  const auto taken =
      impl.take(status, update, {.entries = {&entry, 1}, .is_quiet = true}, now_ms, out);
  if (!taken) return taken.error();
  return out;
}

// D23: libraft looks at the changes that this leader's log has. One of an earlier leader's that it
// has not, and that a majority of that configuration may have yet, is not over before something of
// this term is committed.
Result<void> Consensus::Impl::check_change(const LogEntry& entry) const {
  if (const auto sound = decode_configuration(entry.body); !sound)
    return bad_argument("change: " + sound.error().detail);
  const bool is_begun = terms.of(commit) == term() || mutated(Mutant::consensus_change_early);
  if (!is_begun)
    return bad_argument("change of configuration: no entry of this term is committed yet");
  const bool is_over = changes.back().index <= commit || mutated(Mutant::consensus_changes_overlap);
  return is_over ? Result<void>() : error_of(kRaftShimChangePending);
}

Result<Update> Consensus::transfer(uint64_t to, int64_t now_ms) {
  RaftShimUpdate update;
  const int status = raft_shim_transfer(impl_->shim, to, static_cast<uint64_t>(now_ms), &update);
  if (status == kRaftShimInvalid)
    return bad_argument("transfer: node " + std::to_string(to) + " is no other voter");
  Update out;
  if (const auto taken = impl_->take(status, update, {}, now_ms, out); !taken) return taken.error();
  return out;
}

Result<Update> Consensus::compacted(uint64_t index, int64_t now_ms) {
  Impl& impl = *impl_;
  if (index <= impl.terms.base_index()) return Update{};
  if (index > std::min(impl.commit, impl.stored))
    return bad_argument("compacted: entry " + std::to_string(index) +
                        " is not committed and on disk");
  RaftShimUpdate update;
  const int status = raft_shim_compacted(impl.shim, index, impl.terms.of(index),
                                         static_cast<uint64_t>(now_ms), &update);
  impl.terms.compact(index);
  Update out;
  if (const auto taken = impl.take(status, update, {}, now_ms, out); !taken) return taken.error();
  return out;
}

void Consensus::set_may_lead(bool may_lead) { impl_->may_lead = may_lead; }

// --- what is known -------------------------------------------------------------------------------

Role Consensus::role() const {
  switch (raft_shim_state(impl_->shim)) {
    case kRaftShimLeader:
      return Role::leader;
    case kRaftShimCandidate:
      return impl_->may_win() ? Role::candidate : Role::follower;
    case kRaftShimFollower:
      break;
  }
  return Role::follower;
}

std::optional<Server> Consensus::leader() const {
  const uint64_t id = raft_shim_leader(impl_->shim);
  if (id == 0 || (!impl_->leads() && impl_->leader_term != term())) return std::nullopt;
  // One that removes itself leads until that is committed.
  for (const Configuration* all : {&configuration(), &committed_configuration()})
    if (const Server* server = all->find(id)) return *server;
  return Server{.id = id, .address = {}};
}

const Configuration& Consensus::Impl::configuration() const {
  static const Configuration kUnknown;
  return changes.empty() ? kUnknown : changes.back().configuration;
}
const Configuration& Consensus::configuration() const { return impl_->configuration(); }
uint64_t Consensus::configuration_version() const { return impl_->version; }
uint64_t Consensus::committed_configuration_index() const { return impl_->settled; }
const Configuration& Consensus::committed_configuration() const {
  return impl_->changes.empty() ? configuration() : impl_->changes.front().configuration;
}
bool Consensus::may_change() const {
  return impl_->leads() && !is_transferring() && impl_->terms.of(impl_->commit) == term() &&
         impl_->changes.back().index <= impl_->commit;
}
bool Consensus::is_transferring() const { return raft_shim_transferee(impl_->shim) != 0; }

int64_t Consensus::deadline_ms() const {
  return static_cast<int64_t>(raft_shim_deadline_ms(impl_->shim));
}
uint64_t Consensus::term() const { return impl_->term(); }
uint64_t Consensus::last_index() const { return impl_->terms.last_index(); }
uint64_t Consensus::stored_index() const { return impl_->stored; }
uint64_t Consensus::commit_index() const { return impl_->commit; }
uint64_t Consensus::match_index(uint64_t node) const {
  return raft_shim_match_index(impl_->shim, node);
}

}  // namespace casbook::replicate