#include "replicate/repairs.h"

#include <algorithm>
#include <bit>

#include "base/probe.h"

namespace casbook::replicate {

namespace {

// Fragments that are remembered: some bursts of an allowance. What does not fit is asked for again.
// More would be looked through in the leader's turn for a follower that lacks much.
constexpr size_t kWantsMax = 1024;
// Of what is sent anew, for each receiver.
constexpr uint64_t kShareDivisor = 5;
// How long a fragment waits when nobody who wants it has an allowance, or when it has to be read.
constexpr int64_t kBrokeNs = 1'000'000;
// It is asked for again: a disk that does not give it is not asked for ever.
constexpr int64_t kReadingMaxNs = 200'000'000;

Repairs::Peers bit(uint32_t peer) { return Repairs::Peers{1} << peer; }

}  // namespace

Repairs::Repairs(const RepairOptions& options)
    : options_(options), allowance_(options.peers, static_cast<int64_t>(options.burst_bytes)) {
  set_peers((Peers{1} << options.peers) - 1);
}

void Repairs::set_peers(Peers peers) {
  for (uint32_t peer = 0; peer < options_.peers; ++peer)
    if (peers & ~peers_ & bit(peer)) allowance_[peer] = static_cast<int64_t>(options_.burst_bytes);
  for (auto& [key, want] : wants_) want.waiting &= peers, want.served &= peers;
  peers_ = peers;
}

void Repairs::ask(uint32_t peer, const Hole& hole, EntrySource& entries, int64_t round_trip_ns,
                  int64_t now_ns) {
  for (uint64_t index = hole.index; index < hole.index + hole.entries; ++index) {
    if (wants_.size() >= kWantsMax) return;
    const auto bytes = entries.body_bytes(index);
    if (!bytes) continue;
    const uint32_t granules = granules_of(*bytes);
    const uint32_t per_fragment = options_.fragment_bytes / kGranuleBytes;
    const uint32_t first = hole.first_granule;
    const uint32_t end = hole.granules ? std::min(granules, first + hole.granules) : granules;
    if (first >= end) continue;
    for (uint32_t fragment = first / per_fragment; fragment <= (end - 1) / per_fragment; ++fragment)
      want(peer, {index, fragment}, round_trip_ns, now_ns);
  }
}

void Repairs::want(uint32_t peer, const Key& key, int64_t round_trip_ns, int64_t now_ns) {
  Want& want = wants_[key];
  const int64_t repeat_ns = std::max(options_.repeat_min_ns, round_trip_ns);
  if ((want.served & bit(peer)) && now_ns - want.served_ns < repeat_ns) return;
  if (want.waiting == 0) want.due_ns = now_ns + options_.gather_ns;
  want.waiting |= bit(peer);
  want.forget_ns = std::max(want.forget_ns, now_ns + repeat_ns);
  deadline_ns_ = std::min(deadline_ns_, want.due_ns);
}

void Repairs::note_sent(uint64_t bytes) {
  for (int64_t& allowance : allowance_)
    allowance = std::min(allowance + static_cast<int64_t>(bytes / kShareDivisor),
                         static_cast<int64_t>(options_.burst_bytes));
}

void Repairs::refill(int64_t now_ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t elapsed = std::min(now_ns - refilled_ns_, kSecond);
  const int64_t bytes =
      elapsed * static_cast<int64_t>(options_.floor_bytes_per_s >> 10) / (kSecond >> 10);
  refilled_ns_ = now_ns;
  for (int64_t& allowance : allowance_)
    allowance = std::min(allowance + bytes, static_cast<int64_t>(options_.burst_bytes));
}

Repairs::Peers Repairs::affordable(Peers peers) const {
  if (base::mutated(base::Mutant::transport_repairs_uncapped)) return peers;
  Peers rich = 0;
  for (uint32_t peer = 0; peer < options_.peers; ++peer)
    if ((peers & bit(peer)) && allowance_[peer] > 0) rich |= bit(peer);
  return rich;
}

void Repairs::charge(Peers peers, uint32_t bytes) {
  for (uint32_t peer = 0; peer < options_.peers; ++peer)
    if (peers & bit(peer)) allowance_[peer] -= bytes;
}

void Repairs::send_due(EntrySource& entries, const Send& send, int64_t now_ns) {
  if (wants_.empty() || now_ns < deadline_ns_) return;
  refill(now_ns);
  deadline_ns_ = INT64_MAX;
  for (auto at = wants_.begin(); at != wants_.end();) {
    if (affordable(peers_) == 0) {  // whatever waits further on
      deadline_ns_ = now_ns + kBrokeNs;
      return;
    }
    auto& [key, want] = *at;
    const Peers to = want.due_ns <= now_ns ? affordable(want.waiting) : 0;
    const EntryPtr entry = to ? entries.at_hand(key.index) : nullptr;
    if (to && !entry && entries.body_bytes(key.index) && now_ns < want.due_ns + kReadingMaxNs) {
      deadline_ns_ = std::min(deadline_ns_, now_ns + kBrokeNs);
      ++at;
      continue;
    }
    const uint64_t offset = uint64_t{key.fragment} * options_.fragment_bytes;
    if (entry && (offset < entry->body.size() || key.fragment == 0)) {
      const uint64_t left = entry->body.size() - offset;
      const auto bytes = static_cast<uint32_t>(std::min<uint64_t>(left, options_.fragment_bytes));
      charge(to, send(to, *entry, static_cast<uint32_t>(offset), bytes));
      want.served = to, want.served_ns = now_ns;
    }
    want.waiting &= ~to;
    if (want.waiting == 0 && want.forget_ns <= now_ns) {
      at = wants_.erase(at);
      continue;
    }
    const int64_t waiting_ns = want.due_ns > now_ns ? want.due_ns : now_ns + kBrokeNs;
    deadline_ns_ = std::min(deadline_ns_, want.waiting ? waiting_ns : want.forget_ns);
    ++at;
  }
}

}  // namespace casbook::replicate
