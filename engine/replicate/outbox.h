// Frames on their way out: several to a datagram, sealed, numbered.
//
// A lane is a datagram in the making: one to all, one to each peer. A frame that does not fit
// sends its lane off and begins a new datagram; flush() sends the rest. Peers come and go: the lanes
// are of the places in TransportOptions::peers, of which some are empty (kNoPeer).
#pragma once

#include "replicate/network.h"
#include "replicate/transport.h"
#include "replicate/wire.h"

namespace casbook::replicate {

constexpr uint32_t kPeersMax = 16;
constexpr uint64_t kNoPeer = 0;

class Outbox {
 public:
  static constexpr uint32_t kGroup = 0;
  static constexpr uint32_t lane_of(uint32_t peer) { return peer + 1; }

  // All references must outlive it.
  Outbox(const TransportOptions& options, const ClusterKeys& keys, Network& network,
         TransportCounts& counts);

  // What is sent from here on is sealed with the first of those. Numbers go on: with the key before
  // they were used, and it may come back.
  void set_keys(const ClusterKeys& keys);

  // Of handshakes it stays ChaCha20-Poly1305, which every node can read.
  void set_cipher(Cipher cipher) { cipher_ = cipher; }
  void put(uint32_t lane, const Frame& frame);
  // A datagram to all, with what there is for them: nothing, to see whether it arrives.
  void send_group();
  // A datagram of that size to one peer, with nothing in it; not in a lane.
  void send_probe(uint32_t peer, uint32_t bytes);
  // What waits there is not sent.
  void clear(uint32_t lane);
  bool is_empty(uint32_t lane) const { return lanes_[lane].used == 0; }
  void flush();

  // Of datagrams from here on: as large as the network has them at most, which it begins with. What
  // waits is sent off.
  void set_datagram_bytes(uint32_t bytes);
  uint32_t datagram_bytes() const { return frame_bytes_max_ + kHeaderBytes + kSealBytes; }
  // Bytes that the frames of one datagram can have.
  uint32_t frame_bytes_max() const { return frame_bytes_max_; }
  // Of an entry's body, in a datagram of its own.
  uint32_t fragment_bytes() const;
  // That one NAK can tell of.
  uint32_t holes_max() const;
  // The last number that went to all, by multicast.
  uint64_t group_seq() const { return group_seq_; }

 private:
  struct Lane {
    std::vector<std::byte> frames;
    uint32_t used = 0;
    bool has_handshake = false;
  };

  void send(uint32_t lane);
  void seal_and_transmit(uint32_t lane, std::span<const std::byte> frames, Cipher cipher);
  void transmit(uint32_t lane, std::span<const std::byte> datagram);

  const TransportOptions& options_;
  std::unique_ptr<DatagramKey> key_;
  KeyId key_id_ = 0;
  Network& network_;
  TransportCounts& counts_;
  Cipher cipher_ = Cipher::chacha20_poly1305;
  uint32_t frame_bytes_max_;
  std::vector<Lane> lanes_;
  std::vector<std::byte> datagram_, probe_;
  uint64_t seq_ = 0, group_seq_ = 0;
};

}  // namespace casbook::replicate
