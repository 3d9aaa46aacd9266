// What is known of one peer: which of its runs is believed in, which of its datagrams were taken,
// how far away it is, and whether it hears multicast.
//
//   nothing   a datagram of an unknown boot: only whether it answers a challenge counts
//   accepted  it answered one of ours, given out a short while ago: so that run lives now, and what
//             was recorded of others is worth nothing
//
// Control frames are taken in the order of sending only, late and duplicate ones never: what Raft
// makes of those is harmless at best (replicate/README.md, D2 and D3). DATA may come late.
#pragma once

#include <memory>

#include "replicate/multicast_watch.h"
#include "replicate/path_size.h"
#include "replicate/reference_stream.h"
#include "replicate/replay_window.h"
#include "replicate/wire.h"

namespace casbook::replicate {

class PeerSession {
 public:
  // `keys`: also as they are later, when forget_keys() was called.
  PeerSession(uint64_t node, const ClusterKeys& keys, uint64_t cluster)
      : node_(node), cluster_keys_(&keys), cluster_(cluster) {}

  uint64_t node() const { return node_; }
  int64_t since_ns = 0;    // when it became one
  std::string address{};  // that it came from as a guest
  bool is_accepted() const { return boot_ != 0; }
  uint64_t boot() const { return boot_; }
  uint8_t ciphers() const { return ciphers_; }

  // Whether that datagram is to be opened at all, and what with; null: no key of ours.
  bool was_taken(const DatagramHeader& header) const;
  const DatagramKey* key_for(const DatagramHeader& header);
  // What was derived from the cluster's keys: they have changed. The run that is believed in stays.
  void forget_keys();
  bool is_of_accepted_boot(const DatagramHeader& header) const {
    return is_accepted() && header.boot == boot_;
  }

  // --- handshake

  // The number to send in a HELLO; a new one when the last grows old.
  uint64_t challenge(uint64_t fresh_number, int64_t now_ns);
  bool is_answer(uint64_t answer, int64_t now_ns) const;
  // From that datagram on.
  void accept(const DatagramHeader& header, uint8_t ciphers);
  int64_t hello_ns() const { return hello_ns_; }
  void hello_sent(int64_t now_ns);
  // Accepted, and not heard of for a while: perhaps it runs anew, and does not know this node, so that
  // it cannot ask by itself.
  void hello_again_if_silent(int64_t now_ns);
  // Something of an unknown boot came.
  void want_hello(int64_t now_ns);

  // --- what comes of the accepted boot

  void take(const DatagramHeader& header, int64_t now_ns);
  // For each control frame: whether it comes in order. Those of one datagram are in order.
  bool begins_in_order(const DatagramHeader& header);
  int64_t heard_ns() const { return heard_ns_; }

  void pulse_came(const PulseFrame& pulse, int64_t now_ns);
  PulseFrame next_pulse(int64_t now_ns);
  int64_t pulse_ns() const { return pulse_ns_; }
  bool may_pulse(int64_t now_ns) const;
  int64_t round_trip_ns() const { return round_trip_ns_; }

  ReferenceStream references;
  MulticastWatch multicast;
  PathSize path;

 private:
  uint64_t node_;
  const ClusterKeys* cluster_keys_;
  uint64_t cluster_;

  // Of one run: its key under each of the cluster's, made when it is needed.
  struct RunKeys {
    uint64_t boot = 0;
    std::array<std::unique_ptr<DatagramKey>, ClusterKeys::kMax> keys{};
  };

  uint64_t boot_ = 0;
  RunKeys accepted_, candidate_;
  uint8_t ciphers_ = 0;
  ReplayWindow window_;
  uint64_t control_seq_ = 0;
  int64_t heard_ns_ = 0;

  uint64_t challenge_ = 0;
  int64_t challenge_since_ns_ = 0;
  int64_t hello_ns_ = 0, hello_sent_ns_ = INT64_MIN / 2, hello_after_ns_ = 0;

  uint64_t multicast_seen_ = 0;
  uint64_t peer_clock_ = 0;
  int64_t peer_clock_since_ns_ = 0;
  int64_t pulse_ns_ = 0, pulse_sent_ns_ = INT64_MIN / 2;
  int64_t round_trip_ns_ = 0;
};

}  // namespace casbook::replicate
