#include "daemon/cluster_service.h"

#include "daemon/cluster_node.h"
#include "daemon/introduction.h"
#include "daemon/lock_file.h"

namespace casbook::daemon {

using replicate::UdpNetwork;

namespace {

Result<std::unique_ptr<UdpNetwork>> open_network(const ClusterConfig& cluster) {
  replicate::UdpOptions options;
  for (const replicate::Server& server : cluster.nodes) {
    if (server.id == cluster.node)
      options.address = server.address;
    else
      options.peers.push_back({server.id, server.address});
  }
  options.is_multicast = cluster.is_multicast;
  options.group = cluster.group;
  options.interface = cluster.interface;
  options.mtu = static_cast<uint32_t>(cluster.mtu);
  return UdpNetwork::open(options);
}

Result<ClusterNode::Left> serve_once(const Config& config, journal::DirectoryStorage& storage,
                                     LiveKeys& keys, const StopSignal& stop) {
  auto network = open_network(config.cluster);
  if (!network) return network.error();
  auto ground = find_ground(config, storage);
  if (!ground) return ground.error();
  const journal::JournalState state = ground->state;
  const uint64_t applied = ground->applied;
  const bool needs_rebuild = ground->needs_rebuild, is_quarantined = ground->is_quarantined;
  auto catch_up = std::make_unique<CatchUp>(
      config.cluster, config.journal.segment_bytes, keys.keys(),
      CatchUp::Node{&storage, state, ground->shape, digest_of(ground->shape)});
  journal::OwnLog own;
  {
    ClusterNode node(config, std::move(*ground), std::move(*network), keys, std::move(catch_up));
    if (auto started = node.start(storage, state, applied, needs_rebuild, is_quarantined); !started)
      return started.error();
    auto left = node.serve(stop);
    if (!left || *left == ClusterNode::Left::stopped) return left;
    own = node.own_log();
    catch_up = node.take_catch_up();
  }
  // A crash from here on leaves the old journal or the new one.
  auto installed = catch_up->install(own);
  if (!installed) return installed.error();
  return ClusterNode::Left::to_install;
}

}  // namespace

Result<void> serve_in_cluster(const Config& config, journal::DirectoryStorage& storage,
                              const StopSignal& stop) {
  auto lock = LockFile::hold(storage.describe());
  if (!lock) return lock.error();
  auto keys = LiveKeys::read(config.cluster.key_file);
  if (!keys) return keys.error();
  auto finished = journal::finish_installation(storage);
  if (!finished) return finished.error();
  auto joined = join_if_new(config, storage, keys->keys(), stop);
  if (!joined) return joined.error();
  if (!*joined) return {};
  // Progress: each round but the last one installed a copy.
  for (;;) {
    auto left = serve_once(config, storage, *keys, stop);
    if (!left) return left.error();
    if (*left == ClusterNode::Left::stopped) return {};
  }
}

}  // namespace casbook::daemon
