// The body of a change, little-endian:
//
//   offset  bytes
//        0      4  "CRC" and a version: 'F' or 'G'; the next letter when a byte changes its meaning
//        4      4  count of servers
//   then of each, by ascending id
//        0      8  id, not 0
//        8      2  bytes of the address
//       10      .  address, printable ASCII
//        .      1  of version 'G': role, 0 voter, 1 stand-by, 2 stand-by that shall be a voter
//
// Of version 'F' all vote. It is written where they do, so that entry 1 has the same bytes whoever
// writes it.
#include <cstring>

#include "base/quote.h"
#include "replicate/consensus.h"

namespace casbook::replicate {
namespace {

constexpr uint32_t kMagic = 0x00435243;  // without the version
constexpr uint32_t kAllVote = 'F', kWithRoles = 'G';
constexpr uint32_t magic_of(uint32_t version) { return kMagic | version << 24; }

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

bool take(std::span<const std::byte>& rest, uint32_t version, Server& server) {
  uint16_t bytes = 0;
  if (!take(rest, server.id) || !take(rest, bytes) || rest.size() < bytes) return false;
  server.address.assign(reinterpret_cast<const char*>(rest.data()), bytes);
  rest = rest.subspan(bytes);
  if (version == kAllVote) return true;
  uint8_t role = 0;
  if (!take(rest, role) || role > static_cast<uint8_t>(ServerRole::joining)) return false;
  server.role = static_cast<ServerRole>(role);
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

const Server* Configuration::find(uint64_t id) const {
  for (const Server& server : servers)
    if (server.id == id) return &server;
  return nullptr;
}
bool Configuration::has_voter(uint64_t id) const {
  const Server* const server = find(id);
  return server && server->is_voter();
}
uint32_t Configuration::voters() const {
  uint32_t count = 0;
  for (const Server& server : servers) count += server.is_voter();
  return count;
}

Result<void> check(const Configuration& configuration) {
  const auto& servers = configuration.servers;
  if (configuration.voters() < kVotersMin || servers.size() > kServersMax)
    return refuse(std::to_string(configuration.voters()) + " voters of " +
                  std::to_string(servers.size()) + " members; expected " +
                  std::to_string(kVotersMin) + " voters at least, " + std::to_string(kServersMax) +
                  " members at most");
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
  const bool do_all_vote = configuration.voters() == configuration.servers.size();
  put(out, magic_of(do_all_vote ? kAllVote : kWithRoles));
  put(out, static_cast<uint32_t>(configuration.servers.size()));
  for (const Server& server : configuration.servers) {
    put(out, server.id);
    put(out, static_cast<uint16_t>(server.address.size()));
    const auto bytes = std::as_bytes(std::span(server.address));
    out.insert(out.end(), bytes.begin(), bytes.end());
    if (!do_all_vote) put(out, static_cast<uint8_t>(server.role));
  }
  return out;
}

Result<Configuration> decode_configuration(std::span<const std::byte> body) {
  const Error damaged{.code = Code::damaged, .detail = "configuration: not as it is encoded"};
  uint32_t magic = 0, count = 0;
  if (!take(body, magic) || (magic & 0xffffff) != kMagic) return damaged;
  const uint32_t version = magic >> 24;
  if (version > kWithRoles)
    return Error{.code = Code::format_newer,
                 .detail = "configuration: version " + std::string(1, static_cast<char>(version)) +
                           ", this program knows " + std::string(1, char{kWithRoles})};
  if (version < kAllVote || !take(body, count) || count > kServersMax) return damaged;
  Configuration configuration;
  for (uint32_t i = 0; i < count; ++i) {
    Server server;
    if (!take(body, version, server)) return damaged;
    configuration.servers.push_back(std::move(server));
  }
  if (!body.empty()) return damaged;
  if (const auto sound = check(configuration); !sound)
    return Error{.code = Code::damaged, .detail = sound.error().detail};
  return configuration;
}

}  // namespace casbook::replicate
