// The parts of a Consensus, for its own sources: consensus.cc (how it begins, what the node does by
// itself), consensus_receive.cc (what other nodes say, and what of it is believed),
// consensus_update.cc (what comes of an event).
#pragma once

#include <algorithm>

#include "base/error.h"
#include "base/probe.h"
#include "replicate/consensus.h"
#include "replicate/raft_entries.h"
#include "replicate/raft_messages.h"
#include "replicate/term_ranges.h"

namespace casbook::replicate {

using base::bad_argument;  // no node that follows the rules says or asks for this

// damaged: what this node has cannot be.
inline Error contradiction(std::string what) {
  return {.code = Code::damaged, .detail = std::move(what)};
}
// Of a status of raft_shim.h that is not kRaftShimOk.
Error error_of(int status);

// The sessions of the transport and what is checked here guard twice against late messages (D2,
// D3). To see that it matters, both have to be off.
inline bool believes_late_messages() {
  return base::mutated(base::Mutant::consensus_commit_falls) ||
         base::mutated(base::Mutant::transport_unordered);
}

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

  // --- consensus.cc
  Result<void> begin(const Recovered& recovered, int64_t now_ms);
  Result<void> take_over(const Recovered& recovered);
  Result<void> check_change(const LogEntry& entry) const;
  const Configuration& configuration() const;

  // --- consensus_receive.cc
  Result<void> check_message(uint64_t from, const Message& message) const;
  Result<void> check_append(const AppendEntries& m) const;
  bool is_idle_talk(const Message& message) const;
  void believe_match(RaftShimMessage& m) const;
  Result<Update> receive_append(uint64_t from, const AppendEntries& m, int64_t now_ms);
  size_t unambiguous(std::span<const EntryPtr> entries) const;
  Result<void> append_part(RaftShimMessage& head, std::span<const EntryPtr> part, int64_t now_ms,
                           Update& out);
  Result<void> settle_before(const RaftShimMessage& head, const EntryPtr& first, int64_t now_ms,
                             Update& out);
  void step_back_further(AppendResult& result) const;

  // --- consensus_update.cc
  Result<void> take(int status, const RaftShimUpdate& update, const Event& event, int64_t now_ms,
                    Update& out);
  void take_entries(const RaftShimUpdate& update, const Event& event, Update& out);
  void take_messages(const RaftShimUpdate& update, const Event& event, int64_t now_ms, Update& out);
  bool is_needless(const RaftShimMessage& m, const Event& event, int64_t now_ms);
  Result<void> settle_changes(uint64_t upto, int64_t now_ms, Update& out);
  Result<void> tell_changed(const Change& change, int64_t now_ms, Update& out);
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

}  // namespace casbook::replicate
