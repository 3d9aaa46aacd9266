// What time brings: handshakes, pulses, asking for what is missing, repairs.
#include <algorithm>

#include "replicate/transport_impl.h"

namespace casbook::replicate {

namespace {

// How often it is tried whether multicast comes back, where all have lost it.
constexpr int64_t kProbeNs = 20'000'000;

}  // namespace

void Transport::Impl::tick(int64_t now_ns) {
  dismiss_guests(now_ns);
  for_each(all_peers(), [&](uint32_t peer) {
    PeerSession& session = sessions[peer];
    session.hello_again_if_silent(now_ns);
    if (session.hello_ns() <= now_ns) send_hello(peer, now_ns);
    if (session.is_accepted() && session.pulse_ns() <= now_ns)
      outbox.put(Outbox::lane_of(peer), session.next_pulse(now_ns));
    if (session.references.ask_ns(nak_timing(session)) <= now_ns) send_naks(peer, now_ns);
  });
  repairs.send_due(
      entries,
      [&](Repairs::Peers to, const LogEntry& entry, uint32_t offset, uint32_t bytes) {
        ++counts.repairs_sent, counts.repair_bytes += bytes;
        return put_entry(to, entry, offset, bytes);
      },
      now_ns);
  probe_multicast(now_ns);
  probe_paths(now_ns);
  if (hand_over_ns <= now_ns) hand_over_all(now_ns);
  flush(now_ns);
  deliver_all();
}

int64_t Transport::Impl::deadline_ns() const {
  int64_t deadline = std::min(repairs.deadline_ns(), hand_over_ns);
  for_each(all_peers(), [&](uint32_t peer) {
    const PeerSession& session = sessions[peer];
    deadline =
        std::min({deadline, session.hello_ns(), session.references.ask_ns(nak_timing(session))});
    if (session.is_accepted())
      deadline = std::min({deadline, session.pulse_ns(), session.path.due_ns()});
  });
  return silent_peers() ? std::min(deadline, probe_ns) : deadline;
}

void Transport::Impl::send_hello(uint32_t peer, int64_t now_ns) {
  PeerSession& session = sessions[peer];
  const uint64_t fresh =
      keyed_number(cluster_keys.sealing(), options.boot, options.seed, ++challenges);
  outbox.put(Outbox::lane_of(peer), HelloFrame{.challenge = session.challenge(fresh, now_ns),
                                               .shape = options.shape,
                                               .ciphers = own_ciphers});
  if (!options.address.empty())
    outbox.put(Outbox::lane_of(peer), IntroductionFrame{options.address});
  session.hello_sent(now_ns);
}

void Transport::Impl::send_naks(uint32_t peer, int64_t now_ns) {
  NakFrame nak;
  sessions[peer].references.ask(
      nak_timing(sessions[peer]), now_ns,
      [this](uint64_t term, uint64_t index) {
        return received.find(term, index) || is_logged(term, index);
      },
      [this](uint64_t term, uint64_t index, FewOf<Hole, 64>& holes) {
        received.add_holes(term, index, holes);
      },
      nak.holes);
  if (nak.holes.count == 0) return;
  nak.holes.count = std::min(nak.holes.count, outbox.holes_max());
  ++counts.repairs_asked;
  outbox.put(Outbox::lane_of(peer), nak);
}

void Transport::Impl::probe_multicast(int64_t now_ns) {
  if (silent_peers() == 0 || probe_ns > now_ns) return;
  outbox.send_group();
  probe_ns = now_ns + kProbeNs;
}

NakTiming Transport::Impl::nak_timing(const PeerSession& session) const {
  return {.delay_ns = options.nak_delay_ns,
          .jitter_ns = nak_jitter_ns,
          .round_trip_ns = session.round_trip_ns()};
}

}  // namespace casbook::replicate
