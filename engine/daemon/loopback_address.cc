#include "daemon/loopback_address.h"

#include <charconv>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace casbook::daemon {

namespace {

bool is_of_127(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

}  // namespace

std::optional<LoopbackAddress> parse_loopback_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  LoopbackAddress address{.host = std::string(text.substr(0, colon))};
  const std::string_view port = text.substr(colon + 1);
  const char* const end = port.data() + port.size();
  const auto [rest, failure] = std::from_chars(port.data(), end, address.port);
  if (port.empty() || failure != std::errc() || rest != end) return std::nullopt;
  if (address.host == "localhost") address.host = "127.0.0.1";
  if (address.host != "[::1]" && !is_of_127(address.host)) return std::nullopt;
  return address;
}

}  // namespace casbook::daemon
