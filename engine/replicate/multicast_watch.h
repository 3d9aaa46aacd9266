// Whether one peer hears our multicast. Switches that lose interest in a group (IGMP snooping
// without a querier) do so after minutes of service, and without a word.
//
// The peer tells by unicast the highest number that it heard by multicast. While that does not
// reach a number that went out a while ago, and the peer goes on telling, multicast is silent
// towards it: it then gets everything by unicast, until what goes by multicast is seen again.
#pragma once

#include <algorithm>
#include <cstdint>

namespace casbook::replicate {

class MulticastWatch {
 public:
  // Below the election timeout: the peer should not miss its leader meanwhile.
  static constexpr int64_t kSilenceNs = 60'000'000;

  void sent(uint64_t seq, int64_t now_ns) {
    if (mark_seq_ != 0) return;
    mark_seq_ = seq, mark_ns_ = now_ns;
  }
  void seen(uint64_t seq, int64_t round_trip_ns, int64_t now_ns) {
    if (mark_seq_ == 0) return;
    if (seq >= mark_seq_) {
      mark_seq_ = 0, is_silent_ = false;
    } else if (now_ns - mark_ns_ > std::max(kSilenceNs, 4 * round_trip_ns)) {
      is_silent_ = true;
    }
  }
  // Another run of the peer.
  void begin_anew() { *this = {}; }
  bool is_silent() const { return is_silent_; }

 private:
  uint64_t mark_seq_ = 0;  // sent, and not seen yet; 0: none
  int64_t mark_ns_ = 0;
  bool is_silent_ = false;
};

}  // namespace casbook::replicate
