// Peers that come and go, and guests: who introduces itself before the log says that it is one.
#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/probe.h"
#include "replicate/transport_impl.h"

namespace casbook::replicate {

namespace {

// A guest that is silent for so long goes.
constexpr int64_t kGuestNs = 10'000'000'000;
constexpr size_t kRemovedMax = 64;

}  // namespace

void Transport::Impl::set_peers(std::span<const uint64_t> peers, int64_t now_ns) {
  const auto is_one = [&](uint64_t node) { return std::ranges::find(peers, node) != peers.end(); };
  for_each(present & ~guests, [&](uint32_t peer) {
    const uint64_t node = sessions[peer].node();
    if (is_one(node) || base::mutated(base::Mutant::transport_hears_removed)) return;
    drop_peer(peer);
    removed.push_back(node);
    if (removed.size() > kRemovedMax) removed.pop_front();
  });
  std::erase_if(removed, is_one);
  for (const uint64_t node : peers) {
    CASBOOK_ASSERT(node != kNoPeer && node != options.node);
    const auto known = peer_of.find(node);
    const uint32_t peer = known != peer_of.end() ? known->second : add_peer(node, now_ns);
    guests &= ~(Repairs::Peers{1} << peer);
  }
  choose_cipher();
}

uint32_t Transport::Impl::add_peer(uint64_t node, int64_t now_ns) {
  // A guest makes room for a member.
  if (present == (Repairs::Peers{1} << kPeersMax) - 1)
    drop_peer(static_cast<uint32_t>(std::countr_zero(guests)));
  const auto peer = static_cast<uint32_t>(std::countr_one(present));
  CASBOOK_ASSERT(peer < kPeersMax);
  options.peers[peer] = node;
  sessions[peer] = PeerSession(node, cluster_keys, options.cluster);
  sessions[peer].since_ns = now_ns;
  peer_of.emplace(node, peer);
  present |= Repairs::Peers{1} << peer;
  repairs.set_peers(present);
  return peer;
}

void Transport::Impl::drop_peer(uint32_t peer) {
  peer_of.erase(sessions[peer].node());
  options.peers[peer] = kNoPeer;
  sessions[peer] = PeerSession(kNoPeer, cluster_keys, options.cluster);
  outbox.clear(Outbox::lane_of(peer));
  present &= ~(Repairs::Peers{1} << peer);
  guests &= present;
  repairs.set_peers(present);
}

// The seal is looked at before anything is kept; that its run lives now, it has to show as all do.
std::optional<uint32_t> Transport::Impl::welcome_guest(const DatagramHeader& header,
                                                       std::span<const std::byte> datagram,
                                                       int64_t now_ns) {
  const bool is_free = std::popcount(present) < static_cast<int>(kPeersMax);
  if (!is_free || std::ranges::find(removed, header.sender) != removed.end() ||
      header.cipher != Cipher::chacha20_poly1305) {
    ++counts.dropped_foreign;
    return std::nullopt;
  }
  const auto sealed = datagram.subspan(kHeaderBytes);
  const ClusterKey* const named = cluster_keys.find(header.key);
  if (!named) {
    ++counts.dropped_forged;
    return std::nullopt;
  }
  const DatagramKey key(*named, options.cluster, header.sender, header.boot);
  plain_bytes = sealed.size() - kSealBytes;
  if (!key.open(header.cipher, header.seq, datagram.first(kHeaderBytes), sealed, plain.data())) {
    ++counts.dropped_forged;
    return std::nullopt;
  }
  FrameReader frames({plain.data(), plain_bytes});
  while (const auto frame = frames.next()) {
    const auto* introduction = std::get_if<IntroductionFrame>(&*frame);
    if (!introduction) continue;
    const uint32_t peer = add_peer(header.sender, now_ns);
    guests |= Repairs::Peers{1} << peer;
    sessions[peer].address = introduction->address;
    network.set_peer(header.sender, introduction->address);
    return peer;
  }
  ++counts.dropped_foreign;
  return std::nullopt;
}

void Transport::Impl::dismiss_guests(int64_t now_ns) {
  for_each(guests, [&](uint32_t peer) {
    const PeerSession& session = sessions[peer];
    if (now_ns - std::max(session.heard_ns(), session.since_ns) < kGuestNs) return;
    network.remove_peer(session.node());
    drop_peer(peer);
  });
}

}  // namespace casbook::replicate
