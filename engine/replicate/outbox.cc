#include "replicate/outbox.h"

#include <algorithm>

#include "base/assert.h"

namespace casbook::replicate {

Outbox::Outbox(const TransportOptions& options, const DatagramKey& key, Network& network,
               TransportCounts& counts)
    : options_(options), key_(key), network_(network), counts_(counts) {
  const uint32_t bytes = network.datagram_bytes();
  CASBOOK_ASSERT(bytes >= kDatagramBytesMin && bytes <= kDatagramBytesMax);
  frame_bytes_max_ = bytes - kHeaderBytes - kSealBytes;
  lanes_.resize(kPeersMax + 1);
  datagram_.resize(bytes);
}

uint32_t Outbox::fragment_bytes() const {
  return (frame_bytes_max_ - kDataHeadBytes) / kGranuleBytes * kGranuleBytes;
}

void Outbox::put(uint32_t lane, const Frame& frame) {
  const uint32_t bytes = encoded_bytes(frame);
  CASBOOK_ASSERT(bytes <= frame_bytes_max_);
  Lane& filling = lanes_[lane];
  if (filling.frames.empty()) filling.frames.resize(frame_bytes_max_);
  if (filling.used + bytes > frame_bytes_max_) send(lane);
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

void Outbox::send(uint32_t lane) {
  Lane& full = lanes_[lane];
  const DatagramHeader header{
      .cipher = full.has_handshake ? Cipher::chacha20_poly1305 : cipher_,
      .cluster = options_.cluster,
      .sender = options_.node,
      .destination = lane == kGroup ? kToAll : options_.peers[lane - 1],
      .boot = options_.boot,
      .seq = ++seq_,
  };
  const std::span<std::byte, kHeaderBytes> head(datagram_.data(), kHeaderBytes);
  encode(header, head);
  key_.seal(header.cipher, header.seq, head, std::span(full.frames).first(full.used),
            datagram_.data() + kHeaderBytes);
  transmit(lane, std::span(datagram_).first(kHeaderBytes + full.used + kSealBytes));
  full.used = 0, full.has_handshake = false;
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
