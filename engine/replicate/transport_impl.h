// The parts of a Transport, for its own sources: transport.cc (what comes in), transport_send.cc
// (what goes out), transport_tick.cc (what time brings), transport_path.cc (how large a datagram may be).
#pragma once

#include <deque>
#include <unordered_map>

#include "replicate/outbox.h"
#include "replicate/peer_session.h"
#include "replicate/received_entries.h"
#include "replicate/repairs.h"
#include "replicate/transport.h"

namespace casbook::replicate {

struct Transport::Impl {
  Impl(const TransportOptions& options, const ClusterKeys& keys, Network& network,
       EntrySource& entries, Deliver deliver);

  // --- transport.cc
  void set_keys(const ClusterKeys& keys);
  void receive(std::span<const std::byte> datagram, int64_t now_ns);
  // Which peer it claims to be of; nothing: counted and dropped.
  std::optional<uint32_t> admit(std::span<const std::byte> datagram, DatagramHeader& header,
                                int64_t now_ns);
  void take_unknown(uint32_t peer, const DatagramHeader& header, int64_t now_ns);
  bool are_well_formed() const;
  void take_frames(uint32_t peer, const DatagramHeader& header, int64_t now_ns);
  void take_data(const DataFrame& frame);
  bool is_of_known_disk(uint64_t node, const WelcomeFrame& frame);
  void take_hello(uint32_t peer, const HelloFrame& frame);
  void choose_cipher();
  bool is_for_us(const DatagramHeader& header, const ReferenceFrame& frame) const;
  void hand_over_all(int64_t now_ns);
  void hand_over(uint32_t peer);
  void deliver_all();
  bool is_logged(uint64_t term, uint64_t index) const;
  EntryPtr find(uint64_t term, uint64_t index);

  // --- transport_members.cc
  void set_peers(std::span<const uint64_t> peers, int64_t now_ns);
  uint32_t add_peer(uint64_t node, int64_t now_ns);
  void drop_peer(uint32_t peer);
  // Where a stranger that introduces itself gets its place. Nothing: it does not, or there is none.
  std::optional<uint32_t> welcome_guest(const DatagramHeader& header,
                                        std::span<const std::byte> datagram, int64_t now_ns);
  void dismiss_guests(int64_t now_ns);

  // --- transport_send.cc
  void send(std::span<const Outgoing> messages, int64_t now_ns);
  void put_to_all(const Frame& frame);
  void send_to_all(const Digest& digest, int64_t now_ns);
  void put_message(uint32_t peer, const Message& message);
  Repairs::Peers equal_heads(std::span<const Outgoing> messages, size_t first,
                             uint64_t& done) const;
  void send_new_entries(const AppendEntries& message);
  void send_reference(const AppendEntries& message, Repairs::Peers to, bool has_new_entries);
  ReferenceFrame reference_of(const AppendEntries& message);
  // The entry, or a piece of it, to those: by multicast to those who hear it, if that is worth it.
  uint32_t put_entry(Repairs::Peers to, const LogEntry& entry, uint32_t offset, uint32_t bytes);
  void put_piece(uint32_t lane, const LogEntry& entry, uint32_t offset, uint32_t bytes);
  void flush(int64_t now_ns);
  Repairs::Peers all_peers() const { return present; }
  Repairs::Peers silent_peers() const;
  template <class Visit>
  void for_each(Repairs::Peers peers, Visit visit) const {
    for (uint32_t peer = 0; peer < sessions.size(); ++peer)
      if (peers >> peer & 1) visit(peer);
  }

  // --- transport_tick.cc
  void tick(int64_t now_ns);
  int64_t deadline_ns() const;
  void send_hello(uint32_t peer, int64_t now_ns);
  void send_naks(uint32_t peer, int64_t now_ns);
  void probe_multicast(int64_t now_ns);
  // --- transport_path.cc
  void path_begins(uint32_t peer, int64_t now_ns);
  void probe_paths(int64_t now_ns);
  void heed_refusals(int64_t now_ns);
  void fit_datagrams();

  NakTiming nak_timing(const PeerSession& session) const;

  TransportOptions options;
  ClusterKeys cluster_keys;
  EntrySource& entries;
  Deliver deliver;
  TransportCounts counts;
  Network& network;
  Outbox outbox;
  std::vector<PeerSession> sessions;  // as options.peers: of some places nobody
  Repairs::Peers present = 0, guests = 0;
  std::deque<uint64_t> removed;  // were peers and are none any more, the last ones
  std::unordered_map<uint64_t, uint32_t> peer_of;
  ReceivedEntries received;
  Repairs repairs;

  // Of the term in which we lead: entries up to here went out to all.
  uint64_t sent_term = 0, sent_end = 0;
  uint64_t noted_group_seq = 0;
  int64_t probe_ns = 0;
  bool awaits_disk = false;  // what was to be handed over
  int64_t hand_over_ns = INT64_MAX;
  int64_t nak_jitter_ns = 0;
  uint64_t challenges = 0;
  uint64_t refused_by = 0, refused_node = 0;  // nodes, for their disks
  uint8_t own_ciphers = 0;

  std::vector<std::byte> plain;  // of the datagram at hand
  size_t plain_bytes = 0;
  std::vector<std::pair<uint64_t, Message>> inbox;
};

}  // namespace casbook::replicate
