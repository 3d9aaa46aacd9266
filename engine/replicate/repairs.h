// What the receivers of our entries ask for again, and when they get it.
//
//   a fragment is due a short while after the first asks, so that others who miss it too can ask:
//   two or more get it by multicast, once
//   asks for what was sent to that receiver within a round trip are ignored
//   each receiver has an allowance: a share of what is sent anew, and a floor. One that loses
//   everything then slows down itself, and not those who keep up.
#pragma once

#include <functional>
#include <map>

#include "replicate/wire.h"

namespace casbook::replicate {

struct RepairOptions {
  uint32_t peers = 0;                 // at most
  uint32_t fragment_bytes = 0;        // of a body in one datagram, a multiple of kGranuleBytes
  int64_t gather_ns = 500'000;        // wait for others to ask
  int64_t repeat_min_ns = 1'000'000;  // asks within it are one; or a round trip where that is more
  uint64_t floor_bytes_per_s = 16ull << 20;
  uint64_t burst_bytes = 256ull << 10;
};

class Repairs {
 public:
  using Peers = uint32_t;  // bit n: the n-th peer
  // Sends that piece of the entry to those; returns what it took on the wire for each.
  using Send =
      std::function<uint32_t(Peers to, const LogEntry& entry, uint32_t offset, uint32_t bytes)>;

  explicit Repairs(const RepairOptions& options);

  void ask(uint32_t peer, const Hole& hole, EntrySource& entries, int64_t round_trip_ns,
           int64_t now_ns);
  // Of bodies in datagrams from here on. What was asked for is forgotten: it is asked for again.
  void set_fragment_bytes(uint32_t bytes) {
    options_.fragment_bytes = bytes;
    wants_.clear(), deadline_ns_ = INT64_MAX;
  }
  // Who is there. Who was not before begins with a whole allowance; who is not any more gets nothing.
  void set_peers(Peers peers);
  // So much was sent that is no repair.
  void note_sent(uint64_t bytes);
  void send_due(EntrySource& entries, const Send& send, int64_t now_ns);
  int64_t deadline_ns() const { return deadline_ns_; }
  uint64_t waiting() const { return wants_.size(); }

 private:
  struct Key {
    uint64_t index;
    uint32_t fragment;
    auto operator<=>(const Key&) const = default;
  };
  struct Want {
    Peers waiting = 0, served = 0;
    int64_t due_ns = 0, served_ns = 0, forget_ns = 0;
  };

  void want(uint32_t peer, const Key& key, int64_t round_trip_ns, int64_t now_ns);
  void refill(int64_t now_ns);
  Peers affordable(Peers peers) const;
  void charge(Peers peers, uint32_t bytes);

  RepairOptions options_;
  Peers peers_ = 0;
  std::map<Key, Want> wants_;
  std::vector<int64_t> allowance_;  // bytes, per peer
  int64_t refilled_ns_ = 0;
  int64_t deadline_ns_ = INT64_MAX;
};

}  // namespace casbook::replicate
