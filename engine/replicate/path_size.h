// How large a datagram may be that the path to one peer lets pass in one piece. Datagrams are never
// cut on their way (don't-fragment is set), so one that is too large is lost, every time, while
// small ones pass: acknowledgements and heartbeats go on, and entries do not come.
//
//   steady     a probe of the present size now and then, and at once when the peer asks for repairs
//   searching  some were not answered though the peer was heard: one of every size; the largest
//              that is answered is the size from then on
//
// Larger sizes, up to what is configured, are tried again every kRaiseNs. Where the kernel refuses
// a size, for this host's interface carries less, the next smaller one is taken at once.
//
// A probe that is lost by chance costs a few smaller datagrams until the next raise, nothing else.
#pragma once

#include <cstdint>
#include <functional>

namespace casbook::replicate {

class PathSize {
 public:
  static constexpr int64_t kEveryNs = 1'000'000'000, kRaiseNs = 2'000'000'000;
  static constexpr int64_t kAnswerNs = 30'000'000;    // or four round trips
  static constexpr int64_t kSuspectNs = 200'000'000;  // between probes for a suspicion
  // Rounds without an answer before other sizes are tried, and probes of a size in a round then.
  static constexpr uint32_t kMissesMax = 2, kProbesEach = 2;

  using Send = std::function<void(uint32_t bytes)>;

  // A run of the peer begins: what is configured passes until it is known better.
  void begin(uint32_t bytes_max, int64_t now_ns);
  uint32_t bytes() const { return bytes_; }
  // INT64_MAX: never, for there is no smaller size.
  int64_t due_ns() const { return due_ns_; }
  // `send`: a probe of that size to the peer. heard_ns: when something of it came last.
  void tick(int64_t now_ns, int64_t round_trip_ns, int64_t heard_ns, const Send& send);
  // The peer had a probe of that size.
  void answered(uint32_t bytes);
  // It asks for what was sent to it.
  void suspect(int64_t now_ns);
  void refused(uint32_t bytes, int64_t now_ns);

 private:
  void judge(int64_t now_ns, int64_t heard_ns);
  void settle(uint32_t bytes, int64_t now_ns);

  uint32_t bytes_max_ = 0, bytes_ = 0;
  bool is_waiting_ = false, is_searching_ = false;
  uint32_t misses_ = 0, largest_answered_ = 0;
  int64_t sent_ns_ = 0, raise_ns_ = 0, due_ns_ = INT64_MAX;
};

}  // namespace casbook::replicate
