// Real sockets, on loopback.
#include "replicate/udp_network.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "replicate/transport.h"
#include "replicate/udp_address.h"

namespace casbook {
namespace {

using namespace replicate;

constexpr int64_t kSecond = 1'000'000'000;

// Ports that nobody has: by binding to 0 and letting go again.
uint16_t free_port() {
  const arena::OsFile probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET, address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(probe.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(probe.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  return ntohs(address.sin_port);
}

class Sockets : public testing::Test {
 protected:
  Sockets() : group_("239.192.7.1:" + std::to_string(free_port())) {
    for (uint64_t node = 1; node <= 3; ++node)
      addresses_[node] = "127.0.0.1:" + std::to_string(free_port());
  }
  UdpOptions options(uint64_t node, bool is_multicast = true) const {
    UdpOptions options{.address = addresses_[node],
                       .peers = {},
                       .is_multicast = is_multicast,
                       .group = group_,
                       .interface = "lo",
                       .is_looped = true};
    for (uint64_t peer = 1; peer <= 3; ++peer)
      if (peer != node) options.peers.push_back({peer, addresses_[peer]});
    return options;
  }
  std::unique_ptr<UdpNetwork> open(uint64_t node, bool is_multicast = true) const {
    auto network = UdpNetwork::open(options(node, is_multicast));
    EXPECT_TRUE(network) << network.error().message();
    return network ? std::move(*network) : nullptr;
  }
  static std::vector<std::byte> datagram(const std::string& text) {
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
  }
  static std::vector<std::string> take(UdpNetwork& network, int64_t timeout_ns = kSecond) {
    UdpBatch batch = network.make_batch();
    EXPECT_TRUE(network.receive(batch, timeout_ns));
    std::vector<std::string> texts;
    for (uint32_t i = 0; i < batch.count(); ++i)
      texts.emplace_back(reinterpret_cast<const char*>(batch[i].data()), batch[i].size());
    return texts;
  }

  std::string addresses_[4], group_;
};

using Texts = std::vector<std::string>;

TEST_F(Sockets, CarryUnicastToTheOneItIsFor) {
  const auto a = open(1), b = open(2), c = open(3);
  a->unicast(2, datagram("to b"));
  EXPECT_EQ(take(*b, 0), Texts{}) << "before flush()";
  a->flush();
  EXPECT_EQ(take(*b), Texts{"to b"});
  EXPECT_EQ(take(*c, 0), Texts{});
}

TEST_F(Sockets, CarryMulticastToAll) {
  const auto a = open(1), b = open(2), c = open(3);
  a->multicast(datagram("to all"));
  a->flush();
  EXPECT_EQ(take(*b), Texts{"to all"});
  EXPECT_EQ(take(*c), Texts{"to all"});
}

TEST_F(Sockets, SayWhoADatagramIsFrom) {
  const auto a = open(1), c = open(3);
  auto narrow = options(2);
  narrow.mtu = 576;
  const auto b = UdpNetwork::open(narrow);
  ASSERT_TRUE(b);
  a->unicast(2, std::vector<std::byte>(1000));  // skipped
  a->unicast(2, datagram("of a"));
  a->flush();
  c->multicast(datagram("of c"));
  c->flush();
  std::map<std::string, uint64_t> from;
  for (UdpBatch batch = (*b)->make_batch(); from.size() < 2;) {
    ASSERT_TRUE((*b)->receive(batch, kSecond));
    for (uint32_t i = 0; i < batch.count(); ++i)
      from[{reinterpret_cast<const char*>(batch[i].data()), batch[i].size()}] =
          (*b)->node_at(batch.sender(i));
  }
  EXPECT_EQ(from, (std::map<std::string, uint64_t>{{"of a", 1}, {"of c", 3}}));
  EXPECT_EQ((*b)->node_at(*parse_udp_address("other", "127.0.0.1:1")), 0u);
}

TEST_F(Sockets, CarryMoreThanOneCallTakesInOrder) {
  const auto a = open(1), b = open(2);
  for (int i = 0; i < 200; ++i) a->unicast(2, datagram(std::to_string(i)));
  a->flush();
  Texts all;
  while (all.size() < 200) {
    const Texts some = take(*b);
    ASSERT_FALSE(some.empty());
    all.insert(all.end(), some.begin(), some.end());
  }
  for (int i = 0; i < 200; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], std::to_string(i));
}

// The kernel takes and gives runs of equally long ones as one.
TEST_F(Sockets, CarryWhatTheKernelJoinsOneByOne) {
  const auto a = open(1), b = open(2), c = open(3);
  Texts sent;
  const auto multicast = [&](char letter, size_t bytes) {
    sent.push_back(std::string(bytes, letter));
    a->multicast(datagram(sent.back()));
  };
  for (char letter = 'a'; letter < 'h'; ++letter) multicast(letter, 1400);
  multicast('h', 300);   // the shorter end of a run
  multicast('i', 1400);  // and another
  multicast('j', 1401);
  for (char letter = 'k'; letter < 'n'; ++letter) multicast(letter, 1);
  a->unicast(2, datagram("1"));
  a->unicast(3, datagram("2"));
  a->unicast(3, datagram("3"));
  a->flush();
  const auto take_all = [](UdpNetwork& network, size_t count) {
    Texts all;
    while (all.size() < count) {
      const Texts some = take(network);
      if (some.empty()) break;
      all.insert(all.end(), some.begin(), some.end());
    }
    std::sort(all.begin(), all.end());  // two sockets
    return all;
  };
  Texts at_b = sent, at_c = sent;
  at_b.insert(at_b.begin(), "1");
  at_c.insert(at_c.begin(), {"2", "3"});
  EXPECT_EQ(take_all(*b, at_b.size()), at_b);
  EXPECT_EQ(take_all(*c, at_c.size()), at_c);
  EXPECT_EQ(a->send_failures(), 0u);
}

TEST_F(Sockets, AreNotWokenByAnotherGroupOnTheSamePort) {
  const auto a = open(1);
  auto other = options(2);
  other.group.replace(0, 11, "239.192.7.2");
  const auto b = UdpNetwork::open(other);
  ASSERT_TRUE(b);
  a->multicast(datagram("not for b"));
  a->flush();
  EXPECT_EQ(take(**b, kSecond / 20), Texts{});
}

TEST_F(Sockets, WakeFromAnotherThread) {
  const auto a = open(1);
  std::thread waker([&] { a->wake(); });
  const int64_t began = base::monotonic_ns();
  EXPECT_EQ(take(*a, 10 * kSecond), Texts{});
  EXPECT_LT(base::monotonic_ns() - began, 5 * kSecond);
  waker.join();
  EXPECT_EQ(take(*a, kSecond / 100), Texts{});
  EXPECT_GE(base::monotonic_ns() - began, kSecond / 100);
}

TEST_F(Sockets, SkipWhatIsLargerThanOursCanBe) {
  const auto b = open(2);
  auto larger = options(1);
  larger.mtu = 9000;
  const auto a = UdpNetwork::open(larger);
  ASSERT_TRUE(a);
  (*a)->unicast(2, datagram(std::string(5000, 'x')));
  (*a)->unicast(2, datagram("small"));
  (*a)->flush();
  Texts all;
  for (int i = 0; i < 10 && all.empty(); ++i) all = take(*b, kSecond / 10);
  EXPECT_EQ(all, Texts{"small"});
}

TEST_F(Sockets, NameTheFieldThatIsWrong) {
  const auto refused = [&](auto change) {
    UdpOptions wrong = options(1);
    change(wrong);
    const auto opened = UdpNetwork::open(wrong);
    return opened ? std::string("opened") : opened.error().detail;
  };
  const auto starts = [](const std::string& text, const std::string& with) {
    return text.compare(0, with.size(), with) == 0;
  };
  EXPECT_TRUE(starts(refused([](auto& o) { o.address = "localhost:7400"; }), "address \""));
  EXPECT_TRUE(starts(refused([](auto& o) { o.peers[0].address = "10.0.0.1"; }),
                     "address of node 2 \"10.0.0.1\": expected"));
  EXPECT_TRUE(starts(refused([](auto& o) { o.group = "10.0.0.1:7400"; }), "group \""));
  EXPECT_TRUE(starts(refused([](auto& o) { o.interface = "none0"; }), "interface \"none0\""));
  EXPECT_TRUE(starts(refused([](auto& o) { o.mtu = 100; }), "mtu 100: expected"));
  EXPECT_TRUE(starts(refused([](auto& o) { o.peers[1].node = 2; }), "node 2 is named twice"));
  const auto first = open(1);
  EXPECT_NE(refused([](auto&) {}).find(addresses_[1]), std::string::npos) << "taken already";
  EXPECT_NE(refused([](auto& o) { o.address = "192.0.2.1:7400"; }).find("no address of this host"),
            std::string::npos);
}

TEST(UdpAddress, IsReadStrictly) {
  const auto good = parse_udp_address("address", "10.0.0.1:7400");
  ASSERT_TRUE(good);
  EXPECT_EQ(text_of(*good), "10.0.0.1:7400");
  for (const char* text : {"", ":", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
                           "10.0.0.1:+1", "10.0.0.1:1 ", " 10.0.0.1:1", "10.0.0:1", "10.0.0.256:1",
                           "010.0.0.1:1", "host:1", "[::1]:1", "10.0.0.1:1:1"})
    EXPECT_FALSE(parse_udp_address("address", text)) << text;
  EXPECT_TRUE(parse_group_address("group", "239.192.7.1:7401"));
  EXPECT_FALSE(parse_group_address("group", "224.0.0.1:7401"));
  EXPECT_FALSE(parse_group_address("group", "240.0.0.1:7401"));
}

// Two transports over real sockets: they meet, and a message arrives.
class Pair : public Sockets, public testing::WithParamInterface<bool> {};

class NoEntries final : public EntrySource {
 public:
  EntryPtr entry(uint64_t index) override { return index == 1 ? only : nullptr; }
  EntryPtr only;
};

TEST_P(Pair, OfTransportsMeetsAndCarriesAnEntry) {
  const auto a = open(1, GetParam()), b = open(2, GetParam());
  ClusterKey key;
  NoEntries log, empty;
  LogEntry entry{.index = 1, .term = 1};
  entry.type = journal::EntryType::records, entry.first_lsn = 1, entry.count = 1;
  entry.body.resize(100'000, std::byte{7});
  log.only = std::make_shared<const LogEntry>(entry);
  TransportOptions options{.cluster = 1, .node = 1, .peers = {2}, .boot = 11};
  options.is_multicast = GetParam();
  Transport at_a(options, key, *a, log, [](uint64_t, Message&&) {});
  std::vector<EntryPtr> got;
  options.node = 2, options.peers = {1}, options.boot = 12;
  Transport at_b(options, key, *b, empty, [&](uint64_t, Message&& message) {
    for (const EntryPtr& came : std::get<AppendEntries>(message).entries) got.push_back(came);
  });
  const auto pump = [](UdpNetwork& network, Transport& transport) {
    UdpBatch batch = network.make_batch();
    ASSERT_TRUE(network.receive(batch, 100'000));
    for (uint32_t i = 0; i < batch.count(); ++i) transport.receive(batch[i], base::monotonic_ns());
    if (transport.deadline_ns() <= base::monotonic_ns()) transport.tick(base::monotonic_ns());
  };
  const int64_t end = base::monotonic_ns() + 10 * kSecond;
  bool is_sent = false;
  while (got.empty() && base::monotonic_ns() < end) {
    pump(*a, at_a), pump(*b, at_b);
    if (is_sent || !at_a.heard_ns(2) || !at_b.heard_ns(1)) continue;
    const Outgoing message{2, AppendEntries{.version = 1, .term = 1, .count = 1, .entries = {}}};
    at_a.send({&message, 1}, base::monotonic_ns());
    is_sent = true;
  }
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0]->body, entry.body);
  EXPECT_EQ(at_b.counts().dropped_forged + at_b.counts().dropped_malformed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Modes, Pair, testing::Bool(),
                         [](const auto& given) { return given.param ? "Multicast" : "Unicast"; });

}  // namespace
}  // namespace casbook
