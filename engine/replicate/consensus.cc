#include "replicate/consensus.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "base/probe.h"
#include "replicate/raft_entries.h"
#include "replicate/raft_messages.h"
#include "replicate/term_ranges.h"

namespace casbook::replicate {
namespace {

using base::Mutant;
using base::mutated;
using journal::EntryType;

Error bad(std::string what) { return {.code = Code::bad_argument, .detail = std::move(what)}; }
Error contradiction(std::string what) { return {.code = Code::damaged, .detail = std::move(what)}; }

Error error_of(int status) {
  switch (status) {
    case kRaftShimNoMemory:
      return {.code = Code::no_memory, .detail = "consensus"};
    case kRaftShimNotLeader:
      return {.code = Code::not_leader, .detail = {}};
    case kRaftShimChangePending:
      return bad("change of configuration: the one before it is not committed yet");
    case kRaftShimContradiction:
      return contradiction("a committed entry of this node's log differs from the leader's");
    default:
      return bad("consensus refuses this");
  }
}

// The sessions of the transport and what is checked here guard twice against late messages (D2,
// D3). To see that it matters, both have to be off.
bool believes_late_messages() {
  return mutated(Mutant::consensus_commit_falls) || mutated(Mutant::transport_unordered);
}

}  // namespace

struct Consensus::Impl {
  struct Change {
    uint64_t index = 0;
    Configuration configuration;
  };
  struct Sent {
    uint64_t node = 0;
    int64_t time_ms = 0;
    uint64_t prev_index = 0;
  };
  // What an event was about, for what comes of it.
  struct Event {
    std::span<const EntryPtr> entries{};  // those that may be handed out
    bool is_quiet = false;                // an AppendEntries without entries has to say nothing new
  };

  ~Impl() { raft_shim_destroy(shim); }

  Result<void> begin(const Recovered& recovered, int64_t now_ms);
  Result<void> take_over(const Recovered& recovered);

  Result<void> check_message(uint64_t from, const Message& message) const;
  Result<void> check_append(const AppendEntries& m) const;
  bool is_idle_talk(const Message& message) const;
  void believe_match(RaftShimMessage& m) const;

  Result<Update> receive_append(uint64_t from, const AppendEntries& m, int64_t now_ms);
  size_t unambiguous(std::span<const EntryPtr> entries) const;
  Result<void> append_part(RaftShimMessage& head, std::span<const EntryPtr> part, int64_t now_ms,
                           Update& out);
  void step_back_further(AppendResult& result) const;

  Result<void> take(int status, const RaftShimUpdate& update, const Event& event, int64_t now_ms,
                    Update& out);
  void take_entries(const RaftShimUpdate& update, const Event& event, Update& out);
  void take_messages(const RaftShimUpdate& update, const Event& event, int64_t now_ms, Update& out);
  bool is_needless(const RaftShimMessage& m, const Event& event, int64_t now_ms);
  Result<void> settle_changes(uint64_t upto, int64_t now_ms, Update& out);
  Result<void> tell_changed(const Change& change, int64_t now_ms, Update& out);
  Result<void> settle_before(const RaftShimMessage& head, const EntryPtr& first, int64_t now_ms,
                             Update& out);
  Result<void> check_change(const LogEntry& entry) const;
  const Configuration& configuration() const;
  uint64_t best_voter() const;
  void press_heir(int64_t now_ms, Update& out);
  Result<void> begin_term(int64_t now_ms, Update& out);

  bool is_standing() const { return raft_shim_is_standing(shim); }
  // Whether a vote for this node may have an effect: of this term, or of the next.
  bool may_win() const { return may_lead && (is_standing() || term() < kTermMax); }
  bool leads() const { return raft_shim_state(shim) == kRaftShimLeader; }
  uint64_t term() const { return raft_shim_term(shim); }

  uint64_t node = 0;
  ConsensusOptions options;
  RaftShim* shim = nullptr;

  TermRanges terms;             // of the entries that were handed out
  std::vector<Change> changes;  // the last committed one, then those behind it
  uint64_t version = 0;         // counts what happens to them
  uint64_t settled = 0;  // changes up to this index are known to be committed, to libraft too
  uint64_t stored = 0;
  uint64_t commit = 0;
  // The highest term of an entry that was replaced before it was reported, until what replaced it
  // is. See unambiguous().
  uint64_t replaced_term = 0;
  uint64_t leader_term = 0;  // in which a leader was heard; libraft remembers those of earlier ones
  bool was_leading = false;
  std::optional<int64_t> pressed_ms;  // when who is to lead was last told so
  // While false libraft does its elections, but no pre-vote leaves and no answer comes in: as a
  // candidate it has no leader, and grants votes.
  bool may_lead = true;
  std::vector<Sent> sent;  // AppendEntries to each follower, those that left
  RaftEntries in_raft;     // of the event
};

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

// --- what comes of an event ----------------------------------------------------------------------

Result<void> Consensus::Impl::take(int status, const RaftShimUpdate& update, const Event& event,
                                   int64_t now_ms, Update& out) {
  if (status != kRaftShimOk) return error_of(status);
  if (update.has_term_or_vote) {
    out.has_term_or_vote = true;
    out.term = term();
    out.voted_for = raft_shim_voted_for(shim);
  }
  if (update.entries) take_entries(update, event, out);
  if (update.messages) take_messages(update, event, now_ms, out);
  const uint64_t said = raft_shim_commit_index(shim);
  commit = believes_late_messages() ? said : std::max(commit, said);
  if (const auto done = settle_changes(commit, now_ms, out); !done) return done;
  press_heir(now_ms, out);
  const bool begins = leads() && !was_leading;
  was_leading = leads();
  if (begins && !update.entries) return begin_term(now_ms, out);
  return {};
}

void Consensus::Impl::take_entries(const RaftShimUpdate& update, const Event& event, Update& out) {
  const uint64_t first = update.first_index;
  if (first <= terms.last_index()) {
    if (terms.last_index() > stored) replaced_term = std::max(replaced_term, terms.last_term());
    terms.truncate(first);
    stored = std::min(stored, first - 1);
    while (!changes.empty() && changes.back().index >= first) changes.pop_back(), ++version;
  }
  size_t given = 0;
  while (given < event.entries.size() && event.entries[given]->index < first) ++given;
  for (unsigned i = 0; i < update.entries; ++i) {
    if (given == event.entries.size()) {  // libraft's own: what a leader begins its term with
      CASBOOK_ASSERT(update.entries == 1);
      out.entries.push_back(std::make_shared<LogEntry>(
          LogEntry{.index = first, .term = term(), .type = EntryType::barrier, .body = {}}));
    } else {
      CASBOOK_ASSERT(event.entries[given]->index == first + i);
      out.entries.push_back(event.entries[given++]);
    }
    const EntryPtr& entry = out.entries.back();
    terms.append(entry->term);
    if (!is_change(entry)) continue;
    changes.push_back({entry->index, *decode_configuration(entry->body)});
    ++version;
  }
}

// D19: an AppendEntries that libraft sends because there is more, while the window to that follower
// is full. One per heartbeat has to go: libraft itself counts each as one.
bool Consensus::Impl::is_needless(const RaftShimMessage& m, const Event& event, int64_t now_ms) {
  const auto before = std::find_if(sent.begin(), sent.end(),
                                   [&m](const Sent& other) { return other.node == m.node; });
  if (before == sent.end()) {
    sent.push_back({m.node, now_ms, m.prev_index});
    return false;
  }
  before->prev_index = m.prev_index;
  if (event.is_quiet && m.count == 0 && now_ms - before->time_ms < options.heartbeat_ms)
    return true;
  before->time_ms = now_ms;
  return false;
}

void Consensus::Impl::take_messages(const RaftShimUpdate& update, const Event& event,
                                    int64_t now_ms, Update& out) {
  out.messages.reserve(out.messages.size() + update.messages);
  for (unsigned i = 0; i < update.messages; ++i) {
    RaftShimMessage m;
    raft_shim_message(shim, i, &m);
    switch (m.type) {
      case kRaftShimInstallSnapshot:
        if (mutated(Mutant::offer_dropped)) continue;
        break;
      case kRaftShimVoteRequest:
        if (!may_lead || m.term > kTermMax || !configuration().has_voter(node)) continue;
        break;
      case kRaftShimAppendEntries:
        if (is_needless(m, event, now_ms)) continue;
        break;
      case kRaftShimTimeoutNow:  // D27: press_heir() says it
        continue;
      default:
        break;
    }
    out.messages.push_back(from_raft(m));
  }
}

// libraft is told by us when a change is committed. `upto`: what is known of it.
Result<void> Consensus::Impl::settle_changes(uint64_t upto, int64_t now_ms, Update& out) {
  // Progress: each round settles one.
  while (!changes.empty()) {
    const size_t next = changes[0].index > settled ? 0 : 1;
    if (changes.size() <= next || changes[next].index > upto) return {};
    if (next == 1) changes.erase(changes.begin());
    settled = changes[0].index, ++version;
    if (const auto told = tell_changed(changes[0], now_ms, out); !told) return told;
  }
  return {};
}

Result<void> Consensus::Impl::tell_changed(const Change& change, int64_t now_ms, Update& out) {
  const bool was_leader = leads();
  const uint64_t heir = was_leader ? best_voter() : 0;
  RaftShimUpdate update;
  const RaftConfiguration in_words(change.configuration);
  const int status =
      raft_shim_changed(shim, change.index, in_words.get(), static_cast<uint64_t>(now_ms), &update);
  if (status != kRaftShimOk) return error_of(status);
  CASBOOK_ASSERT(!update.entries);
  take_messages(update, {}, now_ms, out);
  // D25: a leader that was removed steps down and says nothing to anybody. The one that has most
  // need not wait for a timeout.
  if (was_leader && !leads() && heir)
    out.messages.push_back({heir, TimeoutNow{.term = term(),
                                             .last_index = terms.last_index(),
                                             .last_term = terms.last_term()}});
  return {};
}

// D27: libraft tells the heir once, at its first answer, whatever that one says. It refuses while
// it lacks an entry or its disk does, the message may be lost, and the heir may not be able to lead
// yet: so it is told when it has all, and again with each heartbeat. Once it stands it takes no
// notice.
void Consensus::Impl::press_heir(int64_t now_ms, Update& out) {
  const uint64_t heir = leads() ? raft_shim_transferee(shim) : 0;
  if (heir == 0) return pressed_ms.reset();
  if (raft_shim_match_index(shim, heir) != terms.last_index()) return;
  if (pressed_ms && now_ms - *pressed_ms < options.heartbeat_ms) return;
  pressed_ms = now_ms;
  out.messages.push_back({heir, TimeoutNow{.term = term(),
                                           .last_index = terms.last_index(),
                                           .last_term = terms.last_term()}});
}

uint64_t Consensus::Impl::best_voter() const {
  uint64_t best = 0, best_match = 0;
  for (const Server& server : configuration().servers) {
    const uint64_t match = raft_shim_match_index(shim, server.id);
    if (server.is_voter() && server.id != node && match > best_match)
      best = server.id, best_match = match;
  }
  return best;
}

// libraft leaves out the barrier where all of the log is committed already, unless the program is
// called unit-test (D10). But it is the barrier by which followers' books learn of the term.
Result<void> Consensus::Impl::begin_term(int64_t now_ms, Update& out) {
  if (mutated(Mutant::consensus_no_barrier)) return {};
  const EntryPtr barrier = std::make_shared<LogEntry>(LogEntry{
      .index = terms.last_index() + 1, .term = term(), .type = EntryType::barrier, .body = {}});
  in_raft.assign({&barrier, 1});
  RaftShimUpdate update;
  const int status = raft_shim_submit(shim, in_raft.data(), static_cast<uint64_t>(now_ms), &update);
  return take(status, update, {.entries = {&barrier, 1}}, now_ms, out);
}

// --- messages ------------------------------------------------------------------------------------

Result<void> Consensus::Impl::check_append(const AppendEntries& m) const {
  if ((m.prev_index == 0) != (m.prev_term == 0) || m.prev_term > m.term)
    return bad("AppendEntries: index and term before its entries do not fit");
  if (m.term == term() && leads())
    return bad("AppendEntries: from another leader of term " + std::to_string(m.term));
  uint64_t index = m.prev_index, last_term = m.prev_term;
  for (const EntryPtr& entry : m.entries) {
    if (entry->index != ++index || entry->term < last_term || entry->term == 0 ||
        entry->term > m.term)
      return bad("AppendEntries: index or term of entry " + std::to_string(entry->index));
    if (is_change(entry) && !decode_configuration(entry->body))
      return bad("AppendEntries: entry " + std::to_string(index) + " is no configuration");
    last_term = entry->term;
  }
  return {};
}

// libraft asserts what is checked here; Debian's build of it has no asserts.
Result<void> Consensus::Impl::check_message(uint64_t from, const Message& message) const {
  if (from == 0 || from == node) return bad("message: from node " + std::to_string(from));
  if (term_of(message) == 0 || term_of(message) > kTermMax)
    return bad("message: of term " + std::to_string(term_of(message)));
  if (const auto* append = std::get_if<AppendEntries>(&message)) return check_append(*append);
  if (const auto* vote = std::get_if<VoteRequest>(&message); vote && vote->candidate != from)
    return bad("VoteRequest: for node " + std::to_string(vote->candidate) + " from node " +
               std::to_string(from));
  if (!is_of_raft(message)) return bad("message: not for consensus");
  return {};
}

// Nothing may come of these.
//
// A vote's answer that comes late would raise the term of a node that asks for none any more: of a
// follower libraft reads `in_pre_vote` from where it keeps a pointer, and takes the answer to a
// pre-vote, whose term is one ahead, for a real one (D16).
bool Consensus::Impl::is_idle_talk(const Message& message) const {
  if (std::holds_alternative<VoteResult>(message))
    return raft_shim_state(shim) != kRaftShimCandidate || !may_win();
  return std::holds_alternative<TimeoutNow>(message) && !may_win();
}

// D3: what a follower has matched in this term it never loses, so a rejection that says otherwise
// is late. It still shows that the follower is there.
void Consensus::Impl::believe_match(RaftShimMessage& m) const {
  if (m.type != kRaftShimAppendResult || m.rejected == 0 || m.term != term()) return;
  if (mutated(Mutant::transport_unordered)) return;
  const uint64_t match = raft_shim_match_index(shim, m.node);
  if (m.rejected <= match) m.rejected = 0;
  m.last_index = m.rejected ? std::max(m.last_index, match) : match;
  // D21: who lacks that entry lacks what the last question was about, too, which alone libraft takes
  // an answer to. A follower that waits for entries which are nowhere any more answers for the first
  // of them.
  for (const Sent& question : sent)
    if (question.node == m.node && m.rejected && m.last_index < question.prev_index)
      m.rejected = std::max(m.rejected, question.prev_index);
}

Result<Update> Consensus::receive(uint64_t from, const Message& message, int64_t now_ms) {
  Impl& impl = *impl_;
  if (const auto sound = impl.check_message(from, message); !sound) return sound.error();
  if (const auto* append = std::get_if<AppendEntries>(&message))
    return impl.receive_append(from, *append, now_ms);
  if (impl.is_idle_talk(message)) return Update{};
  RaftShimMessage m = to_raft(from, message);
  impl.believe_match(m);
  const bool is_quiet = m.type == kRaftShimAppendResult && m.rejected == 0;
  // D24: libraft lets only those vote who know that they may. Whose configuration a vote counts in
  // is the candidate's matter: it asks, and counts, the voters of its own.
  const bool is_asked_in_vain =
      m.type == kRaftShimVoteRequest && !impl.leads() && !impl.configuration().has_voter(impl.node);
  const auto now = static_cast<uint64_t>(now_ms);
  RaftShimUpdate update;
  const int status = is_asked_in_vain ? raft_shim_receive_as_voter(impl.shim, &m, now, &update)
                                      : raft_shim_receive(impl.shim, &m, nullptr, now, &update);
  Update out;
  const auto taken = impl.take(status, update, {.is_quiet = is_quiet}, now_ms, out);
  if (!taken) return taken.error();
  return out;
}

// How many of these can be taken now. Reports name an entry by index and term. When entries were
// replaced before they were reported, and a later leader brings the same ones back, the report of
// the first writing would count for the second: so those wait until all else is reported (D13).
size_t Consensus::Impl::unambiguous(std::span<const EntryPtr> entries) const {
  if (replaced_term == 0) return entries.size();
  size_t count = 0;
  while (count < entries.size() && (entries[count]->term > replaced_term ||
                                    terms.of(entries[count]->index) == entries[count]->term))
    ++count;
  return count;
}

Result<Update> Consensus::Impl::receive_append(uint64_t from, const AppendEntries& m,
                                               int64_t now_ms) {
  const bool is_old = m.term < term();
  std::span<const EntryPtr> entries = m.entries;
  RaftShimMessage head = to_raft(from, m);
  if (is_old) entries = {};
  // D3: what was cut from this log was committed, so the leader has the same.
  if (!is_old && m.prev_index < terms.base_index()) {
    entries = entries.subspan(std::min(entries.size(), terms.base_index() - m.prev_index));
    head.prev_index = terms.base_index();
    head.prev_term = terms.base_term();
  }
  entries = entries.first(unambiguous(entries));
  if (!is_old) leader_term = m.term;

  Update out;
  const bool is_whole = mutated(Mutant::consensus_change_mid_batch);
  do {
    // D1: a change comes first in its part.
    size_t count = std::min<size_t>(entries.size(), 1);
    while (count < entries.size() && (is_whole || !is_change(entries[count]))) ++count;
    const auto part = entries.first(count);
    if (count && is_change(part[0]))
      if (const auto done = settle_before(head, part[0], now_ms, out); !done) return done.error();
    if (const auto taken = append_part(head, part, now_ms, out); !taken) return taken.error();
    if (count && terms.of(part.back()->index) != part.back()->term) break;  // rejected
    if (count) {
      head.prev_index = part.back()->index;
      head.prev_term = part.back()->term;
    }
    entries = entries.subspan(count);
  } while (!entries.empty());

  for (Outgoing& outgoing : out.messages)
    if (auto* result = std::get_if<AppendResult>(&outgoing.message)) {
      if (is_old) result->last_index = 0;  // D9: never set
      if (!is_old && result->rejected) step_back_further(*result);
    }
  return out;
}

// D22: a follower that gets a second change before it knows that the first is committed keeps one
// of them: when the second is cut off, libraft goes back to what was before both. But there is a
// second one only because the first is committed.
Result<void> Consensus::Impl::settle_before(const RaftShimMessage& head, const EntryPtr& first,
                                            int64_t now_ms, Update& out) {
  const bool is_next = terms.of(head.prev_index) == head.prev_term;
  if (!is_next || mutated(Mutant::consensus_change_forgotten)) return {};
  return settle_changes(first->index - 1, now_ms, out);
}

Result<void> Consensus::Impl::append_part(RaftShimMessage& head, std::span<const EntryPtr> part,
                                          int64_t now_ms, Update& out) {
  in_raft.assign(part);
  RaftShimMessage m = head;
  m.count = in_raft.count();
  // D2: libraft takes the lower of the leader's commit index and the last entry of the message for
  // its own, also where it knew of more.
  if (m.prev_index + m.count < commit && !believes_late_messages()) m.commit = 0;
  RaftShimUpdate update;
  const int status =
      raft_shim_receive(shim, &m, in_raft.data(), static_cast<uint64_t>(now_ms), &update);
  return take(status, update, {.entries = part}, now_ms, out);
}

// D4: where libraft names the entry before the one rejected, and so needs a round trip for each,
// name the one before all that are of the same term. What is committed here cannot be wrong.
void Consensus::Impl::step_back_further(AppendResult& result) const {
  if (mutated(Mutant::consensus_steps_back_singly)) return;
  if (result.rejected > terms.last_index() || result.rejected <= terms.base_index()) return;
  const uint64_t before = terms.first_alike(result.rejected) - 1;
  result.last_index = std::min(result.last_index, std::max(before, commit));
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
    return bad("change: " + sound.error().detail);
  const bool is_begun = terms.of(commit) == term() || mutated(Mutant::consensus_change_early);
  if (!is_begun) return bad("change of configuration: no entry of this term is committed yet");
  const bool is_over =
      changes.back().index <= commit || mutated(Mutant::consensus_changes_overlap);
  return is_over ? Result<void>() : error_of(kRaftShimChangePending);
}

Result<Update> Consensus::transfer(uint64_t to, int64_t now_ms) {
  RaftShimUpdate update;
  const int status = raft_shim_transfer(impl_->shim, to, static_cast<uint64_t>(now_ms), &update);
  if (status == kRaftShimInvalid)
    return bad("transfer: node " + std::to_string(to) + " is no other voter");
  Update out;
  if (const auto taken = impl_->take(status, update, {}, now_ms, out); !taken) return taken.error();
  return out;
}

Result<Update> Consensus::compacted(uint64_t index, int64_t now_ms) {
  Impl& impl = *impl_;
  if (index <= impl.terms.base_index()) return Update{};
  if (index > std::min(impl.commit, impl.stored))
    return bad("compacted: entry " + std::to_string(index) + " is not committed and on disk");
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
