// Systems that keep the same payment on three hosts when it is answered.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "durable/peer.h"
#include "support/hosts/hosts.h"

namespace casbook::bench {

// Each server of a peer has the folder `peer.folder_of(host)` there. The hosts outlive the peers.
std::vector<PeerEntry> all_host_peers(const test_support::Hosts& hosts);

std::unique_ptr<Peer> make_host_etcd(const test_support::Hosts& hosts);
std::unique_ptr<Peer> make_host_redis(const test_support::Hosts& hosts);
std::unique_ptr<Peer> make_host_postgres(const test_support::Hosts& hosts);

// A folder of that name on the host's disk, made now.
std::string folder_on(const test_support::Hosts& hosts, uint32_t host, const std::string& name);

}  // namespace casbook::bench
