#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable/peer_drive.h"
#include "replicated/host_peers.h"
#include "replicated/network_floor.h"
#include "replicated/rows.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;
using test_support::Wire;

// The calling thread, and those that it starts, are on the network of a host.
class OnNetwork {
 public:
  OnNetwork(const Hosts& hosts, uint32_t host)
      : own_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    hosts.enter_network(host);
  }
  ~OnNetwork() {
    setns(own_, CLONE_NEWNET);
    close(own_);
  }
  OnNetwork(const OnNetwork&) = delete;
  OnNetwork& operator=(const OnNetwork&) = delete;

 private:
  int own_;
};

}  // namespace

std::string folder_on(const Hosts& hosts, uint32_t host, const std::string& name) {
  const std::string folder = hosts.disk(host) + "/" + name;
  mkdir(folder.c_str(), 0700);
  return folder;
}

std::vector<PeerEntry> all_host_peers([[maybe_unused]] const Hosts& hosts) {
  std::vector<PeerEntry> peers;
#ifdef CASBOOK_PEER_ETCD
  peers.push_back({"etcd, JSON gateway", make_host_etcd(hosts), true});
#else
  peers.push_back({"etcd (built without libcurl)", nullptr, true});
#endif
#ifdef CASBOOK_PEER_REDIS
  peers.push_back({"Redis, appendfsync always, WAIT 1", make_host_redis(hosts), true});
#else
  peers.push_back({"Redis (built without libhiredis)", nullptr, true});
#endif
#ifdef CASBOOK_PEER_POSTGRES
  peers.push_back({"PostgreSQL, synchronous standby", make_host_postgres(hosts), true});
#else
  peers.push_back({"PostgreSQL (built without libpq)", nullptr, true});
#endif
  return peers;
}

void add_peer_rows(const Place& place, const Effort& effort, Table& table) {
  const std::string folder = place.folder("p");
  chmod(folder.c_str(), 0755);  // a server of another user has its data in here
  const Hosts hosts({.wire = Wire::bridge, .folder = folder});
  if (!hosts.are_there()) return table.add({"skipped: " + hosts.why_not()});
  const OnNetwork caller(hosts, 1);
  for (PeerEntry& entry : all_host_peers(hosts)) {
    std::string why;
    if (!entry.peer)
      why = "not built in";
    else if (!effort.with_servers)
      why = "servers are off in this run";
    else
      why = drive_peer(entry.name, *entry.peer, {}, effort, table, [&] {
        const FloorShape shape{.record_bytes = kRecordBytesAbout, .is_durable = true};
        return std::make_unique<NetworkFloor>(hosts, shape);
      });
    if (!why.empty()) table.add({entry.name, "skipped: " + why});
    entry.peer.reset();  // its servers end before the next one is measured
  }
}

}  // namespace casbook::bench
