// What comes of an event: entries for the log, messages that leave, changes that are committed now.
#include "base/assert.h"
#include "replicate/consensus_impl.h"

namespace casbook::replicate {

using base::Mutant;
using base::mutated;
using journal::EntryType;

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

}  // namespace casbook::replicate
