#include "support/hosts/sniffer.h"

#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "replicate/wire.h"

namespace casbook::test_support {
namespace {

constexpr size_t kIpBytes = 20, kUdpBytes = 8;
constexpr int kBufferBytes = 128 << 20;

class Sniffer {
 public:
  explicit Sniffer(SniffedCounts& counts) : counts_(counts) {}

  void take(std::span<const std::byte> packet) {
    if (packet.size() < kIpBytes || packet[0] != std::byte{0x45}) return;
    uint16_t cut;
    std::memcpy(&cut, packet.data() + 6, sizeof cut);
    if (ntohs(cut) & 0x3fff) ++counts_.fragments;  // "more" or an offset
    if (packet[9] != std::byte{IPPROTO_UDP} || packet.size() < kIpBytes + kUdpBytes) return;
    const auto datagram = packet.subspan(kIpBytes + kUdpBytes);
    const auto header = replicate::decode_header(datagram);
    if (!header) return;
    ++counts_.datagrams;
    if (packet.size() > counts_.largest) counts_.largest = packet.size();
    note(*header, datagram);
  }

 private:
  void note(const replicate::DatagramHeader& header, std::span<const std::byte> datagram) {
    runs_.insert({header.sender, header.boot}), keys_.insert(header.key);
    counts_.runs = runs_.size(), counts_.keys = keys_.size();
    auto& numbers = sent_[{header.key, header.boot, header.cipher}];
    const uint64_t bytes = base::hash_bytes(datagram.data(), datagram.size());
    const auto [at, is_new] = numbers.try_emplace(header.seq, bytes);
    // The same sealed bytes to several nodes are one use of the number.
    if (!is_new && at->second != bytes) ++counts_.repeats;
  }

  SniffedCounts& counts_;
  std::set<std::pair<uint64_t, uint64_t>> runs_;
  std::set<replicate::KeyId> keys_;
  std::map<std::tuple<replicate::KeyId, uint64_t, replicate::Cipher>,
           std::unordered_map<uint64_t, uint64_t>>
      sent_;
};

[[noreturn]] void sniff(SniffedCounts& counts) {
  const int tap = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
  require(tap >= 0, "no packet socket");
  setsockopt(tap, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  Sniffer sniffer(counts);
  std::vector<std::byte> bytes(65'536);
  counts.is_ready = 1;
  for (;;) {
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    const ssize_t came =
        recvfrom(tap, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (came <= 0 || from.sll_pkttype != PACKET_OUTGOING || from.sll_protocol != htons(ETH_P_IP))
      continue;
    sniffer.take(std::span(bytes).first(static_cast<size_t>(came)));
    if (counts.datagrams % 1024 != 0) continue;
    tpacket_stats stats{};
    size = sizeof stats;
    if (getsockopt(tap, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
      counts.missed += stats.tp_drops;
  }
}

}  // namespace

Child sniff_on(const Hosts& hosts, uint32_t host, SniffedCounts& counts) {
  Child sniffer = fork_on(hosts, host, [&] { sniff(counts); });
  require(await([&] { return counts.is_ready != 0; }), "the sniffer does not begin");
  return sniffer;
}

}  // namespace casbook::test_support
