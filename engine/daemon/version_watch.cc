#include "daemon/version_watch.h"

#include "daemon/event_log.h"
#include "replicate/udp_address.h"
#include "replicate/wire.h"

namespace casbook::daemon {

void VersionWatch::look(std::span<const std::byte> datagram, const replicate::UdpNetwork& network,
                        const sockaddr_in& from, int64_t now_ns) {
  const auto version = replicate::decode_version(datagram);
  if (!version || *version == replicate::kWireVersion) return;
  const uint64_t node = network.node_at(from);
  if (node == 0) return;
  const auto [at, is_first] = seen_.try_emplace(node);
  Seen& seen = at->second;
  const int64_t silent_ns = now_ns - seen.told_ns;
  if (!is_first && silent_ns < (seen.version == *version ? kAgainNs : kNextNs)) return;
  seen = {.version = *version, .told_ns = now_ns};
  const bool is_newer = *version > replicate::kWireVersion;
  log_event(is_newer ? Severity::error : Severity::warn, is_newer ? "newer_node" : "older_node",
            {{"node", node},
             {"address", replicate::text_of(from)},
             {"version", *version},
             {"own_version", replicate::kWireVersion},
             {"upgrade", is_newer ? "this node" : "that node"}});
}

}  // namespace casbook::daemon
