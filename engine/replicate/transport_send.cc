// What goes out. Entries that are new in the leader's term go to all at once, then the references.
#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "replicate/transport_impl.h"

namespace casbook::replicate {

namespace {

bool are_equal_heads(const AppendEntries& a, const AppendEntries& b) {
  return a.version == b.version && a.term == b.term && a.prev_index == b.prev_index &&
         a.prev_term == b.prev_term && a.commit == b.commit && a.count == b.count &&
         a.round == b.round;
}

}  // namespace

void Transport::Impl::send(std::span<const Outgoing> messages, int64_t now_ns) {
  constexpr size_t kMessagesMax = 64;  // of which equal heads are looked for at once
  while (!messages.empty()) {
    const auto some = messages.first(std::min(messages.size(), kMessagesMax));
    messages = messages.subspan(some.size());
    uint64_t done = 0;
    for (size_t i = 0; i < some.size(); ++i) {
      if (done >> i & 1) continue;
      const auto known = peer_of.find(some[i].to);
      if (known == peer_of.end()) continue;
      const auto* append = std::get_if<AppendEntries>(&some[i].message);
      if (!append) {
        put_message(known->second, some[i].message);
        continue;
      }
      const uint64_t sent_before = sent_term == append->term ? sent_end : 0;
      send_new_entries(*append);
      send_reference(*append, equal_heads(some, i, done),
                     sent_end > sent_before && append->count != 0);
    }
  }
  flush(now_ns);
}

void Transport::Impl::send_to_all(const Digest& digest, int64_t now_ns) {
  const Frame frame = digest;
  if (encoded_bytes(frame) > outbox.frame_bytes_max()) return;
  put_to_all(frame);
  flush(now_ns);
}

void Transport::Impl::put_to_all(const Frame& frame) {
  const Repairs::Peers silent = silent_peers();
  if (all_peers() & ~silent) outbox.put(Outbox::kGroup, frame);
  for_each(silent, [&](uint32_t peer) { outbox.put(Outbox::lane_of(peer), frame); });
}

void Transport::Impl::put_message(uint32_t peer, const Message& message) {
  std::visit(
      [&](const auto& m) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(m)>, AppendEntries>)
          outbox.put(Outbox::lane_of(peer), m);
      },
      message);
}

// Whom the message at `first` is for: its node, and those of later messages with the same head,
// each only while nothing else for that node comes before.
Repairs::Peers Transport::Impl::equal_heads(std::span<const Outgoing> messages, size_t first,
                                            uint64_t& done) const {
  const auto& head = std::get<AppendEntries>(messages[first].message);
  Repairs::Peers equal = 0, passed = 0;
  for (size_t i = first; i < messages.size(); ++i) {
    const auto known = peer_of.find(messages[i].to);
    if (done >> i & 1 || known == peer_of.end()) continue;
    const Repairs::Peers bit = Repairs::Peers{1} << known->second;
    const auto* append = std::get_if<AppendEntries>(&messages[i].message);
    if (append && are_equal_heads(*append, head) && !((equal | passed) & bit)) {
      equal |= bit;
      done |= uint64_t{1} << i;
    }
    passed |= bit;
  }
  return equal;
}

void Transport::Impl::send_new_entries(const AppendEntries& message) {
  if (message.term != sent_term) sent_term = message.term, sent_end = 0;
  const uint64_t end = message.prev_index + message.count;
  if (end <= sent_end) return;
  for (uint64_t index = std::max(message.prev_index, sent_end) + 1; index <= end; ++index) {
    // Older ones were sent by the leader of their term: who lacks them asks.
    if (entries.term_of(index) != message.term) continue;
    const EntryPtr entry = entries.at_hand(index);
    if (!entry) continue;
    const auto bytes = static_cast<uint32_t>(entry->body.size());
    const uint32_t piece_max = outbox.fragment_bytes();
    uint32_t offset = 0;
    do {
      const uint32_t piece = std::min(piece_max, bytes - offset);
      put_entry(all_peers(), *entry, offset, piece);
      offset += piece;
    } while (offset < bytes);
    counts.payload_sent += bytes;
    repairs.note_sent(bytes);
    sent_end = index;
  }
}

uint32_t Transport::Impl::put_entry(Repairs::Peers to, const LogEntry& entry, uint32_t offset,
                                    uint32_t bytes) {
  const Repairs::Peers silent = to & silent_peers();
  const bool is_for_group =
      to == all_peers() || (options.is_multicast && std::popcount(to & ~silent) >= 2);
  const Repairs::Peers alone = is_for_group ? silent : to;
  if (to & ~alone) put_piece(Outbox::kGroup, entry, offset, bytes);
  for_each(alone, [&](uint32_t peer) { put_piece(Outbox::lane_of(peer), entry, offset, bytes); });
  return bytes + kDataHeadBytes;
}

void Transport::Impl::put_piece(uint32_t lane, const LogEntry& entry, uint32_t offset,
                                uint32_t bytes) {
  outbox.put(lane, DataFrame{.term = entry.term,
                             .index = entry.index,
                             .first_lsn = entry.first_lsn,
                             .type = entry.type,
                             .count = entry.count,
                             .total = static_cast<uint32_t>(entry.body.size()),
                             .offset = offset,
                             .piece = std::span(entry.body).subspan(offset, bytes)});
}

// As many entries as are there, told by their terms.
ReferenceFrame Transport::Impl::reference_of(const AppendEntries& message) {
  ReferenceFrame reference;
  reference.version = message.version;
  reference.term = message.term;
  reference.prev_index = message.prev_index, reference.prev_term = message.prev_term;
  reference.commit = message.commit, reference.round = message.round;
  const uint32_t count = std::min(message.count, kReferenceEntriesMax);
  if (count == 0) return reference;
  const uint64_t first = entries.term_of(message.prev_index + 1);
  if (first != 0 && first == entries.term_of(message.prev_index + count)) {
    reference.runs.add({count, first});
    return reference;
  }
  for (uint32_t i = 1; i <= count; ++i) {
    const uint64_t term = entries.term_of(message.prev_index + i);
    if (term == 0) break;
    TermRun* const run =
        reference.runs.count ? &reference.runs.items[reference.runs.count - 1] : nullptr;
    if (run && run->term == term) {
      ++run->count;
    } else if (!reference.runs.is_full()) {
      reference.runs.add({1, term});
    } else {
      break;
    }
  }
  return reference;
}

void Transport::Impl::send_reference(const AppendEntries& message, Repairs::Peers to,
                                     bool has_new_entries) {
  ReferenceFrame reference = reference_of(message);
  const Repairs::Peers alone = has_new_entries || std::popcount(to) >= 2 ? to & silent_peers() : to;
  for_each(alone, [&](uint32_t peer) { outbox.put(Outbox::lane_of(peer), reference); });
  if ((to & ~alone) == 0) return;
  for_each(to & ~alone, [&](uint32_t peer) { reference.destinations.add(sessions[peer].node()); });
  outbox.put(Outbox::kGroup, reference);
}

Repairs::Peers Transport::Impl::silent_peers() const {
  Repairs::Peers silent = 0;
  for_each(all_peers(), [&](uint32_t peer) {
    if (sessions[peer].multicast.is_silent()) silent |= Repairs::Peers{1} << peer;
  });
  return silent;
}

void Transport::Impl::flush(int64_t now_ns) {
  for_each(all_peers(), [&](uint32_t peer) {
    if (!outbox.is_empty(Outbox::lane_of(peer)) && sessions[peer].may_pulse(now_ns))
      outbox.put(Outbox::lane_of(peer), sessions[peer].next_pulse(now_ns));
  });
  outbox.flush();
  heed_refusals(now_ns);
  if (outbox.group_seq() == noted_group_seq) return;
  noted_group_seq = outbox.group_seq();
  for (PeerSession& session : sessions)
    if (session.is_accepted()) session.multicast.sent(noted_group_seq, now_ns);
}

}  // namespace casbook::replicate
