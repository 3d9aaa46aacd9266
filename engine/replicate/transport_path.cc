// How large a datagram may be: as large as the path to each peer lets pass, for what goes to all
// goes once.
#include <algorithm>

#include "replicate/transport_impl.h"

namespace casbook::replicate {

// With it multicast is tried as well: a peer that does not hear this one is known of within a
// moment of its start, be there anything to send or not.
void Transport::Impl::path_begins(uint32_t peer, int64_t now_ns) {
  sessions[peer].path.begin(network.datagram_bytes(), now_ns);
  fit_datagrams();
  if (!options.is_multicast) return;
  outbox.send_group();
  flush(now_ns);
}

void Transport::Impl::probe_paths(int64_t now_ns) {
  for (uint32_t peer = 0; peer < sessions.size(); ++peer) {
    PeerSession& session = sessions[peer];
    if (session.is_accepted())
      session.path.tick(now_ns, session.round_trip_ns(), session.heard_ns(),
                        [&](uint32_t bytes) { outbox.send_probe(peer, bytes); });
  }
  fit_datagrams();
}

void Transport::Impl::heed_refusals(int64_t now_ns) {
  const uint32_t refused = network.take_refused_bytes();
  if (refused == 0) return;
  for (PeerSession& session : sessions)
    if (session.is_accepted()) session.path.refused(refused, now_ns);
  fit_datagrams();
}

void Transport::Impl::fit_datagrams() {
  uint32_t bytes = network.datagram_bytes();
  for (const PeerSession& session : sessions)
    if (session.is_accepted()) bytes = std::min(bytes, session.path.bytes());
  if (bytes == outbox.datagram_bytes()) return;
  outbox.set_datagram_bytes(bytes);
  repairs.set_fragment_bytes(outbox.fragment_bytes());
}

}  // namespace casbook::replicate
