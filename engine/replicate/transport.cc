#include "replicate/transport.h"

#include <algorithm>

#include "base/assert.h"
#include "base/hash.h"
#include "replicate/peer_disks.h"
#include "replicate/transport_impl.h"

namespace casbook::replicate {

namespace {

constexpr int64_t kReadingNs = 1'000'000;

template <class T>
constexpr bool is_message =
    std::is_same_v<T, AppendResult> || std::is_same_v<T, VoteRequest> ||
    std::is_same_v<T, VoteResult> || std::is_same_v<T, TimeoutNow> || std::is_same_v<T, Received> ||
    std::is_same_v<T, Offer> || std::is_same_v<T, DigestAnswer> || std::is_same_v<T, DigestVerdict>;

}  // namespace

Transport::Impl::Impl(const TransportOptions& given, const ClusterKeys& keys, Network& net,
                      EntrySource& source, Deliver to)
    : options(given),
      cluster_keys(keys),
      entries(source),
      deliver(std::move(to)),
      network(net),
      outbox(options, keys, net, counts),
      received(given.receive_bytes_max),
      repairs(
          {.peers = kPeersMax,
           .fragment_bytes = outbox.fragment_bytes(),
           .gather_ns = given.is_multicast && given.peers.size() > 1 ? given.nak_delay_ns / 2 : 0,
           .repeat_min_ns = given.nak_delay_ns}),
      plain(kDatagramBytesMax) {
  own_ciphers = bit_of(Cipher::chacha20_poly1305);
  if (can_use(Cipher::aes_256_gcm)) own_ciphers |= bit_of(Cipher::aes_256_gcm);
  CASBOOK_ASSERT(options.node != 0 && options.boot != 0 && given.peers.size() <= kPeersMax);
  options.peers.assign(kPeersMax, kNoPeer);
  for (uint32_t place = 0; place < kPeersMax; ++place)
    sessions.emplace_back(kNoPeer, cluster_keys, options.cluster);
  set_peers(given.peers, 0);
  // Of each node its own, so that not all who miss the same ask in one moment.
  const std::array<uint64_t, 2> own{options.seed, options.node};
  nak_jitter_ns =
      static_cast<int64_t>(base::reduce(base::hash_bytes(own.data(), sizeof own),
                                        static_cast<uint64_t>(options.nak_delay_ns / 4 + 1)));
}

void Transport::Impl::set_keys(const ClusterKeys& keys) {
  cluster_keys = keys;
  outbox.set_keys(keys);
  for (PeerSession& session : sessions) session.forget_keys();
}

void Transport::Impl::receive(std::span<const std::byte> datagram, int64_t now_ns) {
  ++counts.datagrams_received, counts.bytes_received += datagram.size();
  DatagramHeader header;
  const auto peer = admit(datagram, header, now_ns);
  if (!peer) return;
  PeerSession& session = sessions[*peer];
  const auto sealed = datagram.subspan(kHeaderBytes);
  plain_bytes = sealed.size() - kSealBytes;
  const DatagramKey* const key = session.key_for(header);
  if (!key ||
      !key->open(header.cipher, header.seq, datagram.first(kHeaderBytes), sealed, plain.data())) {
    ++counts.dropped_forged;
    return;
  }
  if (!are_well_formed()) {
    ++counts.dropped_malformed;
    return;
  }
  if (!session.is_of_accepted_boot(header)) take_unknown(*peer, header, now_ns);
  if (session.is_of_accepted_boot(header)) {
    session.take(header, now_ns);
    take_frames(*peer, header, now_ns);
  }
  if (!outbox.is_empty(Outbox::lane_of(*peer))) flush(now_ns);
  deliver_all();
}

std::optional<uint32_t> Transport::Impl::admit(std::span<const std::byte> datagram,
                                               DatagramHeader& header, int64_t now_ns) {
  const auto decoded = decode_header(datagram);
  if (!decoded) {
    const auto version = decode_version(datagram);
    ++(version && *version > kWireVersion ? counts.dropped_newer : counts.dropped_malformed);
    return std::nullopt;
  }
  header = *decoded;
  const auto known = peer_of.find(header.sender);
  const bool is_echo = header.sender == options.node && header.boot == options.boot;
  const bool is_foreign = header.cluster != options.cluster ||
                          (header.destination != kToAll && header.destination != options.node);
  if (is_echo && header.cluster == options.cluster)
    ++counts.dropped_replayed;
  else if (is_foreign)
    ++counts.dropped_foreign;
  else if (known == peer_of.end())
    return welcome_guest(header, datagram, now_ns);
  else if (sessions[known->second].was_taken(header))
    ++counts.dropped_replayed;
  else
    return known->second;
  return std::nullopt;
}

bool Transport::Impl::are_well_formed() const {
  FrameReader frames({plain.data(), plain_bytes});
  while (frames.next()) {
  }
  return !frames.is_malformed();
}

// A run that was not believed in until now: its answer to our challenge counts, and its question is
// answered, nothing else.
void Transport::Impl::take_unknown(uint32_t peer, const DatagramHeader& header, int64_t now_ns) {
  PeerSession& session = sessions[peer];
  FrameReader frames({plain.data(), plain_bytes});
  bool is_handshake = false;
  while (const auto frame = frames.next()) {
    if (const auto* hello = std::get_if<HelloFrame>(&*frame)) {
      is_handshake = true;
      take_hello(peer, *hello);
    }
    const auto* welcome = std::get_if<WelcomeFrame>(&*frame);
    if (!welcome || !session.is_answer(welcome->answer, now_ns)) continue;
    is_handshake = true;
    if (welcome->shape != options.shape) {
      ++counts.dropped_foreign;
      continue;
    }
    if (!is_of_known_disk(session.node(), *welcome)) continue;
    session.accept(header, welcome->ciphers);
    choose_cipher();
    path_begins(peer, now_ns);
    return;
  }
  if (!is_handshake) ++counts.dropped_replayed;
  session.want_hello(now_ns);
}

// It has just proven that it lives: before anything else of it is taken, its disk is pinned.
bool Transport::Impl::is_of_known_disk(uint64_t node, const WelcomeFrame& frame) {
  if (!options.disks) return true;
  if (frame.known_storage_id != 0 && frame.known_storage_id != options.storage_id) {
    refused_by = node;
    return false;
  }
  if (refused_by != 0) return false;
  if (options.disks->admit(node, frame.storage_id)) return true;
  ++counts.refused_disks;
  refused_node = node;
  return false;
}

void Transport::Impl::choose_cipher() {
  uint8_t common = own_ciphers;
  for_each(all_peers(), [&](uint32_t peer) {
    if (sessions[peer].is_accepted()) common &= sessions[peer].ciphers();
  });
  outbox.set_cipher(common & bit_of(Cipher::aes_256_gcm) ? Cipher::aes_256_gcm
                                                         : Cipher::chacha20_poly1305);
}

void Transport::Impl::take_hello(uint32_t peer, const HelloFrame& frame) {
  if (frame.shape != options.shape) {
    ++counts.dropped_foreign;
    return;
  }
  outbox.put(Outbox::lane_of(peer),
             WelcomeFrame{.answer = frame.challenge,
                          .shape = options.shape,
                          .ciphers = own_ciphers,
                          .storage_id = options.storage_id,
                          .known_storage_id =
                              options.disks ? options.disks->known(sessions[peer].node()) : 0});
}

void Transport::Impl::take_frames(uint32_t peer, const DatagramHeader& header, int64_t now_ns) {
  PeerSession& session = sessions[peer];
  std::optional<bool> in_order;  // decided once for the datagram, by its first control frame for us
  const auto is_in_order = [&] {
    if (!in_order) in_order = session.begins_in_order(header);
    counts.dropped_late += !*in_order;
    return *in_order;
  };
  const auto datagram_bytes = static_cast<uint16_t>(plain_bytes + kHeaderBytes + kSealBytes);
  FrameReader frames({plain.data(), plain_bytes});
  while (auto frame = frames.next())
    std::visit(
        [&](auto& f) {
          using T = std::decay_t<decltype(f)>;
          if constexpr (std::is_same_v<T, DataFrame>) {
            take_data(f);
          } else if constexpr (std::is_same_v<T, ReferenceFrame>) {
            if (!is_for_us(header, f) || !is_in_order()) return;
            session.references.refer(f, now_ns);
            for (PeerSession& other : sessions) other.references.forget_before(f.term);
          } else if constexpr (is_message<T>) {
            if (header.destination == kToAll)
              ++counts.dropped_malformed;
            else if (is_in_order())
              inbox.emplace_back(session.node(), std::move(f));
          } else if constexpr (std::is_same_v<T, Digest> || std::is_same_v<T, DiskWanted>) {
            // Of a position of its own: neither late nor early.
            inbox.emplace_back(session.node(), std::move(f));
          } else if constexpr (std::is_same_v<T, NakFrame>) {
            session.path.suspect(now_ns);
            for (const Hole& hole : f.holes.list())
              repairs.ask(peer, hole, entries, session.round_trip_ns(), now_ns);
          } else if constexpr (std::is_same_v<T, HelloFrame>) {
            take_hello(peer, f);
          } else if constexpr (std::is_same_v<T, PulseFrame>) {
            session.pulse_came(f, now_ns);
          } else if constexpr (std::is_same_v<T, ProbeFrame>) {
            outbox.put(Outbox::lane_of(peer), ProbeSeenFrame{.bytes = datagram_bytes});
          } else if constexpr (std::is_same_v<T, ProbeSeenFrame>) {
            session.path.answered(f.bytes);
          }
        },
        *frame);
  hand_over_all(now_ns);
}

void Transport::Impl::take_data(const DataFrame& frame) {
  // A repair by multicast for others, of what is in our log already.
  if (is_logged(frame.term, frame.index)) return;
  if (received.add(frame) == ReceivedEntries::Added::contradiction) ++counts.dropped_malformed;
}

bool Transport::Impl::is_for_us(const DatagramHeader& header, const ReferenceFrame& frame) const {
  const auto to = frame.destinations.list();
  if (to.empty()) return header.destination == options.node;
  return std::ranges::find(to, options.node) != to.end();
}

void Transport::Impl::hand_over(uint32_t peer) {
  PeerSession& session = sessions[peer];
  const auto find_entry = [this](uint64_t term, uint64_t index) { return find(term, index); };
  while (auto message = session.references.hand_over(find_entry)) {
    for (const EntryPtr& entry : message->entries) received.handed_over(entry->term, entry->index);
    inbox.emplace_back(session.node(), std::move(*message));
  }
}

// Once more in a moment, where the log has an entry on disk alone.
void Transport::Impl::hand_over_all(int64_t now_ns) {
  awaits_disk = false;
  for_each(all_peers(), [this](uint32_t peer) { hand_over(peer); });
  hand_over_ns = awaits_disk ? now_ns + kReadingNs : INT64_MAX;
}

// Last of all: it may call send().
void Transport::Impl::deliver_all() {
  for (size_t i = 0; i < inbox.size(); ++i) deliver(inbox[i].first, std::move(inbox[i].second));
  inbox.clear();
}

bool Transport::Impl::is_logged(uint64_t term, uint64_t index) const {
  return entries.term_of(index) == term && entries.body_bytes(index);
}

EntryPtr Transport::Impl::find(uint64_t term, uint64_t index) {
  if (EntryPtr entry = received.find(term, index)) return entry;
  if (!is_logged(term, index)) return nullptr;
  EntryPtr logged = entries.at_hand(index);
  awaits_disk |= !logged;
  return logged;
}

Transport::Transport(const TransportOptions& options, const ClusterKeys& keys, Network& network,
                     EntrySource& entries, Deliver deliver)
    : impl_(std::make_unique<Impl>(options, keys, network, entries, std::move(deliver))) {}
Transport::~Transport() = default;

void Transport::send(std::span<const Outgoing> messages, int64_t now_ns) {
  impl_->send(messages, now_ns);
}
void Transport::send_to_all(const Digest& digest, int64_t now_ns) {
  impl_->send_to_all(digest, now_ns);
}
void Transport::put_to_all(const DiskWanted& wanted) { impl_->put_to_all(wanted); }
void Transport::flush(int64_t now_ns) { impl_->flush(now_ns); }
uint32_t Transport::frame_bytes_max() const { return impl_->outbox.frame_bytes_max(); }
void Transport::receive(std::span<const std::byte> datagram, int64_t now_ns) {
  impl_->receive(datagram, now_ns);
}
void Transport::set_keys(const ClusterKeys& keys) { impl_->set_keys(keys); }
void Transport::set_peers(std::span<const uint64_t> peers, int64_t now_ns) {
  impl_->set_peers(peers, now_ns);
}
void Transport::forgive_removed() { impl_->removed.clear(); }
void Transport::tick(int64_t now_ns) { impl_->tick(now_ns); }
int64_t Transport::deadline_ns() const { return impl_->deadline_ns(); }
bool Transport::is_falling_back() const { return impl_->silent_peers() != 0; }
uint32_t Transport::datagram_bytes() const { return impl_->outbox.datagram_bytes(); }
std::vector<uint64_t> Transport::deaf_peers() const {
  std::vector<uint64_t> nodes;
  impl_->for_each(impl_->silent_peers(),
                  [&](uint32_t peer) { nodes.push_back(impl_->sessions[peer].node()); });
  return nodes;
}
const TransportCounts& Transport::counts() const { return impl_->counts; }
uint64_t Transport::refused_by() const { return impl_->refused_by; }
uint64_t Transport::refused_node() const { return impl_->refused_node; }
std::string Transport::introduced_at(uint64_t node) const {
  const auto found = impl_->peer_of.find(node);
  return found == impl_->peer_of.end() ? std::string() : impl_->sessions[found->second].address;
}
int64_t Transport::heard_ns(uint64_t node) const {
  const auto found = impl_->peer_of.find(node);
  return found == impl_->peer_of.end() ? 0 : impl_->sessions[found->second].heard_ns();
}

uint64_t Transport::boot_of(uint64_t node) const {
  const auto found = impl_->peer_of.find(node);
  return found == impl_->peer_of.end() ? 0 : impl_->sessions[found->second].boot();
}

}  // namespace casbook::replicate
