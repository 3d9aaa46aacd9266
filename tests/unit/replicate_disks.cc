// A node's id stands for one disk: pinned once, synced before anything else is taken from it, and
// another disk is refused on both sides.
#include <gtest/gtest.h>

#include <map>

#include "base/probe.h"
#include "replicate/peer_disks.h"
#include "replicate/transport.h"
#include "support/faulty_storage.h"

namespace casbook::replicate {
namespace {

using base::Mutant;
using test::FaultyStorage;

PeerDisks open(FaultyStorage& storage) {
  auto disks = PeerDisks::open(storage);
  if (!disks) throw std::runtime_error(disks.error().message());
  return std::move(*disks);
}

TEST(PeerDisks, KeepTheFirst) {
  FaultyStorage storage(1);
  PeerDisks disks = open(storage);
  EXPECT_EQ(disks.known(2), 0u);
  EXPECT_TRUE(disks.admit(2, 22));
  EXPECT_TRUE(disks.admit(3, 33));
  EXPECT_TRUE(disks.admit(2, 22));
  EXPECT_FALSE(disks.admit(2, 23));
  EXPECT_TRUE(disks.admit(4, 0)) << "of an older program";
  PeerDisks again = open(storage);
  EXPECT_EQ(again.known(2), 22u);
  EXPECT_EQ(again.known(4), 0u);
  EXPECT_FALSE(again.admit(3, 34));
  ASSERT_TRUE(again.keep_only(std::array<uint64_t, 1>{2}));
  EXPECT_EQ(again.known(2), 22u);
  EXPECT_TRUE(again.admit(3, 34));
  EXPECT_EQ(open(storage).known(3), 34u);
}

TEST(PeerDisks, AreNotPinnedByHalves) {
  uint64_t lost = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed)
    for (uint64_t nth = 1; nth <= 16; ++nth) {
      FaultyStorage storage(seed);
      PeerDisks disks = open(storage);
      ASSERT_TRUE(disks.admit(2, 22));
      storage.lose_power_at(nth);
      const bool is_admitted = disks.admit(3, 33);
      storage.crash();
      PeerDisks after = open(storage);
      EXPECT_EQ(after.known(2), 22u);
      if (is_admitted)
        EXPECT_EQ(after.known(3), 33u) << "taken, and forgotten";
      else
        lost += after.known(3) == 0;
    }
  EXPECT_GT(lost, 0u);
}

TEST(PeerDisks, OfADiskThatFailsAdmitNobodyNew) {
  FaultyStorage storage(1);
  PeerDisks disks = open(storage);
  storage.fail({.operations = test::only(test::Operation::sync), .nth = 1, .error_number = EIO});
  EXPECT_FALSE(disks.admit(2, 22));
  ASSERT_TRUE(disks.failure());
  EXPECT_EQ(disks.failure()->code, Code::io_error);
}

TEST(PeerDisks, AreNotReadWhereTheyAreSpoiled) {
  FaultyStorage storage(1);
  ASSERT_TRUE(open(storage).admit(2, 22));
  std::vector<std::byte> content = storage.content("peers");
  for (const size_t offset :
       {size_t{0}, size_t{9}, size_t{12}, size_t{16}, size_t{24}, size_t{1040}}) {
    std::vector<std::byte> flipped = content;
    flipped[offset] ^= std::byte{1};
    storage.put("peers", flipped);
    const auto disks = PeerDisks::open(storage);
    ASSERT_FALSE(disks) << offset;
    EXPECT_TRUE(disks.error().code == Code::damaged || disks.error().code == Code::format_newer);
  }
}

// --- in the handshake ----------------------------------------------------------------------------

// Nodes 1 and 2, what they send passed on by hand.
class Pair {
 public:
  Pair() {
    for (const uint64_t id : {1, 2}) begin(id, 100 + id, id);
  }
  void begin(uint64_t id, uint64_t storage_id, uint64_t boot) {
    End& end = ends_[id];
    end.transport.reset();
    end.disks = std::make_unique<PeerDisks>(open(end.storage));
    end.delivered = 0;
    TransportOptions options{.cluster = 5, .node = id, .peers = {3 - id}, .boot = boot};
    options.storage_id = storage_id, options.disks = end.disks.get();
    end.transport = std::make_unique<Transport>(options, ClusterKey{}, end.network, end.source,
                                                [&end](uint64_t, Message&&) { ++end.delivered; });
  }
  // A node that lost its disk comes back under its id.
  void replace_disk(uint64_t id, uint64_t storage_id) {
    ends_[id].storage = FaultyStorage(storage_id);
    begin(id, storage_id, storage_id);
  }
  void run(int64_t ms) {
    for (int64_t i = 0; i < ms; ++i) {
      now_ += 1'000'000;
      for (auto& [id, end] : ends_) {
        if (i % 20 == 0) {
          const Outgoing message{3 - id, Received{.term = 1, .index = 1, .round = 1}};
          end.transport->send({&message, 1}, now_);
        }
        end.transport->tick(now_);
      }
      for (auto& [id, end] : ends_)
        for (const auto& datagram : std::exchange(end.network.sent, {}))
          ends_[3 - id].transport->receive(datagram, now_);
    }
  }
  Transport& transport(uint64_t id) { return *ends_[id].transport; }
  PeerDisks& disks(uint64_t id) { return *ends_[id].disks; }
  uint64_t delivered(uint64_t id) { return std::exchange(ends_[id].delivered, 0); }
  FaultyStorage& storage(uint64_t id) { return ends_[id].storage; }

 private:
  struct Wire final : Network {
    void multicast(std::span<const std::byte> datagram) override { unicast(0, datagram); }
    void unicast(uint64_t, std::span<const std::byte> datagram) override {
      sent.emplace_back(datagram.begin(), datagram.end());
    }
    void flush() override {}
    uint32_t datagram_bytes() const override { return 1400; }
    std::vector<std::vector<std::byte>> sent;
  };
  struct NoEntries final : EntrySource {
    EntryPtr entry(uint64_t) override { return nullptr; }
  };
  struct End {
    FaultyStorage storage{1};
    std::unique_ptr<PeerDisks> disks;
    Wire network;
    NoEntries source;
    uint64_t delivered = 0;
    std::unique_ptr<Transport> transport;
  };
  std::map<uint64_t, End> ends_;
  int64_t now_ = 1'000'000'000;
};

TEST(Disks, ArePinnedWhenAPeerIsAccepted) {
  Pair pair;
  pair.run(200);
  EXPECT_GT(pair.delivered(1), 0u);
  EXPECT_EQ(pair.disks(1).known(2), 102u);
  EXPECT_EQ(pair.disks(2).known(1), 101u);
  // The same disk in another run of the node.
  pair.begin(2, 102, 77);
  pair.run(300);
  EXPECT_GT(pair.delivered(1), 0u);
  EXPECT_EQ(pair.transport(1).refused_node(), 0u);
  EXPECT_EQ(pair.transport(2).refused_by(), 0u);
}

bool is_refused(Mutant mutant) {
  Pair pair;
  pair.run(200);
  base::probes.mutant = mutant;
  pair.replace_disk(2, 555);
  pair.delivered(1), pair.delivered(2);
  pair.run(500);
  base::probes.mutant = Mutant::none;
  if (mutant == Mutant::none) {
    EXPECT_EQ(pair.transport(1).refused_node(), 2u);
    EXPECT_GT(pair.transport(1).counts().refused_disks, 0u);
    EXPECT_EQ(pair.transport(2).refused_by(), 1u);
    EXPECT_EQ(pair.disks(1).known(2), 102u);
  }
  return pair.delivered(1) == 0;
}

TEST(Disks, OthersUnderTheSameIdAreRefusedOnBothSides) { EXPECT_TRUE(is_refused(Mutant::none)); }
TEST(Disks, OthersAreTakenWithTheMutant) { EXPECT_FALSE(is_refused(Mutant::disk_pin_ignored)); }

// Who is removed from the cluster may come back with any disk.
TEST(Disks, AreForgottenOnRequest) {
  Pair pair;
  pair.run(200);
  ASSERT_TRUE(pair.disks(1).keep_only({}));
  pair.replace_disk(2, 555);
  pair.run(500);
  EXPECT_EQ(pair.disks(1).known(2), 555u);
  EXPECT_GT(pair.delivered(1), 0u);
}

// Before the pin is on disk nothing is taken.
TEST(Disks, ThatCannotBePinnedAreNotAccepted) {
  Pair pair;
  pair.storage(1).fail({.operations = test::only(test::Operation::sync),
                        .nth = 1,
                        .error_number = EIO,
                        .is_lasting = true});
  pair.run(200);
  EXPECT_EQ(pair.delivered(1), 0u);
  EXPECT_TRUE(pair.disks(1).failure());
}

}  // namespace
}  // namespace casbook::replicate
