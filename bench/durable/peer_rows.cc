#include "durable/peer_rows.h"

#include "durable/disk_floor.h"
#include "durable/peer_casbook.h"
#include "durable/peer_drive.h"

namespace casbook::bench {

void add_peer_rows(const Place& place, const Effort& effort, Table& table) {
  std::vector<PeerEntry> peers = all_peers();
  peers.insert(peers.begin(), PeerEntry{"casbook", make_casbook(effort.payments), false});
  uint32_t number = 0;
  for (PeerEntry& entry : peers) {
    std::string why;
    if (!entry.peer)
      why = "not built in";
    else if (entry.needs_server && !effort.with_servers)
      why = "servers are off in this run";
    else {
      const std::string folder = place.folder(("peer" + std::to_string(++number)).c_str());
      why = drive_peer(entry.name, *entry.peer, folder, effort, table,
                       [&] { return std::make_unique<RoundTripFloor>(place.path()); });
    }
    if (!why.empty()) table.add({entry.name, "skipped: " + why});
    entry.peer.reset();  // its server ends before the next one is measured
  }
}

}  // namespace casbook::bench
