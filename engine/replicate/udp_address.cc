#include "replicate/udp_address.h"

#include <charconv>
#include <optional>

#include <arpa/inet.h>

namespace casbook::replicate {

namespace {

Error expected(std::string_view field, std::string_view text, const char* what) {
  return {.code = Code::bad_argument,
          .detail = std::string(field) + " \"" + std::string(text) + "\": expected " + what};
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, port);
  if (text.empty() || failure != std::errc() || rest != end || port == 0) return std::nullopt;
  return port;
}

}  // namespace

Result<sockaddr_in> parse_udp_address(std::string_view field, std::string_view text) {
  constexpr const char* kWanted = "an IPv4 address and a port, as 10.0.0.1:7400";
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return expected(field, text, kWanted);
  const auto port = parse_port(text.substr(colon + 1));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const std::string host(text.substr(0, colon));
  // A zero byte would end what inet_pton() sees.
  if (!port || host.find('\0') != host.npos ||
      inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    return expected(field, text, kWanted);
  address.sin_port = htons(*port);
  return address;
}

Result<sockaddr_in> parse_group_address(std::string_view field, std::string_view text) {
  auto address = parse_udp_address(field, text);
  if (!address) return address;
  const uint32_t host = ntohl(address->sin_addr.s_addr);
  if (host < 0xe0000100 || host > 0xefffffff)
    return expected(field, text, "a multicast group and a port, as 239.192.7.1:7401");
  return address;
}

std::string text_of(const sockaddr_in& address) {
  char host[INET_ADDRSTRLEN] = "?";
  inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
  return std::string(host) + ":" + std::to_string(ntohs(address.sin_port));
}

}  // namespace casbook::replicate
