// The body of a change, little-endian:
//
//   offset  bytes
//        0      4  0x46435243, "CRCF"; bump the last letter when a byte changes its meaning
//        4      4  count of servers
//   then of each, by ascending id
//        0      8  id, not 0
//        8      2  bytes of the address
//       10      .  address, printable ASCII
#include <cstring>

#include "base/quote.h"
#include "replicate/consensus.h"

namespace casbook::replicate {
namespace {

constexpr uint32_t kMagic = 0x46435243;

template <class T>
void put(std::vector<std::byte>& out, T value) {
  const size_t end = out.size();
  out.resize(end + sizeof value);
  std::memcpy(out.data() + end, &value, sizeof value);
}

// Takes a value off the front; false: too few bytes.
template <class T>
bool take(std::span<const std::byte>& rest, T& value) {
  if (rest.size() < sizeof value) return false;
  std::memcpy(&value, rest.data(), sizeof value);
  rest = rest.subspan(sizeof value);
  return true;
}

bool take(std::span<const std::byte>& rest, Server& server) {
  uint16_t bytes = 0;
  if (!take(rest, server.id) || !take(rest, bytes) || rest.size() < bytes) return false;
  server.address.assign(reinterpret_cast<const char*>(rest.data()), bytes);
  rest = rest.subspan(bytes);
  return true;
}

Error refuse(const std::string& what) {
  return {.code = Code::bad_argument, .detail = "configuration: " + what};
}

bool is_address(const std::string& address) {
  if (address.empty() || address.size() > kAddressBytesMax) return false;
  for (const char c : address)
    if (c <= ' ' || c > '~') return false;
  return true;
}

}  // namespace

Result<void> check(const Configuration& configuration) {
  const auto& servers = configuration.servers;
  if (servers.size() < kVotersMin || servers.size() > kVotersMax)
    return refuse(std::to_string(servers.size()) + " servers; expected " +
                  std::to_string(kVotersMin) + " to " + std::to_string(kVotersMax));
  uint64_t last_id = 0;
  for (size_t i = 0; i < servers.size(); ++i) {
    if (servers[i].id <= last_id)
      return refuse("server " + std::to_string(servers[i].id) + " behind " +
                    std::to_string(last_id) + "; expected ascending ids above 0");
    last_id = servers[i].id;
    if (!is_address(servers[i].address))
      return refuse("address " + base::quoted(servers[i].address) + "; expected 1 to " +
                    std::to_string(kAddressBytesMax) + " printable characters");
    for (size_t j = 0; j < i; ++j)
      if (servers[j].address == servers[i].address)
        return refuse("address " + base::quoted(servers[i].address) + " is there twice");
  }
  return {};
}

std::vector<std::byte> encode(const Configuration& configuration) {
  std::vector<std::byte> out;
  put(out, kMagic);
  put(out, static_cast<uint32_t>(configuration.servers.size()));
  for (const Server& server : configuration.servers) {
    put(out, server.id);
    put(out, static_cast<uint16_t>(server.address.size()));
    const auto bytes = std::as_bytes(std::span(server.address));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

Result<Configuration> decode_configuration(std::span<const std::byte> body) {
  const Error damaged{.code = Code::damaged, .detail = "configuration: not as it is encoded"};
  uint32_t magic = 0, count = 0;
  if (!take(body, magic) || magic != kMagic || !take(body, count) || count > kVotersMax)
    return damaged;
  Configuration configuration;
  for (uint32_t i = 0; i < count; ++i) {
    Server server;
    if (!take(body, server)) return damaged;
    configuration.servers.push_back(std::move(server));
  }
  if (!body.empty()) return damaged;
  if (const auto sound = check(configuration); !sound)
    return Error{.code = Code::damaged, .detail = sound.error().detail};
  return configuration;
}

}  // namespace casbook::replicate
