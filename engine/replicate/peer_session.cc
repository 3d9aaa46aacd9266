#include "replicate/peer_session.h"

#include <algorithm>
#include <utility>

#include "base/probe.h"

namespace casbook::replicate {

namespace {

using base::Mutant;
using base::mutated;

// A challenge is given out for the first, and its answer taken until the second: so long could
// someone hold back the answer of a run that has ended meanwhile.
constexpr int64_t kChallengeNs = 250'000'000, kAnswerNs = 500'000'000;
constexpr int64_t kSilentNs = 500'000'000;
constexpr int64_t kHelloMinNs = 10'000'000, kHelloMaxNs = 160'000'000;
// However many datagrams of unknown boots come.
constexpr int64_t kHelloSpacingNs = 1'000'000;
constexpr int64_t kPulseNs = 20'000'000;
// With other frames, when it costs no datagram.
constexpr int64_t kPulseSpacingNs = 5'000'000;

}  // namespace

bool PeerSession::was_taken(const DatagramHeader& header) const {
  return is_of_accepted_boot(header) && window_.was_taken(header.seq) &&
         !mutated(Mutant::transport_replays);
}

const DatagramKey* PeerSession::key_for(const DatagramHeader& header) {
  const ClusterKey* const cluster_key = cluster_keys_->find(header.key);
  if (!cluster_key) return nullptr;
  const auto which = static_cast<size_t>(cluster_key - cluster_keys_->all().data());
  if (which != 0 && mutated(Mutant::transport_first_key_only)) return nullptr;
  RunKeys& run = is_of_accepted_boot(header) ? accepted_ : candidate_;
  if (run.boot != header.boot) run = {.boot = header.boot};
  auto& key = run.keys[which];
  if (!key) key = std::make_unique<DatagramKey>(*cluster_key, cluster_, node_, header.boot);
  return key.get();
}

void PeerSession::forget_keys() { accepted_.keys = {}, candidate_.keys = {}; }

uint64_t PeerSession::challenge(uint64_t fresh_number, int64_t now_ns) {
  if (challenge_ == 0 || now_ns - challenge_since_ns_ > kChallengeNs)
    challenge_ = fresh_number, challenge_since_ns_ = now_ns;
  return challenge_;
}

bool PeerSession::is_answer(uint64_t answer, int64_t now_ns) const {
  return challenge_ != 0 && answer == challenge_ && now_ns - challenge_since_ns_ <= kAnswerNs;
}

void PeerSession::accept(const DatagramHeader& header, uint8_t ciphers) {
  boot_ = header.boot;
  accepted_ = std::exchange(candidate_, {});
  ciphers_ = ciphers;
  window_.begin_behind(header.seq - 1);
  control_seq_ = header.seq - 1;
  challenge_ = 0;
  multicast_seen_ = 0, peer_clock_ = 0, round_trip_ns_ = 0;
  pulse_ns_ = 0, hello_ns_ = INT64_MAX, hello_after_ns_ = 0;
  references = {};
  multicast.begin_anew();
}

void PeerSession::hello_sent(int64_t now_ns) {
  hello_sent_ns_ = now_ns;
  hello_after_ns_ = std::clamp(2 * hello_after_ns_, kHelloMinNs, kHelloMaxNs);
  hello_ns_ = is_accepted() ? INT64_MAX : now_ns + hello_after_ns_;
}

void PeerSession::hello_again_if_silent(int64_t now_ns) {
  if (is_accepted() && now_ns - heard_ns_ > kSilentNs && now_ns - hello_sent_ns_ >= kHelloMaxNs)
    hello_ns_ = now_ns;
}

void PeerSession::want_hello(int64_t now_ns) {
  hello_ns_ = std::min(hello_ns_, std::max(now_ns, hello_sent_ns_ + kHelloSpacingNs));
}

void PeerSession::take(const DatagramHeader& header, int64_t now_ns) {
  window_.take(header.seq);
  if (header.destination == kToAll) multicast_seen_ = std::max(multicast_seen_, header.seq);
  heard_ns_ = now_ns;
}

bool PeerSession::begins_in_order(const DatagramHeader& header) {
  if (header.seq <= control_seq_ && !mutated(Mutant::transport_unordered)) return false;
  control_seq_ = header.seq;
  return true;
}

void PeerSession::pulse_came(const PulseFrame& pulse, int64_t now_ns) {
  peer_clock_ = pulse.clock, peer_clock_since_ns_ = now_ns;
  const auto now = static_cast<uint64_t>(now_ns);
  // Numbers of the other's making: taken when they can be true.
  if (pulse.echo != 0 && pulse.echo <= now && pulse.held_ns <= now - pulse.echo) {
    const auto sample = static_cast<int64_t>(now - pulse.echo - pulse.held_ns);
    round_trip_ns_ = round_trip_ns_ == 0 ? sample : round_trip_ns_ + (sample - round_trip_ns_) / 8;
  }
  multicast.seen(pulse.multicast_seen, round_trip_ns_, now_ns);
}

PulseFrame PeerSession::next_pulse(int64_t now_ns) {
  pulse_sent_ns_ = now_ns, pulse_ns_ = now_ns + kPulseNs;
  return {.multicast_seen = multicast_seen_,
          .clock = static_cast<uint64_t>(now_ns),
          .echo = peer_clock_,
          .held_ns = static_cast<uint64_t>(now_ns - peer_clock_since_ns_)};
}

bool PeerSession::may_pulse(int64_t now_ns) const {
  return is_accepted() && now_ns - pulse_sent_ns_ >= kPulseSpacingNs;
}

}  // namespace casbook::replicate
