#include "replicate/outbox.h"

#include <algorithm>

#include "base/assert.h"
#include "base/probe.h"

namespace casbook::replicate {

Outbox::Outbox(const TransportOptions& options, const ClusterKeys& keys, Network& network,
               TransportCounts& counts)
    : options_(options), network_(network), counts_(counts) {
  set_keys(keys);
  const uint32_t bytes = network.datagram_bytes();
  CASBOOK_ASSERT(bytes >= kDatagramBytesMin && bytes <= kDatagramBytesMax);
  frame_bytes_max_ = bytes - kHeaderBytes - kSealBytes;
  lanes_.resize(kPeersMax + 1);
  datagram_.resize(bytes);
}

void Outbox::set_keys(const ClusterKeys& keys) {
  if (key_ && key_id_ == keys.sealing_id()) return;
  key_ =
      std::make_unique<DatagramKey>(keys.sealing(), options_.cluster, options_.node, options_.boot);
  key_id_ = keys.sealing_id();
  if (base::mutated(base::Mutant::transport_numbers_anew)) seq_ = 0;
}

uint32_t Outbox::fragment_bytes() const {
  return (frame_bytes_max_ - kDataHeadBytes) / kGranuleBytes * kGranuleBytes;
}

uint32_t Outbox::holes_max() const {
  const uint32_t empty = encoded_bytes(NakFrame{});
  NakFrame one;
  one.holes.count = 1;
  return (frame_bytes_max_ - empty) / (encoded_bytes(one) - empty);
}

void Outbox::put(uint32_t lane, const Frame& frame) {
  const uint32_t bytes = encoded_bytes(frame);
  CASBOOK_ASSERT(bytes <= frame_bytes_max_);
  Lane& filling = lanes_[lane];
  // For the widest path: it may carry more again.
  if (filling.frames.empty()) filling.frames.resize(datagram_.size() - kHeaderBytes - kSealBytes);
  if (filling.used + bytes > frame_bytes_max_) send(lane);
  CASBOOK_ASSERT(filling.used + bytes <= filling.frames.size());
  filling.has_handshake |=
      std::holds_alternative<HelloFrame>(frame) || std::holds_alternative<WelcomeFrame>(frame);
  filling.used += encode(frame, filling.frames.data() + filling.used);
}

void Outbox::clear(uint32_t lane) { lanes_[lane].used = 0, lanes_[lane].has_handshake = false; }

void Outbox::send_group() { send(kGroup); }

void Outbox::flush() {
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane)
    if (lanes_[lane].used != 0) send(lane);
  network_.flush();
}

void Outbox::send_probe(uint32_t peer, uint32_t bytes) {
  constexpr uint32_t kOverhead = kHeaderBytes + kSealBytes + kFrameHeadBytes;
  probe_.resize(bytes - kHeaderBytes - kSealBytes);
  encode(ProbeFrame{.padding = bytes - kOverhead}, probe_.data());
  seal_and_transmit(lane_of(peer), probe_, cipher_);
}

void Outbox::set_datagram_bytes(uint32_t bytes) {
  CASBOOK_ASSERT(bytes >= kDatagramBytesMin && bytes <= datagram_.size());
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane)
    if (lanes_[lane].used != 0) send(lane);
  frame_bytes_max_ = bytes - kHeaderBytes - kSealBytes;
}

void Outbox::send(uint32_t lane) {
  Lane& full = lanes_[lane];
  seal_and_transmit(lane, std::span(full.frames).first(full.used),
                    full.has_handshake ? Cipher::chacha20_poly1305 : cipher_);
  full.used = 0, full.has_handshake = false;
}

void Outbox::seal_and_transmit(uint32_t lane, std::span<const std::byte> frames, Cipher cipher) {
  const DatagramHeader header{
      .cipher = cipher,
      .key = key_id_,
      .cluster = options_.cluster,
      .sender = options_.node,
      .destination = lane == kGroup ? kToAll : options_.peers[lane - 1],
      .boot = options_.boot,
      .seq = ++seq_,
  };
  const std::span<std::byte, kHeaderBytes> head(datagram_.data(), kHeaderBytes);
  encode(header, head);
  key_->seal(header.cipher, header.seq, head, frames, datagram_.data() + kHeaderBytes);
  transmit(lane, std::span(datagram_).first(kHeaderBytes + frames.size() + kSealBytes));
}

void Outbox::transmit(uint32_t lane, std::span<const std::byte> datagram) {
  const auto note = [&] { ++counts_.datagrams_sent, counts_.bytes_sent += datagram.size(); };
  if (lane != kGroup) {
    network_.unicast(options_.peers[lane - 1], datagram);
    note();
  } else if (options_.is_multicast) {
    network_.multicast(datagram);
    group_seq_ = seq_;
    note();
  } else {
    for (const uint64_t peer : options_.peers) {
      if (peer == kNoPeer) continue;
      network_.unicast(peer, datagram);
      note();
    }
  }
}

}  // namespace casbook::replicate
