// Followers that cannot keep up with the leader.
//
//   in step     less than `soft_bytes` behind
//   lagging     between: the leader takes records a little slower, so that it can close up
//   out         more than `hard_bytes` behind: it gets heartbeats and offers of a copy, no entries
//   and
//               so no repairs. Only a copy brings it back, and what was paid meanwhile it gets by
//               the log: if another copy were needed, which takes longer than the one before,
//               payments that go on could keep it out for ever
//
// Only who is there counts: one that is silent slows nobody down, and one whose place in the log is
// not known yet is in step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace casbook::replicate {

struct LagLimits {
  uint64_t soft_bytes = 16ull << 20;
  // More than a copy is worth: checkpoint and log behind it.
  uint64_t hard_bytes = 256ull << 20;
};

class Laggards {
 public:
  explicit Laggards(const LagLimits& limits) : limits_(limits) {}

  // A new term: nobody's place is known.
  void begin() { followers_.clear(), last_ns_ = pause_until_ns_ = 0; }
  // Of a follower that was heard of: so many bytes of entries behind the end of the log.
  void note(uint64_t node, uint64_t bytes_behind, int64_t now_ns) {
    Follower& follower = find(node);
    follower.heard_ns = now_ns;
    follower.is_lagging = bytes_behind >= limits_.soft_bytes;
    if (now_ns < follower.may_be_out_ns && bytes_behind < follower.least_behind)
      follower.may_be_out_ns = now_ns + kMomentNs;
    follower.least_behind = std::min(follower.least_behind, bytes_behind);
    follower.is_out = bytes_behind > limits_.hard_bytes && now_ns >= follower.may_be_out_ns;
  }
  // It was started anew, perhaps on a copy: what is known of its place is old. It has a moment to
  // say what it has, and another one with each step that it comes nearer.
  void began_anew(uint64_t node, int64_t now_ns) {
    Follower& follower = find(node);
    follower.is_lagging = follower.is_out = false;
    follower.may_be_out_ns = now_ns + kMomentNs;
    follower.least_behind = UINT64_MAX;
  }
  bool is_out(uint64_t node) const {
    for (const Follower& follower : followers_)
      if (follower.node == node) return follower.is_out;
    return false;
  }
  // Somebody closes up: those that are out do so by a copy, those that are silent not at all.
  bool is_anybody_lagging(int64_t now_ns, int64_t silence_ns) const {
    return std::any_of(followers_.begin(), followers_.end(), [&](const Follower& follower) {
      return follower.is_lagging && !follower.is_out && now_ns - follower.heard_ns < silence_ns;
    });
  }

  // --- the leader's pace: an entry was taken, and the next one may be from `may_take_ns()` on.
  // While somebody lags, that is a quarter later than it would have been, at most 1 ms.
  void took(bool is_anybody_lagging, int64_t now_ns) {
    const int64_t since = last_ns_ == 0 ? 0 : now_ns - last_ns_;
    pause_until_ns_ =
        is_anybody_lagging ? now_ns + std::clamp<int64_t>(since / 4, 0, kPauseMaxNs) : 0;
    last_ns_ = now_ns;
  }
  int64_t may_take_ns() const { return pause_until_ns_; }

 private:
  static constexpr int64_t kPauseMaxNs = 1'000'000;
  static constexpr int64_t kMomentNs = 1'000'000'000;

  struct Follower {
    uint64_t node = 0;
    int64_t heard_ns = 0, may_be_out_ns = 0;
    uint64_t least_behind = UINT64_MAX;
    bool is_lagging = false, is_out = false;
  };
  Follower& find(uint64_t node) {
    for (Follower& follower : followers_)
      if (follower.node == node) return follower;
    return followers_.emplace_back(Follower{.node = node});
  }

  const LagLimits limits_;
  std::vector<Follower> followers_;
  int64_t last_ns_ = 0, pause_until_ns_ = 0;
};

}  // namespace casbook::replicate
