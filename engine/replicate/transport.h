// Between consensus and the network: entries once for all followers, references to them, repair,
// and sessions that keep control messages in order, each once. All of it sealed (keys.h).
//
//   leader    entries --multicast DATA, in fragments--> all
//             AppendEntries --one reference for those with equal heads--> all or one
//   follower  delivers the longest prefix of a reference that it has; asks for holes after a delay
//   both      acknowledgements, votes: unicast, numbered, each delivered once and in order or never
//
// A state machine without sockets, threads or clock: the daemon drives it from its threads, the
// simulator from its events.
#pragma once

#include <functional>
#include <span>

#include "replicate/keys.h"
#include "replicate/message.h"
#include "replicate/network.h"

namespace casbook::replicate {

class PeerDisks;

struct TransportOptions {
  uint64_t cluster = 0, node = 0;
  std::vector<uint64_t> peers;  // the other nodes, at first
  std::string address;          // of this node, for those that do not know it; empty: not told
  uint64_t boot = 0;            // random, of this run of the process: nonces begin anew with it
  uint64_t shape = 0;           // digest of what has to be equal on all: another one is refused
  // Of this node's disk, and the disks that the others were met with (peer_disks.h); null: any.
  uint64_t storage_id = 0;
  PeerDisks* disks = nullptr;
  bool is_multicast = true;  // false: every datagram to each node by itself
  int64_t nak_delay_ns = 1'000'000;
  uint64_t receive_bytes_max = 32ull << 20;  // entries that came and were not yet referred to
  uint64_t seed = 1;
};

struct TransportCounts {
  uint64_t datagrams_sent = 0, datagrams_received = 0, bytes_sent = 0, bytes_received = 0;
  uint64_t payload_sent = 0;  // bytes of entries, each counted once however often it is sent
  uint64_t repairs_asked = 0, repairs_sent = 0, repair_bytes = 0;
  // forged: the seal does not fit, or is of a key that is none of ours. replayed: taken before, or
  // of a run that does not answer (an echo of our own multicast too). foreign: of another cluster
  // or shape, of a node that is no peer, or for another one. newer: of a version that this program does not know.
  // malformed: no datagram, of an older version, or frames that contradict.
  uint64_t dropped_forged = 0, dropped_replayed = 0, dropped_foreign = 0, dropped_malformed = 0;
  uint64_t refused_disks = 0;  // answers of a node that comes with another disk than it had
  uint64_t dropped_newer = 0;
  uint64_t dropped_late = 0;  // control frames that a later one has overtaken
};

class Transport {
 public:
  // `deliver` is called from inside receive() and tick(). All references must outlive it.
  using Deliver = std::function<void(uint64_t from, Message&& message)>;
  Transport(const TransportOptions& options, const ClusterKeys& keys, Network& network,
            EntrySource& entries, Deliver deliver);
  ~Transport();

  // Entries that AppendEntries refer to and that were not sent in this term yet go out with them.
  void send(std::span<const Outgoing> messages, int64_t now_ns);
  // Dropped where it is longer than a datagram is now.
  void send_to_all(const Digest& digest, int64_t now_ns);
  // Goes with what is sent next, in front of it.
  void put_to_all(const DiskWanted& wanted);
  void flush(int64_t now_ns);
  uint32_t frame_bytes_max() const;
  // A datagram as it came. `from` of the network is not trusted.
  void receive(std::span<const std::byte> datagram, int64_t now_ns);
  // From now on. Sessions go on with all who seal with one of these and open the first.
  void set_keys(const ClusterKeys& keys);
  // The other nodes, from now on. Sessions with those that stay go on; who is none any more is heard
  // no more: its datagrams are dropped as foreign, until it is one again.
  //
  // Beside them are guests: nodes that nobody removed and that introduce themselves, sealed with the
  // cluster's key. This node's log may be behind the change that made them members. Their frames are
  // taken like a member's: what they mean is for consensus to judge.
  void set_peers(std::span<const uint64_t> peers, int64_t now_ns);
  // Who was removed so far may come as a guest: perhaps it was added again, and is the one that leads.
  void forgive_removed();

  // Repairs, handshakes, silence. Call at deadline_ns() or later.
  void tick(int64_t now_ns);
  int64_t deadline_ns() const;

  // As large as the paths to all peers let pass.
  uint32_t datagram_bytes() const;
  bool is_falling_back() const;  // multicast is silent while unicast is not
  const TransportCounts& counts() const;
  // A node that knows this one's id with another disk: this one may not go on. 0: none.
  uint64_t refused_by() const;
  // The node that came with another disk last; 0: none.
  uint64_t refused_node() const;
  // Which peers hear no multicast of this node.
  std::vector<uint64_t> deaf_peers() const;
  // CLOCK of tick(); when anything sealed came from that node last. 0: never.
  int64_t heard_ns(uint64_t node) const;
  // Where a node that came as a guest said that it is. Empty: it did not.
  std::string introduced_at(uint64_t node) const;
  // Which run of that node is believed in; 0: none.
  uint64_t boot_of(uint64_t node) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace casbook::replicate
