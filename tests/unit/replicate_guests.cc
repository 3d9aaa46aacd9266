// Who is heard: members, and guests that introduce themselves with the cluster's key; not who was
// removed, until this node waits in vain for a leader.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "base/probe.h"
#include "replicate/transport.h"

namespace casbook::replicate {
namespace {

using base::Mutant;
using Peers = std::vector<uint64_t>;

// Two transports in one thread. The second says where it is.
class Pair {
 public:
  Pair(Peers of_first, const ClusterKey& key_of_second = {}) {
    begin(1, std::move(of_first), {});
    begin(2, {1}, key_of_second);
  }
  void run(int64_t ms) {
    for (int64_t i = 0; i < ms; ++i) {
      now_ += 1'000'000;
      for (auto& [id, end] : ends_) {
        if (i % 20 == 0) {
          const Outgoing message{3 - id, Received{.term = 1, .index = 1, .round = 1}};
          if (id == 2) end.transport->send({&message, 1}, now_);
        }
        end.transport->tick(now_);
      }
      for (auto& [id, end] : ends_)
        for (const auto& datagram : std::exchange(end.network.sent, {}))
          if (!is_cut) ends_[3 - id].transport->receive(datagram, now_);
    }
  }
  Transport& first() { return *ends_[1].transport; }
  void set_peers_of_first(const Peers& peers) { first().set_peers(peers, now_); }
  uint64_t delivered() { return std::exchange(ends_[1].delivered, 0); }
  std::optional<std::string> known_to_network() {
    const auto& known = ends_[1].network.known;
    const auto found = known.find(2);
    return found == known.end() ? std::nullopt : std::optional(found->second);
  }
  bool is_cut = false;

 private:
  struct Wire final : Network {
    void multicast(std::span<const std::byte> datagram) override { unicast(0, datagram); }
    void unicast(uint64_t, std::span<const std::byte> datagram) override {
      sent.emplace_back(datagram.begin(), datagram.end());
    }
    void set_peer(uint64_t node, std::string_view address) override { known[node] = address; }
    void remove_peer(uint64_t node) override { known.erase(node); }
    void flush() override {}
    uint32_t datagram_bytes() const override { return 1400; }
    std::vector<std::vector<std::byte>> sent;
    std::map<uint64_t, std::string> known;
  };
  struct NoEntries final : EntrySource {
    EntryPtr entry(uint64_t) override { return nullptr; }
  };
  struct End {
    Wire network;
    NoEntries source;
    uint64_t delivered = 0;
    std::unique_ptr<Transport> transport;
  };
  void begin(uint64_t id, Peers peers, const ClusterKey& key) {
    End& end = ends_[id];
    TransportOptions options{.cluster = 5, .node = id, .peers = std::move(peers), .boot = id};
    options.address = "10.0.0." + std::to_string(id) + ":7400";
    end.transport = std::make_unique<Transport>(options, key, end.network, end.source,
                                                [&end](uint64_t, Message&&) { ++end.delivered; });
  }
  std::map<uint64_t, End> ends_;
  int64_t now_ = 1'000'000'000;
};

TEST(Guests, AreHeardWhenTheyIntroduceThemselves) {
  Pair pair({3});
  pair.run(300);
  EXPECT_GT(pair.delivered(), 0u);
  EXPECT_EQ(pair.first().introduced_at(2), "10.0.0.2:7400");
  EXPECT_EQ(pair.known_to_network(), "10.0.0.2:7400");
}

TEST(Guests, NeedTheKey) {
  ClusterKey other;
  other.bytes[0] = std::byte{1};
  Pair pair({3}, other);
  pair.run(300);
  EXPECT_EQ(pair.delivered(), 0u);
  EXPECT_GT(pair.first().counts().dropped_forged, 0u);
  EXPECT_EQ(pair.known_to_network(), std::nullopt);
}

TEST(Guests, GoWhenTheyAreSilent) {
  Pair pair({3});
  pair.run(300);
  pair.is_cut = true;
  pair.run(9'000);
  EXPECT_NE(pair.known_to_network(), std::nullopt);
  pair.run(2'000);
  EXPECT_EQ(pair.known_to_network(), std::nullopt);
  pair.is_cut = false;
  pair.run(3'000);
  pair.delivered();
  pair.run(300);
  EXPECT_GT(pair.delivered(), 0u) << "they may come again";
}

TEST(Guests, StayWhenTheyBecomeMembers) {
  Pair pair({3});
  pair.run(300);
  pair.set_peers_of_first({2, 3});
  pair.is_cut = true;
  pair.run(12'000);
  EXPECT_NE(pair.known_to_network(), std::nullopt);
}

// Whether it was heard after its removal, and how many were dropped.
bool is_heard_after_removal(Pair& pair) {
  pair.run(300);
  EXPECT_GT(pair.delivered(), 0u);
  pair.set_peers_of_first({3});
  const uint64_t dropped = pair.first().counts().dropped_foreign;
  pair.run(500);
  const bool is_heard = pair.delivered() > 0;
  EXPECT_EQ(pair.first().counts().dropped_foreign > dropped, !is_heard);
  return is_heard;
}

TEST(Removed, AreNotHeardUntilTheyAreForgiven) {
  Pair pair({2, 3});
  EXPECT_FALSE(is_heard_after_removal(pair));
  pair.first().forgive_removed();
  pair.run(3'000);
  EXPECT_GT(pair.delivered(), 0u);
}

TEST(Removed, AreHeardWhenTheyAreMembersAgain) {
  Pair pair({2, 3});
  EXPECT_FALSE(is_heard_after_removal(pair));
  pair.set_peers_of_first({2, 3});
  pair.run(3'000);
  EXPECT_GT(pair.delivered(), 0u);
}

TEST(Removed, AreHeardWithTheMutant) {
  base::probes.mutant = Mutant::transport_hears_removed;
  Pair pair({2, 3});
  EXPECT_TRUE(is_heard_after_removal(pair));
  base::probes.mutant = Mutant::none;
}

}  // namespace
}  // namespace casbook::replicate
