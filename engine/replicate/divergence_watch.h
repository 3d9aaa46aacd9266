// Whether all nodes have the same book: who sends a digest when, and who is wrong where two differ.
//
//   leader     a digest, a part of the book each time --> all
//   follower   compares it when it has applied that much --> which blocks are equal, what is not
//   leader     counts: what a majority has is right, itself counted
//                the follower is alone with it        --> verdict: it quarantines its book
//                a majority differs in the same way   --> the leader quarantines its own
//                a majority cannot apply the log      --> the same
//                no majority for two seconds          --> as the leader has it; it is said
//
// What differs is looked at again with the next digest, until nobody differs there.
//
// A state machine: one caller at a time, no clock.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>

#include "replicate/digest.h"

namespace casbook::replicate {

struct DivergenceOptions {
  uint64_t node = 0;
  uint64_t bytes_per_second = 8ull << 20;  // of cells, at most; 0: no digests
};

class DivergenceWatch {
 public:
  explicit DivergenceWatch(const DivergenceOptions& options) : options_(options) {}

  // Another term, or another standing of the book: what was under way is void.
  void begin(uint64_t term);

  // --- leader
  // Nothing: it is not time yet.
  std::optional<DigestPlan> plan(uint64_t index, Position position, uint32_t blocks_max,
                                 int64_t now_ns);
  void made(const Digest& digest);
  struct Judgement {
    std::vector<uint64_t> odd;  // nodes whose book is wrong
    DigestVerdict verdict;      // for these
    // What the majority has is not what this book has.
    bool is_leader_odd = false;
    Divergence divergence;
  };
  // `voters`: the others whose books count; what a stand-by has is judged, and judges nothing.
  Judgement answered(uint64_t from, const DigestAnswer& answer, std::span<const uint64_t> voters,
                     int64_t now_ns);

  // --- follower
  void came(Digest&& digest);
  // That can be compared, now that so much is applied. Null: none.
  std::shared_ptr<const Digest> due(uint64_t applied);
  // Whether due(), or plan(), may have one.
  bool is_due(uint64_t applied) const;
  bool may_plan(int64_t now_ns) const {
    return options_.bytes_per_second != 0 && now_ns >= next_ns_;
  }
  void compared(const Comparison& comparison);
  // What this node said in that digest. Nothing: it said nothing of the kind, or long ago.
  std::optional<Divergence> judged(const DigestVerdict& verdict) const;

  struct Counts {
    uint64_t digests = 0;  // made, or compared
    Position position;     // of the last that was made, or of which nothing differed
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Sent {
    Digest digest;
    std::map<uint64_t, DigestAnswer> answers;  // by node
  };
  static size_t count_of(const Sent& sent, const DigestAnswer& claim, bool as_leader,
                         std::span<const uint64_t> voters);
  void suspect(const Digest& digest, const DigestAnswer& answer, int64_t now_ns);

  const DivergenceOptions options_;
  uint64_t term_ = 0, number_ = 0;
  int64_t next_ns_ = 0;
  uint64_t next_unit_ = 0;
  std::optional<uint64_t> suspect_unit_;  // is looked at next
  int64_t suspected_since_ns_ = 0, suspected_last_ns_ = 0;
  bool is_out_of_turn_ = false;
  std::deque<Sent> sent_;
  std::set<uint64_t> unfit_;  // nodes that cannot apply what is committed

  std::deque<std::shared_ptr<const Digest>> waiting_;
  std::map<uint64_t, Divergence> found_;  // by number of the digest
  Counts counts_;
};

}  // namespace casbook::replicate
