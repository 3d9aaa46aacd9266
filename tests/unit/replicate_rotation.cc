// From one cluster key to another, host by host, while entries go on: over virtual time. And that
// no number is used twice under a key, whatever is started and loaded anew. CASBOOK_SEED: where the
// random one begins.
#include <gtest/gtest.h>

#include <set>

#include "base/probe.h"
#include "replicate/wire.h"
#include "support/mesh_leader.h"

namespace casbook {
namespace {

using namespace replicate;
using base::Mutant;
using test_support::Bytes;
using test_support::Mesh;
using test_support::MeshLeader;
using test_support::MeshOptions;

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kHeartbeatNs = 10 * kMs;  // of MeshLeader

ClusterKey another(const ClusterKey& key) {
  ClusterKey other = key;
  other.bytes[0] ^= std::byte{1};
  return other;
}

class MutantScope {
 public:
  explicit MutantScope(Mutant mutant) { base::probes.mutant = mutant; }
  ~MutantScope() { base::probes.mutant = Mutant::none; }
};

// Every datagram that nodes sent: the key that it is sealed under, and its number.
class SealsSeen {
 public:
  void note(const Bytes& datagram) {
    const auto header = decode_header(datagram);
    if (!header) return void(++nonsense_);
    const auto name =
        std::tuple(header->key, header->sender, header->boot, header->cipher, header->seq);
    const auto [at, is_new] = seen_.try_emplace(name, datagram);
    // The same sealed bytes to several nodes are one use of the number.
    if (!is_new && at->second != datagram) ++repeats_;
  }
  size_t count() const { return seen_.size(); }
  uint64_t repeats() const { return repeats_; }
  uint64_t nonsense() const { return nonsense_; }
  std::set<KeyId> keys() const {
    std::set<KeyId> keys;
    for (const auto& [name, datagram] : seen_) keys.insert(std::get<0>(name));
    return keys;
  }

 private:
  std::map<std::tuple<KeyId, uint64_t, uint64_t, Cipher, uint64_t>, Bytes> seen_;
  uint64_t repeats_ = 0, nonsense_ = 0;
};

class Rotation : public testing::Test {
 protected:
  // An entry each millisecond; how long none was had by all, at most.
  int64_t longest_gap_over(int64_t ns) {
    int64_t last_ns = mesh.now_ns(), longest = 0;
    for (const int64_t end_ns = mesh.now_ns() + ns; mesh.now_ns() < end_ns;) {
      leader.append(200);
      leader.beat();
      mesh.run_for(kMs);
      if (leader.all_have_all())
        longest = std::max(longest, mesh.now_ns() - last_ns), last_ns = mesh.now_ns();
    }
    return std::max(longest, mesh.now_ns() - last_ns);
  }
  uint64_t forged() {
    uint64_t all = 0;
    for (uint64_t node = 1; node <= 3; ++node) all += mesh.transport(node).counts().dropped_forged;
    return all;
  }
  // Node by node, in some order, with entries in between. Returns the longest gap.
  int64_t load_everywhere(const ClusterKeys& keys, const std::vector<uint64_t>& order) {
    int64_t longest = 0;
    for (const uint64_t node : order) {
      mesh.transport(node).set_keys(keys);
      longest = std::max(longest, longest_gap_over(50 * kMs));
    }
    return longest;
  }

  Mesh mesh{MeshOptions{}};
  const ClusterKey old_key = mesh.key, new_key = another(mesh.key);
  MeshLeader leader{mesh, 1, {2, 3}};
};

TEST_F(Rotation, GoesOnWithoutAGapAtEveryStep) {
  mesh.introduce();
  EXPECT_LE(longest_gap_over(50 * kMs), kHeartbeatNs) << "without any change";
  for (const auto& order : {std::vector<uint64_t>{1, 2, 3}, {3, 2, 1}, {2, 1, 3}}) {
    const ClusterKey from = order[0] == 3 ? new_key : old_key;
    const ClusterKey to = order[0] == 3 ? old_key : new_key;
    EXPECT_LE(load_everywhere({from, to}, order), kHeartbeatNs);
    EXPECT_LE(load_everywhere({to, from}, order), kHeartbeatNs);
    EXPECT_LE(load_everywhere(to, order), kHeartbeatNs);
  }
  EXPECT_EQ(leader.fault(), "");
  EXPECT_EQ(forged(), 0u) << "not a datagram is lost by it";
}

// Without the second key the first host that swaps is heard by nobody.
TEST_F(Rotation, NeedsTheSecondKeyToBeOpenedWith) {
  mesh.introduce();
  load_everywhere({old_key, new_key}, {1, 2, 3});
  const MutantScope scope(Mutant::transport_first_key_only);
  EXPECT_GT(load_everywhere({new_key, old_key}, {1, 2, 3}), kHeartbeatNs);
  EXPECT_GT(forged(), 0u);
}

TEST_F(Rotation, ANodeThatStartsInItsMiddleIsBelieved) {
  mesh.introduce();
  load_everywhere({old_key, new_key}, {1, 2, 3});
  mesh.transport(1).set_keys({new_key, old_key});
  mesh.restart(3);  // by the old key alone, which the others open still
  mesh.transport(3).set_keys({old_key, new_key});
  EXPECT_LE(longest_gap_over(200 * kMs), 50 * kMs) << "its hand-shake, and what it missed";
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_EQ(leader.fault(), "");
}

TEST_F(Rotation, WhoHasTheOldKeyOnlyIsDroppedAndCounted) {
  mesh.introduce();
  for (const ClusterKeys& keys :
       {ClusterKeys{old_key, new_key}, ClusterKeys{new_key, old_key}, ClusterKeys{new_key}})
    load_everywhere(keys, {1, 2});
  const uint64_t end = mesh.log(3).last_index();
  const uint64_t dropped_here = mesh.transport(1).counts().dropped_forged;
  const uint64_t dropped_there = mesh.transport(3).counts().dropped_forged;
  longest_gap_over(100 * kMs);
  EXPECT_EQ(mesh.log(3).last_index(), end) << "it gets nothing";
  EXPECT_GT(mesh.transport(1).counts().dropped_forged, dropped_here);
  EXPECT_GT(mesh.transport(3).counts().dropped_forged, dropped_there);
  mesh.transport(3).set_keys(new_key);  // late, but not too late
  longest_gap_over(300 * kMs);
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_EQ(leader.fault(), "");
}

// --- nonces

// Over many starts and loads at random; how many numbers came twice under a key.
uint64_t repeats_over_starts_and_loads(Mutant mutant, bool is_multicast, SealsSeen& seen) {
  const char* const given = std::getenv("CASBOOK_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 1;
  Mesh mesh({.seed = seed, .is_multicast = is_multicast});
  mesh.tap = [&](uint64_t, uint64_t, const Bytes& datagram) { seen.note(datagram); };
  const MutantScope scope(mutant);
  const std::vector<ClusterKey> keys{mesh.key, another(mesh.key)};
  test::Random random(seed);
  MeshLeader leader(mesh, 1, {2, 3});
  for (int i = 0; i < 300; ++i) {
    const uint64_t node = 1 + random.below(3), first = random.below(2);
    if (random.one_in(4)) mesh.restart(node);
    mesh.transport(node).set_keys({keys[first], keys[1 - first]});
    for (int entries = 0; entries < 5; ++entries) {
      leader.append(100);
      leader.beat();
      mesh.run_for(2 * kMs);
    }
  }
  return seen.repeats();
}

TEST(Numbers, AreNeverUsedTwiceUnderAKey) {
  for (const bool is_multicast : {true, false}) {
    SealsSeen seen;
    EXPECT_EQ(repeats_over_starts_and_loads(Mutant::none, is_multicast, seen), 0u);
    EXPECT_GT(seen.count(), 5000u);
    EXPECT_EQ(seen.keys().size(), 2u);
    EXPECT_EQ(seen.nonsense(), 0u);
  }
  SealsSeen seen;
  EXPECT_GT(repeats_over_starts_and_loads(Mutant::transport_numbers_anew, true, seen), 100u);
}

}  // namespace
}  // namespace casbook
