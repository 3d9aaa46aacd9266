// What nodes say to each other about the log: Raft's messages, and the acknowledgement of receipt
// that `quorum` and reads are built on. PROTOCOL.md has their bytes and rules.
#pragma once

#include <variant>

#include "replicate/entry.h"

namespace casbook::replicate {

// `version` is libraft's own and has to travel: without it a pre-vote's answer counts as a vote.
struct AppendEntries {
  uint8_t version = 0;
  uint64_t term = 0, prev_index = 0, prev_term = 0, commit = 0;
  // The entries behind prev_index: outgoing by number only, the transport has them from an
  // EntrySource; incoming as many as are there, from the first on.
  uint32_t count = 0;
  std::vector<EntryPtr> entries;
  uint64_t round = 0;  // of the leader: counts its requests for proof that it leads
};

struct AppendResult {
  uint8_t version = 0;
  uint64_t term = 0, rejected = 0, last_index = 0;
  uint16_t features = 0, capacity = 0;
};

struct VoteRequest {
  uint8_t version = 0;
  uint64_t term = 0, candidate = 0, last_index = 0, last_term = 0;
  bool disrupt_leader = false, is_pre_vote = false;
};

struct VoteResult {
  uint8_t version = 0;
  uint64_t term = 0;
  bool is_granted = false, is_pre_vote = false;
  uint16_t features = 0, capacity = 0;
};

struct TimeoutNow {
  uint8_t version = 0;
  uint64_t term = 0, last_index = 0, last_term = 0;
};

// From a follower that has the leader's log up to `index` in memory, not on disk yet, and heard
// `round` from the leader of `term`.
struct Received {
  uint64_t term = 0, index = 0, round = 0;
};

// From the leader to a follower that lacks entries which the leader's log has no more: come and get
// a copy (catch_up.h). Everything up to `base_index` is committed.
struct Offer {
  uint64_t term = 0, base_index = 0, base_term = 0;
};

using Message =
    std::variant<AppendEntries, AppendResult, VoteRequest, VoteResult, TimeoutNow, Received, Offer>;

struct Outgoing {
  uint64_t to = 0;  // node
  Message message;
};

}  // namespace casbook::replicate
