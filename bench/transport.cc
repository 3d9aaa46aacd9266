// Datagrams of the cluster: sealing and opening alone, and three transports over real sockets on
// loopback in one thread, so that CPU time is all there is.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "replicate/keys.h"
#include "replicate/transport.h"
#include "replicate/udp_network.h"

namespace casbook::bench {
namespace {

using namespace replicate;

void seal_and_open(benchmark::State& state, Cipher cipher) {
  if (!can_use(cipher)) return state.SkipWithError("not on this machine");
  const DatagramKey key(ClusterKey{}, 1, 2, 3);
  const std::vector<std::byte> header(48), plain(static_cast<size_t>(state.range(0)));
  std::vector<std::byte> sealed(plain.size() + kSealBytes), opened(plain.size());
  uint64_t nonce = 0;
  for (auto _ : state) {
    key.seal(cipher, ++nonce, header, plain, sealed.data());
    if (!key.open(cipher, nonce, header, sealed, opened.data())) std::abort();
  }
}
BENCHMARK_CAPTURE(seal_and_open, aes_256_gcm, Cipher::aes_256_gcm)->Arg(128)->Arg(1400);
BENCHMARK_CAPTURE(seal_and_open, chacha20_poly1305, Cipher::chacha20_poly1305)->Arg(128)->Arg(1400);

class GrowingLog final : public EntrySource {
 public:
  explicit GrowingLog(uint32_t bytes) : bytes_(bytes) {}
  EntryPtr entry(uint64_t index) override {
    return index <= dropped_ || index > last_index() ? nullptr : entries_[index - dropped_ - 1];
  }
  void append() {
    LogEntry entry{.index = last_index() + 1, .term = 1};
    entry.first_lsn = entry.index, entry.count = 1;
    entry.body.resize(bytes_);
    add(std::make_shared<const LogEntry>(std::move(entry)));
  }
  void add(EntryPtr entry) {
    entries_.push_back(std::move(entry));
    if (entries_.size() < 20'000) return;
    entries_.erase(entries_.begin(), entries_.begin() + 10'000);
    dropped_ += 10'000;
  }
  uint64_t last_index() const { return dropped_ + entries_.size(); }

 private:
  uint32_t bytes_;
  uint64_t dropped_ = 0;
  std::vector<EntryPtr> entries_;
};

sockaddr_in bind_anywhere(int fd) {
  sockaddr_in address{};
  address.sin_family = AF_INET, address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  return address;
}

std::string free_port() {
  const arena::OsFile probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return std::to_string(ntohs(bind_anywhere(probe.fd()).sin_port));
}

// Three nodes; the first leads, and refers to its entries in batches.
class Trio {
 public:
  Trio(bool is_multicast, uint32_t entry_bytes) : log_(entry_bytes) {
    const std::string group = "239.192.7.1:" + free_port();
    for (std::string& address : addresses_) address = "127.0.0.1:" + free_port();
    for (uint64_t node = 1; node <= 3; ++node) open(node, is_multicast, group);
    while (!is_met()) pump(100'000);
  }
  void send(uint32_t entries) {
    const uint64_t prev = log_.last_index();
    for (uint32_t i = 0; i < entries; ++i) log_.append();
    AppendEntries message{.version = 1, .term = 1, .prev_index = prev, .prev_term = prev ? 1u : 0u};
    message.count = entries;
    const Outgoing both[] = {{2, message}, {3, message}};
    nodes_[0].transport->send(both, base::monotonic_ns());
  }
  void pump(int64_t timeout_ns) {
    for (Node& node : nodes_) {
      auto received = node.network->receive(*node.batch, timeout_ns);
      if (!received) std::abort();
      const int64_t now = base::monotonic_ns();
      for (uint32_t i = 0; i < *received; ++i) node.transport->receive((*node.batch)[i], now);
      if (node.transport->deadline_ns() <= now) node.transport->tick(now);
    }
  }
  bool has_all() const {
    return nodes_[1].had == log_.last_index() && nodes_[2].had == log_.last_index();
  }
  const TransportCounts& counts() const { return nodes_[0].transport->counts(); }
  uint64_t received() const {
    return nodes_[1].transport->counts().datagrams_received +
           nodes_[2].transport->counts().datagrams_received;
  }

 private:
  struct NoLog final : EntrySource {
    EntryPtr entry(uint64_t) override { return nullptr; }
  };
  struct Node {
    std::unique_ptr<UdpNetwork> network;
    std::unique_ptr<UdpBatch> batch;
    std::unique_ptr<Transport> transport;
    uint64_t had = 0;
  };

  void open(uint64_t number, bool is_multicast, const std::string& group) {
    UdpOptions options{.address = addresses_[number - 1], .peers = {}, .group = group};
    options.is_multicast = is_multicast, options.interface = "lo", options.is_looped = true;
    TransportOptions transport{.cluster = 1, .node = number, .peers = {}, .boot = number + 100};
    transport.is_multicast = is_multicast;
    for (uint64_t peer = 1; peer <= 3; ++peer) {
      if (peer == number) continue;
      options.peers.push_back({peer, addresses_[peer - 1]});
      transport.peers.push_back(peer);
    }
    Node& node = nodes_[number - 1];
    auto opened = UdpNetwork::open(options);
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.error().message().c_str());
      std::abort();
    }
    node.network = std::move(*opened);
    node.batch = std::make_unique<UdpBatch>(node.network->make_batch());
    EntrySource& log = number == 1 ? static_cast<EntrySource&>(log_) : none_;
    node.transport = std::make_unique<Transport>(
        transport, ClusterKey{}, *node.network, log, [&node](uint64_t, Message&& message) {
          const auto& append = std::get<AppendEntries>(message);
          node.had = append.prev_index + append.count;
        });
  }
  bool is_met() const {
    for (uint64_t node = 1; node <= 3; ++node)
      for (uint64_t peer = 1; peer <= 3; ++peer)
        if (node != peer && nodes_[node - 1].transport->heard_ns(peer) == 0) return false;
    return true;
  }

  GrowingLog log_;
  NoLog none_;
  std::string addresses_[3];
  Node nodes_[3];
};

// One datagram is one entry and its reference here; sent once, received by two.
void carry(benchmark::State& state, bool is_multicast) {
  constexpr uint32_t kBytesBeside = 200;
  Trio trio(is_multicast, static_cast<uint32_t>(state.range(0)) - kBytesBeside);
  const auto in_flight = static_cast<uint32_t>(state.range(1));
  const TransportCounts before = trio.counts();
  const uint64_t received_before = trio.received();
  for (auto _ : state) {
    for (uint32_t i = 0; i < in_flight; ++i) trio.send(1);
    while (!trio.has_all()) trio.pump(0);
  }
  const auto per_second = [](uint64_t count) {
    return benchmark::Counter(static_cast<double>(count), benchmark::Counter::kIsRate);
  };
  state.counters["sent/s"] = per_second(trio.counts().datagrams_sent - before.datagrams_sent);
  state.counters["received/s"] = per_second(trio.received() - received_before);
  state.counters["repairs"] = static_cast<double>(trio.counts().repairs_sent - before.repairs_sent);
}
BENCHMARK_CAPTURE(carry, multicast, true)->Args({1400, 1})->Args({1400, 32})->Args({400, 32});
BENCHMARK_CAPTURE(carry, unicast, false)->Args({1400, 1})->Args({1400, 32});

}  // namespace
}  // namespace casbook::bench

BENCHMARK_MAIN();
