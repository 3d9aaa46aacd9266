// Transports over a network that loses, doubles, reorders and spoils, over virtual time.
// CASBOOK_SEED: where the random ones begin.
#include <gtest/gtest.h>

#include <cstring>

#include "base/probe.h"
#include "replicate/wire.h"
#include "support/mesh_leader.h"

namespace casbook {
namespace {

using namespace replicate;
using base::Mutant;
using test_support::Bytes;
using test_support::Mesh;
using test_support::MeshFaults;
using test_support::MeshLeader;
using test_support::MeshOptions;

constexpr int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

uint64_t first_seed() {
  const char* const given = std::getenv("CASBOOK_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

class MutantScope {
 public:
  explicit MutantScope(Mutant mutant) { base::probes.mutant = mutant; }
  ~MutantScope() { base::probes.mutant = Mutant::none; }
};

// So many entries of so many bytes, one each 100 us; then until all have them.
void stream(Mesh& mesh, MeshLeader& leader, int entries, uint32_t bytes,
            int64_t patience_ns = 20 * kSecond) {
  for (int i = 0; i < entries; ++i) {
    leader.append(bytes);
    leader.beat();
    mesh.run_for(100'000);
  }
  const int64_t end_ns = mesh.now_ns() + patience_ns;
  while (!leader.all_have_all() && mesh.now_ns() < end_ns) {
    leader.beat();
    mesh.run_for(kMs);
  }
}

TEST(Transport, SendsEntriesOnceForAllFollowers) {
  for (const uint64_t nodes : {3, 5}) {
    Mesh mesh({.nodes = nodes});
    mesh.introduce();
    std::vector<uint64_t> followers;
    for (uint64_t node = 2; node <= nodes; ++node) followers.push_back(node);
    MeshLeader leader(mesh, 1, followers);
    const uint64_t before = mesh.transport(1).counts().datagrams_sent;
    stream(mesh, leader, 1000, 300);
    EXPECT_TRUE(leader.all_have_all());
    EXPECT_EQ(leader.fault(), "");
    EXPECT_EQ(mesh.transport(1).counts().payload_sent, 300'000u);
    // An entry and its reference are one datagram; beside it heartbeats and pulses.
    EXPECT_LT(mesh.transport(1).counts().datagrams_sent - before, 1000 + 40 * nodes);
    EXPECT_EQ(mesh.transport(1).counts().repairs_sent, 0u);
  }
}

TEST(Transport, CutsLargeEntriesAndJoinsThemAgain) {
  for (const uint32_t datagram_bytes : {512u, 1400u, 8900u, kDatagramBytesMax}) {
    Mesh mesh({.datagram_bytes = datagram_bytes});
    mesh.introduce();
    MeshLeader leader(mesh, 1, {2, 3});
    for (const uint32_t bytes : {0u, 1u, 63u, 64u, 65u, 1280u, 1281u, 100'000u,
                                 static_cast<uint32_t>(journal::kEntryBytesMax)}) {
      leader.append(bytes);
      leader.beat();
      mesh.run_for(kMs / 5);
    }
    mesh.run_for(10 * kMs);
    EXPECT_TRUE(leader.all_have_all()) << datagram_bytes;
    EXPECT_EQ(leader.fault(), "");
  }
}

struct Loss {
  uint32_t per_mille;
  bool is_multicast;
};
class Losing : public testing::TestWithParam<Loss> {};

TEST_P(Losing, NetworkGetsAllEntriesAndFewRepairs) {
  const Loss loss = GetParam();
  const uint64_t begin = first_seed();
  for (uint64_t seed = begin; seed < begin + 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mesh mesh({.seed = seed,
               .is_multicast = loss.is_multicast,
               .faults = {.lost = loss.per_mille, .doubled = 10, .spoiled = 1, .cut_short = 1}});
    mesh.introduce();
    MeshLeader leader(mesh, 1, {2, 3});
    mesh.lost_bytes = 0;
    stream(mesh, leader, 2000, 1000);
    EXPECT_TRUE(leader.all_have_all());
    EXPECT_EQ(leader.fault(), "");
    EXPECT_GT(mesh.lost_datagrams, 0u);
    const TransportCounts& counts = mesh.transport(1).counts();
    EXPECT_GT(counts.repair_bytes, 0u);
    // Some for what was spoiled or cut short, too.
    EXPECT_LT(counts.repair_bytes, 3 * mesh.lost_bytes + 20'000);
    RecordProperty("repaired_to_lost_percent",
                   static_cast<int>(100 * counts.repair_bytes / (mesh.lost_bytes + 1)));
  }
}

INSTANTIATE_TEST_SUITE_P(Rates, Losing,
                         testing::Values(Loss{1, true}, Loss{10, true}, Loss{100, true},
                                         Loss{300, true}, Loss{10, false}, Loss{300, false}),
                         [](const auto& given) {
                           return (given.param.is_multicast ? "Multicast" : "Unicast") +
                                  std::to_string(given.param.per_mille) + "PerMille";
                         });

// Numbered messages of every node to every other: those that arrive are whole, and in the order in
// which they were sent, none twice.
struct Numbered {
  uint64_t arrived = 0, out_of_order = 0, differing = 0;
};
Numbered send_numbered(uint64_t seed, const MeshFaults& faults) {
  Mesh mesh({.seed = seed});
  mesh.introduce();
  mesh.faults = faults;
  Numbered numbered;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> last;
  mesh.got = [&](uint64_t node, uint64_t from, Message&& message) {
    const auto* result = std::get_if<AppendResult>(&message);
    ++numbered.arrived;
    if (!result || result->rejected != from * 10 + node || result->term != 7)
      ++numbered.differing;
    else if (result->last_index <= std::exchange(last[{from, node}], result->last_index))
      ++numbered.out_of_order;
  };
  for (uint64_t number = 1; number <= 500; ++number) {
    for (uint64_t from = 1; from <= 3; ++from)
      for (uint64_t to = 1; to <= 3; ++to) {
        if (from == to) continue;
        const Outgoing message{
            to, AppendResult{.term = 7, .rejected = from * 10 + to, .last_index = number}};
        mesh.transport(from).send({&message, 1}, mesh.now_ns());
      }
    mesh.run_for(30'000);
  }
  mesh.run_for(100 * kMs);
  return numbered;
}

constexpr MeshFaults kWild{.lost = 50,
                           .doubled = 200,
                           .spoiled = 20,
                           .cut_short = 20,
                           .delay_min_ns = 10'000,
                           .delay_max_ns = 200'000};

TEST(Transport, DeliversMessagesInOrderOnceOrNever) {
  const uint64_t begin = first_seed();
  for (uint64_t seed = begin; seed < begin + 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Numbered numbered = send_numbered(seed, kWild);
    EXPECT_GT(numbered.arrived, 500u);
    EXPECT_EQ(numbered.out_of_order, 0u);
    EXPECT_EQ(numbered.differing, 0u);
  }
  constexpr MeshFaults kNone{.delay_max_ns = MeshFaults{}.delay_min_ns};
  EXPECT_EQ(send_numbered(begin, kNone).arrived, 3000u);
  const MutantScope scope(Mutant::transport_unordered);
  EXPECT_GT(send_numbered(begin, kWild).out_of_order, 0u);
}

// What comes by unicast overtakes what comes by multicast, and nothing is lost.
uint64_t asked_without_loss() {
  Mesh mesh({.seed = 1, .faults = {.delay_min_ns = 20'000, .delay_max_ns = 200'000}});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  stream(mesh, leader, 500, 5000);
  EXPECT_TRUE(leader.all_have_all());
  return mesh.transport(2).counts().repairs_asked + mesh.transport(3).counts().repairs_asked;
}

TEST(Transport, AsksForNothingThatIsOnlyLate) {
  EXPECT_EQ(asked_without_loss(), 0u);
  const MutantScope scope(Mutant::transport_naks_at_once);
  EXPECT_GT(asked_without_loss(), 0u);
}

TEST(Transport, RepairsOnceWhatAllHaveMissed) {
  Mesh mesh({.nodes = 4});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3, 4});
  stream(mesh, leader, 10, 1000);
  mesh.is_cut = [](uint64_t from, uint64_t, bool) { return from == 1; };
  stream(mesh, leader, 20, 1000, 0);
  mesh.is_cut = nullptr;
  stream(mesh, leader, 1, 1000);
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_EQ(leader.fault(), "");
  const TransportCounts& counts = mesh.transport(1).counts();
  EXPECT_EQ(counts.repair_bytes, 20'000u);
  EXPECT_EQ(counts.repairs_sent, 20u);
  EXPECT_GE(mesh.transport(2).counts().repairs_asked, 1u);
}

TEST(Transport, HealsALostReferenceByTheNext) {
  Mesh mesh({});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  stream(mesh, leader, 10, 100);
  uint64_t turned_down = 0;
  const auto follow = mesh.got;
  mesh.got = [&](uint64_t node, uint64_t from, Message&& message) {
    if (const auto* result = std::get_if<AppendResult>(&message))
      turned_down += result->rejected != 0;
    follow(node, from, std::move(message));
  };
  mesh.is_cut = [](uint64_t from, uint64_t, bool) { return from == 1; };
  stream(mesh, leader, 1, 100, 0);
  mesh.is_cut = nullptr;
  stream(mesh, leader, 1, 100);
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_EQ(turned_down, 0u);
}

// How much repair a follower gets who lost all that is new and asks for it.
uint64_t repaired_in_100_ms() {
  Mesh mesh({});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  for (int i = 0; i < 100; ++i) leader.append(200'000);  // 20 MB that it does not get
  mesh.is_cut = [](uint64_t, uint64_t to, bool is_multicast) { return to == 2 && is_multicast; };
  leader.beat();
  mesh.run_for(100 * kMs);
  return mesh.transport(1).counts().repair_bytes;
}

TEST(Transport, LimitsTheRepairsOfOneReceiver) {
  // 16 MiB/s, and a burst of 256 KiB.
  const uint64_t repaired = repaired_in_100_ms();
  EXPECT_LT(repaired, 2'000'000u);
  EXPECT_GT(repaired, 1'000'000u);
  const MutantScope scope(Mutant::transport_repairs_uncapped);
  EXPECT_GT(repaired_in_100_ms(), 10'000'000u);
}

TEST(Transport, BoundsWhatWasNotReferredTo) {
  Mesh mesh({.receive_bytes_max = 100'000});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  // More than it may hold arrives before the front of it.
  mesh.faults.lost = 500;
  for (int i = 0; i < 50; ++i) leader.append(10'000);
  leader.beat();
  mesh.run_for(kMs / 2);
  mesh.faults.lost = 0;
  stream(mesh, leader, 1, 1000);
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_EQ(leader.fault(), "");
}

// --- who is believed
// -------------------------------------------------------------------------------

class Believed : public testing::Test {
 protected:
  Believed() {
    mesh.tap = [this](uint64_t from, uint64_t to, const Bytes& datagram) {
      recorded[{from, to}].push_back(datagram);
    };
    mesh.introduce();
    mesh.run_for(30 * kMs);  // pulses went; nothing is under way
    mesh.got = [this](uint64_t, uint64_t, Message&&) { ++delivered; };
  }
  const TransportCounts& counts(uint64_t node = 2) { return mesh.transport(node).counts(); }
  void say(uint64_t from, uint64_t to, uint64_t number) {
    const Outgoing received{to, Received{.term = 1, .index = number, .round = 1}};
    mesh.transport(from).send({&received, 1}, mesh.now_ns());
  }
  // Sealed as node 1 might, by someone who has that key.
  Bytes sealed(const ClusterKey& key, DatagramHeader header, const Frame& frame) const {
    header.key = id_of(key);
    return sealed_as(key, header, frame);
  }
  Bytes sealed_as(const ClusterKey& key, const DatagramHeader& header, const Frame& frame) const {
    Bytes plain(encoded_bytes(frame));
    encode(frame, plain.data());
    Bytes datagram(kHeaderBytes + plain.size() + kSealBytes);
    encode(header, std::span<std::byte, kHeaderBytes>(datagram.data(), kHeaderBytes));
    DatagramKey(key, header.cluster, header.sender, header.boot)
        .seal(header.cipher, header.seq, std::span(datagram).first(kHeaderBytes), plain,
              datagram.data() + kHeaderBytes);
    return datagram;
  }
  DatagramHeader header_of(uint64_t sender, uint64_t seq = 1000) const {
    return {.cluster = 77, .sender = sender, .destination = 2, .boot = 1001, .seq = seq};
  }

  Mesh mesh{MeshOptions{}};
  std::map<std::pair<uint64_t, uint64_t>, std::vector<Bytes>> recorded;
  uint64_t delivered = 0;
  const Frame message = Received{.term = 1, .index = 1, .round = 1};
};

TEST_F(Believed, IsAMemberWithTheKey) {
  mesh.inject(2, sealed(mesh.key, header_of(1), message));
  EXPECT_EQ(delivered, 1u);
}

TEST_F(Believed, IsNobodyWithAnotherKey) {
  ClusterKey other = mesh.key;
  other.bytes[31] ^= std::byte{1};
  mesh.inject(2, sealed(other, header_of(1), message));
  DatagramHeader claims_to = header_of(1);
  claims_to.key = id_of(mesh.key);
  mesh.inject(2, sealed_as(other, claims_to, message));
  EXPECT_EQ(delivered, 0u);
  EXPECT_EQ(counts().dropped_forged, 2u);
}

TEST_F(Believed, IsNobodyOfAnotherClusterOrNode) {
  DatagramHeader other = header_of(1);
  other.cluster = 78;
  mesh.inject(2, sealed(mesh.key, other, message));
  mesh.inject(2, sealed(mesh.key, header_of(9), message));
  other = header_of(1), other.destination = 3;
  mesh.inject(2, sealed(mesh.key, other, message));
  mesh.inject(2, sealed(mesh.key, header_of(2), message));  // itself, in another run
  EXPECT_EQ(counts().dropped_foreign, 4u);
  other = header_of(2), other.boot = mesh.options_of(2).boot;
  mesh.inject(2, sealed(mesh.key, other, message));  // itself: an echo
  EXPECT_EQ(counts().dropped_replayed, 1u);
  EXPECT_EQ(delivered, 0u);
}

TEST_F(Believed, IsNobodyOfAnotherVersion) {
  Bytes other = sealed(mesh.key, header_of(1), message);
  other[4] = static_cast<std::byte>(kWireVersion + 1);
  mesh.inject(2, other);
  mesh.inject(2, Bytes(other.begin(), other.begin() + 5));  // whatever its size may be
  EXPECT_EQ(counts().dropped_newer, 2u);
  EXPECT_EQ(counts().dropped_malformed, 0u);
  other[4] = static_cast<std::byte>(kWireVersion - 1);
  mesh.inject(2, other);
  EXPECT_EQ(counts().dropped_newer, 2u);
  EXPECT_EQ(counts().dropped_malformed, 1u);
  EXPECT_EQ(delivered, 0u);
}

TEST_F(Believed, IsNothingThatWasSpoiledOrCut) {
  const Bytes good = sealed(mesh.key, header_of(1), message);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes spoiled = good;
    spoiled[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    mesh.inject(2, spoiled);
  }
  for (size_t bytes = 0; bytes < good.size(); ++bytes)
    mesh.inject(2, Bytes(good.begin(), good.begin() + static_cast<long>(bytes)));
  EXPECT_EQ(delivered, 0u);
  const TransportCounts& c = counts();
  EXPECT_EQ(c.dropped_forged + c.dropped_foreign + c.dropped_malformed + c.dropped_replayed +
                c.dropped_newer,
            good.size() * 9);
  mesh.inject(2, good);
  EXPECT_EQ(delivered, 1u);
}

TEST_F(Believed, IsNothingASecondTime) {
  recorded.clear();
  for (uint64_t i = 1; i <= 20; ++i) {
    say(1, 2, i);
    mesh.run_for(kMs / 10);
  }
  EXPECT_EQ(delivered, 20u);
  const auto replay = [&] {
    const uint64_t before = counts().dropped_replayed;
    for (const Bytes& datagram : recorded[{1, 2}]) mesh.inject(2, datagram);
    return counts().dropped_replayed - before;
  };
  EXPECT_EQ(replay(), 20u);
  EXPECT_EQ(delivered, 20u);
  const MutantScope scope(Mutant::transport_replays);
  EXPECT_EQ(replay(), 0u);
}

TEST_F(Believed, IsTheNewRunOfAPeerAndNotTheOld) {
  say(1, 2, 1);
  mesh.run_for(kMs);
  EXPECT_EQ(delivered, 1u);
  const std::vector<Bytes> old = recorded[{1, 2}];
  mesh.restart(1);
  mesh.run_for(30 * kMs);
  say(1, 2, 2);
  mesh.run_for(kMs);
  EXPECT_EQ(delivered, 2u) << "the new run is believed in";
  recorded.clear();
  const uint64_t before = counts().dropped_replayed;
  for (int times = 0; times < 3; ++times)
    for (const Bytes& datagram : old) {
      mesh.inject(2, datagram);
      mesh.run_for(kMs);
    }
  EXPECT_EQ(delivered, 2u) << "nothing of the old run";
  EXPECT_GT(counts().dropped_replayed, before);
  say(1, 2, 3);
  mesh.run_for(kMs);
  EXPECT_EQ(delivered, 3u) << "still the new run";
}

TEST_F(Believed, IsNoRunThatDidNotAnswer) {
  DatagramHeader other = header_of(1);
  other.boot = 5;  // sealed well, of a run that never was, or was recorded whole
  mesh.inject(2, sealed(mesh.key, other, message));
  other.seq = 1001;
  mesh.inject(2, sealed(mesh.key, other, HelloFrame{.challenge = 4, .shape = 5, .ciphers = 4}));
  other.seq = 1002;
  mesh.inject(2, sealed(mesh.key, other, WelcomeFrame{.answer = 4, .shape = 5, .ciphers = 4}));
  other.seq = 1003;
  mesh.inject(2, sealed(mesh.key, other, message));
  EXPECT_EQ(delivered, 0u);
  EXPECT_EQ(counts().dropped_replayed, 3u);
}

TEST(Transport, RefusesAnotherShape) {
  Mesh mesh({.nodes = 3});
  mesh.introduce();
  // Node 2 again, with another book.
  struct Silent final : Network {
    void multicast(std::span<const std::byte>) override {}
    void unicast(uint64_t to, std::span<const std::byte> datagram) override {
      if (to == 1) mesh.inject(1, Bytes(datagram.begin(), datagram.end()));
    }
    void flush() override {}
    uint32_t datagram_bytes() const override { return 1400; }
    explicit Silent(Mesh& of) : mesh(of) {}
    Mesh& mesh;
  } network(mesh);
  test_support::MeshLog log;
  TransportOptions options = mesh.options_of(2);
  options.boot = 99, options.shape = 6;
  Transport other(options, mesh.key, network, log, [](uint64_t, Message&&) {});
  const uint64_t before = mesh.transport(1).counts().dropped_foreign;
  for (int i = 0; i < 10; ++i) {
    other.tick(mesh.now_ns());
    mesh.run_for(20 * kMs);
  }
  EXPECT_GT(mesh.transport(1).counts().dropped_foreign, before);
}

// --- multicast that goes silent
// --------------------------------------------------------------------

TEST(Transport, FallsBackToUnicastWhileMulticastIsSilent) {
  Mesh mesh({});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  stream(mesh, leader, 100, 500);
  EXPECT_FALSE(mesh.transport(1).is_falling_back());
  const auto all_arrive_within_ms = [&](int64_t ms) {
    leader.append(500);
    leader.beat();
    mesh.run_for(ms * kMs);
    return leader.all_have_all();
  };
  for (const bool only_one : {true, false}) {
    mesh.is_cut = [=](uint64_t, uint64_t to, bool is_multicast) {
      return is_multicast && (to == 3 || !only_one);
    };
    stream(mesh, leader, 1500, 500);
    EXPECT_TRUE(mesh.transport(1).is_falling_back());
    const uint64_t repairs = mesh.transport(1).counts().repairs_sent;
    EXPECT_TRUE(all_arrive_within_ms(1)) << "at once, by unicast";
    EXPECT_EQ(mesh.transport(1).counts().repairs_sent, repairs);
    mesh.is_cut = nullptr;
    stream(mesh, leader, 1000, 500);
    EXPECT_FALSE(mesh.transport(1).is_falling_back());
    EXPECT_TRUE(all_arrive_within_ms(1));
  }
  EXPECT_EQ(leader.fault(), "");
}

TEST(Transport, DoesNotFallBackForAPeerThatIsGone) {
  Mesh mesh({});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2});
  mesh.stop(3);
  stream(mesh, leader, 2000, 500);
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_FALSE(mesh.transport(1).is_falling_back());
}

}  // namespace
}  // namespace casbook
