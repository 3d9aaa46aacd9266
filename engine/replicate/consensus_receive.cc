// What other nodes say: what of it no node that follows the rules says, what of it is late, and how
// libraft is told of the rest.
#include "base/limits.h"
#include "replicate/consensus_impl.h"

namespace casbook::replicate {

using base::Mutant;
using base::mutated;

Result<void> Consensus::Impl::check_append(const AppendEntries& m) const {
  if ((m.prev_index == 0) != (m.prev_term == 0) || m.prev_term > m.term)
    return bad_argument("AppendEntries: index and term before its entries do not fit");
  if (m.term == term() && leads())
    return bad_argument("AppendEntries: from another leader of term " + std::to_string(m.term));
  uint64_t index = m.prev_index, last_term = m.prev_term;
  for (const EntryPtr& entry : m.entries) {
    if (entry->index != ++index || entry->term < last_term || entry->term == 0 ||
        entry->term > m.term)
      return bad_argument("AppendEntries: index or term of entry " + std::to_string(entry->index));
    if (is_change(entry) && !decode_configuration(entry->body))
      return bad_argument("AppendEntries: entry " + std::to_string(index) + " is no configuration");
    last_term = entry->term;
  }
  return {};
}

// libraft asserts what is checked here; Debian's build of it has no asserts.
Result<void> Consensus::Impl::check_message(uint64_t from, const Message& message) const {
  if (from == 0 || from == node) return bad_argument("message: from node " + std::to_string(from));
  if (term_of(message) == 0 || term_of(message) > kTermMax)
    return bad_argument("message: of term " + std::to_string(term_of(message)));
  if (const auto* append = std::get_if<AppendEntries>(&message)) return check_append(*append);
  if (const auto* vote = std::get_if<VoteRequest>(&message); vote && vote->candidate != from)
    return bad_argument("VoteRequest: for node " + std::to_string(vote->candidate) + " from node " +
                        std::to_string(from));
  if (!is_of_raft(message)) return bad_argument("message: not for consensus");
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
  // D21: who lacks that entry lacks what the last question was about, too, which alone libraft
  // takes an answer to. A follower that waits for entries which are nowhere any more answers for
  // the first of them.
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

}  // namespace casbook::replicate
