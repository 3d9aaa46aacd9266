// What nodes say to each other about the log: Raft's messages, and the acknowledgement of receipt
// that `quorum` and reads are built on. PROTOCOL.md has their bytes and rules.
#pragma once

#include <variant>

#include "replicate/entry.h"
#include "replicate/place_sums.h"

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

// From the leader to all: somebody waits for the disk with entries up to `index`, so no follower is
// to keep them in memory alone any longer. Nothing is decided by it: lost, it costs a delay.
struct DiskWanted {
  uint64_t term = 0, index = 0;
  bool is_alone = false;  // nobody waits for memory: word of the disk will do
};

// So many units of cells; those that changed behind the position of the digest are left out, a bit
// for each unit at which such a cell begins.
constexpr uint32_t kDigestBlockUnits = 64;
constexpr uint32_t kDigestBlocksMax = 64;
struct DigestBlock {
  uint64_t left_out = 0;
  PlaceSums sums;
};

// From the leader to all: what its book was at `position`, the end of entry `index`; of the cells a
// part, another one each time.
struct Digest {
  uint64_t term = 0, number = 0;  // counts the digests of the term
  uint64_t index = 0;
  Position position;
  uint64_t entries_before = 0;  // of the run of entries that ends at `index`
  PlaceSums entries;
  uint64_t first_unit = 0;
  std::vector<DigestBlock> blocks;
};

// Of a follower: which blocks are equal, a bit for each, and what it has where the first is not.
struct DigestAnswer {
  // Beside numbers of blocks. kUnfit: an entry, `sums.plain`, could not be applied, for all that.
  static constexpr uint8_t kNothing = 0xff, kEntries = 0xfe, kUnfit = 0xfd;
  uint64_t term = 0, number = 0, equal = 0;
  bool are_entries_equal = false;  // false: or not known
  uint8_t differing = kNothing;
  PlaceSums sums;
};

// To a follower: it is its book that is wrong, where it said that it differs.
struct DigestVerdict {
  uint64_t term = 0, number = 0;
  bool is_of_majority = false;  // false: there was none that agreed
};

using Message = std::variant<AppendEntries, AppendResult, VoteRequest, VoteResult, TimeoutNow,
                             Received, Offer, Digest, DigestAnswer, DigestVerdict, DiskWanted>;

struct Outgoing {
  uint64_t to = 0;  // node
  Message message;
};

}  // namespace casbook::replicate
