#include "daemon/network_watch.h"

#include "daemon/event_log.h"

namespace casbook::daemon {

namespace {

std::string list_of(const std::vector<uint64_t>& nodes) {
  std::string text;
  for (const uint64_t node : nodes) text += (text.empty() ? "" : ",") + std::to_string(node);
  return text;
}

}  // namespace

void NetworkWatch::look(const replicate::Transport& transport, int64_t now_ns) {
  if (now_ns < next_ns_) return;
  const auto deaf = transport.deaf_peers();
  const uint32_t bytes = transport.datagram_bytes();
  if (deaf == deaf_told_ && bytes == bytes_told_) return;
  next_ns_ = now_ns + kSpacingNs;
  if (deaf != deaf_told_) tell_deaf(deaf);
  if (bytes != bytes_told_) tell_size(bytes);
  deaf_told_ = deaf, bytes_told_ = bytes;
}

void NetworkWatch::tell_deaf(const std::vector<uint64_t>& deaf) {
  if (deaf.empty())
    log_event(Severity::info, "multicast_heard");
  else
    log_event(Severity::warn, "multicast_silent", {{"nodes", list_of(deaf)}});
}

// As configured when it begins: that is no news.
void NetworkWatch::tell_size(uint32_t bytes) {
  if (bytes_told_ == 0) return;
  const bool is_narrower = bytes < bytes_told_;
  log_event(is_narrower ? Severity::warn : Severity::info,
            is_narrower ? "path_narrower" : "path_wider", {{"datagram_bytes", bytes}});
}

}  // namespace casbook::daemon
