#include "replicate/raft_messages.h"

#include "base/assert.h"
#include "base/probe.h"

namespace casbook::replicate {
namespace {

using base::Mutant;

struct ToRaft {
  RaftShimMessage out{};

  void operator()(const AppendEntries& m) {
    out.type = kRaftShimAppendEntries;
    out.prev_index = m.prev_index;
    out.prev_term = m.prev_term;
    out.commit = m.commit;
    head(m);
  }
  void operator()(const AppendResult& m) {
    out.type = kRaftShimAppendResult;
    out.rejected = m.rejected;
    out.last_index = m.last_index;
    out.features = m.features;
    out.capacity = m.capacity;
    head(m);
  }
  void operator()(const VoteRequest& m) {
    out.type = kRaftShimVoteRequest;
    out.candidate = m.candidate;
    out.last_index = m.last_index;
    out.last_term = m.last_term;
    out.disrupt_leader = m.disrupt_leader;
    out.is_pre_vote = m.is_pre_vote;
    head(m);
  }
  void operator()(const VoteResult& m) {
    out.type = kRaftShimVoteResult;
    out.is_granted = m.is_granted;
    out.is_pre_vote = m.is_pre_vote;
    out.features = m.features;
    out.capacity = m.capacity;
    head(m);
  }
  void operator()(const TimeoutNow& m) {
    out.type = kRaftShimTimeoutNow;
    out.last_index = m.last_index;
    out.last_term = m.last_term;
    head(m);
  }
  template <class M>
  void operator()(const M&) {
    CASBOOK_ASSERT(!"libraft knows no such message");
  }

 private:
  template <class M>
  void head(const M& m) {
    out.version = m.version;
    out.term = m.term;
  }
};

}  // namespace

RaftShimMessage to_raft(uint64_t from, const Message& message) {
  ToRaft convert;
  std::visit(convert, message);
  convert.out.node = from;
  return convert.out;
}

Outgoing from_raft(const RaftShimMessage& m) {
  const uint8_t version = base::mutated(Mutant::consensus_version_dropped) ? 0 : m.version;
  Outgoing out{.to = m.node, .message = {}};
  switch (m.type) {
    case kRaftShimAppendEntries:
      out.message = AppendEntries{.version = version,
                                  .term = m.term,
                                  .prev_index = m.prev_index,
                                  .prev_term = m.prev_term,
                                  .commit = m.commit,
                                  .count = m.count,
                                  .entries = {},
                                  .round = 0};
      break;
    case kRaftShimAppendResult:
      out.message = AppendResult{.version = version,
                                 .term = m.term,
                                 .rejected = m.rejected,
                                 .last_index = m.last_index,
                                 .features = m.features,
                                 .capacity = m.capacity};
      break;
    case kRaftShimVoteRequest:
      out.message = VoteRequest{.version = version,
                                .term = m.term,
                                .candidate = m.candidate,
                                .last_index = m.last_index,
                                .last_term = m.last_term,
                                .disrupt_leader = m.disrupt_leader,
                                .is_pre_vote = m.is_pre_vote};
      break;
    case kRaftShimVoteResult:
      out.message = VoteResult{.version = version,
                               .term = m.term,
                               .is_granted = m.is_granted,
                               .is_pre_vote = m.is_pre_vote,
                               .features = m.features,
                               .capacity = m.capacity};
      break;
    case kRaftShimTimeoutNow:
      out.message = TimeoutNow{
          .version = version, .term = m.term, .last_index = m.last_index, .last_term = m.last_term};
      break;
    case kRaftShimInstallSnapshot:
      // The bytes go another way, and only when the follower asks for them (D12).
      out.message = Offer{.term = m.term, .base_index = m.last_index, .base_term = m.last_term};
      break;
  }
  return out;
}

uint64_t term_of(const Message& message) {
  return std::visit([](const auto& m) { return m.term; }, message);
}

}  // namespace casbook::replicate
