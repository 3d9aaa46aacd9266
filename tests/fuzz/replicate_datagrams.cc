// Any bytes at all as datagrams: random ones, spoiled ones, and such as an insider might seal. A
// transport counts and drops them, or takes them; it never crashes, and goes on to work.
//
// CASBOOK_SECONDS is how long each goes on (1), CASBOOK_SEED where it begins.
#include <gtest/gtest.h>

#include <cstring>

#include "replicate/wire.h"
#include "support/child_process.h"
#include "support/mesh_leader.h"

namespace casbook {
namespace {

using namespace replicate;
using test::Random;
using test_support::Bytes;
using test_support::Mesh;
using test_support::MeshLeader;
using test_support::MeshOptions;
using test_support::monotonic_ns;

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const given = std::getenv(name);
  return given ? std::strtoull(given, nullptr, 10) : otherwise;
}

template <class RunSeed>
void run_seeds(RunSeed run_seed) {
  const uint64_t begin = number_from("CASBOOK_SEED", 1);
  const int64_t end_ns =
      monotonic_ns() + static_cast<int64_t>(number_from("CASBOOK_SECONDS", 1)) * 1'000'000'000;
  uint64_t seed = begin;
  for (; monotonic_ns() < end_ns && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_seed(seed);
  }
  std::printf("%llu seeds\n", static_cast<unsigned long long>(seed - begin));
}

Bytes random_bytes(Random& random, size_t bytes) {
  Bytes made(bytes);
  for (std::byte& byte : made) byte = static_cast<std::byte>(random.next());
  return made;
}

// Small numbers and large ones, more often than what lies between.
uint64_t any_number(Random& random) {
  switch (random.below(4)) {
    case 0:
      return random.below(10);
    case 1:
      return UINT64_MAX - random.below(10);
    case 2:
      return random.below(5000);
    default:
      return random.next() >> random.below(64);
  }
}

Frame any_frame(Random& random, const Bytes& body) {
  const auto n = [&] { return any_number(random); };
  const auto n32 = [&] { return static_cast<uint32_t>(any_number(random)); };
  const auto n16 = [&] { return static_cast<uint16_t>(any_number(random)); };
  const auto n8 = [&] { return static_cast<uint8_t>(any_number(random)); };
  switch (random.below(12)) {
    case 0: {
      DataFrame data{.term = random.below(4), .index = random.below(300), .first_lsn = n()};
      data.type = static_cast<journal::EntryType>(random.below(5));
      data.count = static_cast<uint32_t>(random.below(2));
      data.total = random.one_in(9) ? n32() : static_cast<uint32_t>(random.below(2000));
      data.offset = static_cast<uint32_t>(random.below(40)) * kGranuleBytes;
      const uint64_t left = data.total > data.offset ? data.total - data.offset : 0;
      data.piece = std::span(body).first(std::min<uint64_t>(left, body.size()));
      return data;
    }
    case 1: {
      ReferenceFrame reference{.version = n8(), .term = random.below(4)};
      reference.prev_index = random.one_in(4) ? n() : random.below(300);
      reference.prev_term = random.below(4);
      reference.commit = n(), reference.round = n();
      for (uint64_t i = random.below(4); i > 0; --i)
        reference.runs.add(
            {random.one_in(8) ? n32() : static_cast<uint32_t>(random.below(50)), random.below(4)});
      if (random.one_in(2)) reference.destinations.add(random.below(4));
      return reference;
    }
    case 2:
      return AppendResult{n8(), n(), n(), n(), n16(), n16()};
    case 3: {
      NakFrame nak;
      for (uint64_t i = random.below(64); i > 0; --i)
        nak.holes.add({.index = n(), .entries = n32(), .first_granule = n16(), .granules = n16()});
      return nak;
    }
    case 4:
      return HelloFrame{n(), random.below(7), n8()};
    case 5:
      return WelcomeFrame{n(), random.below(7), n8(), n(), n()};
    case 6:
      return PulseFrame{n(), n(), n(), n()};
    case 7:
      return Offer{random.below(4), n(), random.below(4)};
    case 8:
      return ProbeFrame{static_cast<uint32_t>(random.below(1000))};
    case 9:
      return ProbeSeenFrame{n16()};
    case 10:
      return IntroductionFrame{random.one_in(2) ? "10.0.0.1:7400" : "a node\n"};
    default:
      return VoteRequest{n8(), n(), n(), n(), n(), random.one_in(2), random.one_in(2)};
  }
}

class Victim {
 public:
  explicit Victim(uint64_t seed)
      : mesh(MeshOptions{.seed = seed, .receive_bytes_max = 1 << 20}), random(seed) {
    mesh.introduce();
    mesh.run_for(30'000'000);
    mesh.got = [](uint64_t, uint64_t, Message&& message) {
      if (const auto* append = std::get_if<AppendEntries>(&message)) {
        ASSERT_EQ(append->count, append->entries.size());
        for (const EntryPtr& entry : append->entries) ASSERT_NE(entry, nullptr);
      }
    };
  }
  Bytes sealed(const Bytes& plain) {
    const DatagramHeader header{.key = id_of(mesh.key),
                                .cluster = 77,
                                .sender = 3,
                                .destination = random.one_in(2) ? 2 : kToAll,
                                .boot = random.one_in(20) ? 9u : 3001u,
                                .seq = random.one_in(10) ? any_number(random) | 1 : ++seq};
    Bytes datagram(kHeaderBytes + plain.size() + kSealBytes);
    encode(header, std::span<std::byte, kHeaderBytes>(datagram.data(), kHeaderBytes));
    DatagramKey(mesh.key, header.cluster, header.sender, header.boot)
        .seal(header.cipher, header.seq, std::span(datagram).first(kHeaderBytes), plain,
              datagram.data() + kHeaderBytes);
    return datagram;
  }
  // Node 3 is the liar; 1 and 2 still work together.
  void expect_works() {
    mesh.stop(3);
    MeshLeader leader(mesh, 1, {2}, 5);
    for (int i = 0; i < 20; ++i) {
      leader.append(3000);
      leader.beat();
      mesh.run_for(1'000'000);
    }
    mesh.run_until([&] { return leader.all_have_all(); }, 1'000'000'000);
    EXPECT_TRUE(leader.all_have_all());
    EXPECT_EQ(leader.fault(), "");
  }

  Mesh mesh;
  Random random;
  uint64_t seq = 100;
};

TEST(ReplicateDatagrams, OfRandomBytesAreDropped) {
  run_seeds([](uint64_t seed) {
    Victim victim(seed);
    const uint64_t before = victim.mesh.transport(2).counts().dropped_malformed;
    for (int i = 0; i < 200; ++i)
      victim.mesh.inject(2, random_bytes(victim.random, victim.random.below(1500)));
    EXPECT_EQ(victim.mesh.transport(2).counts().dropped_malformed, before + 200);
    victim.expect_works();
  });
}

TEST(ReplicateDatagrams, OfRandomBytesUnderAGoodSealAreDropped) {
  run_seeds([](uint64_t seed) {
    Victim victim(seed);
    for (int i = 0; i < 200; ++i)
      victim.mesh.inject(2, victim.sealed(random_bytes(victim.random, victim.random.below(200))));
    victim.expect_works();
  });
}

TEST(ReplicateDatagrams, OfAnInsiderDoNoHarm) {
  run_seeds([](uint64_t seed) {
    Victim victim(seed);
    const Bytes body = random_bytes(victim.random, 1200);
    for (int i = 0; i < 200; ++i) {
      Bytes plain;
      for (uint64_t frames = victim.random.below(4); frames > 0; --frames) {
        const Frame frame = any_frame(victim.random, body);
        const size_t at = plain.size();
        plain.resize(at + encoded_bytes(frame));
        encode(frame, plain.data() + at);
      }
      if (!plain.empty() && victim.random.one_in(4))
        plain[victim.random.below(plain.size())] ^= static_cast<std::byte>(victim.random.next());
      victim.mesh.inject(2, victim.sealed(plain));
      if (victim.random.one_in(20)) victim.mesh.run_for(2'000'000);
    }
    victim.expect_works();
  });
}

TEST(ReplicateDatagrams, DecodeToWhatEncodesToTheSameBytes) {
  run_seeds([](uint64_t seed) {
    Random random(seed);
    const Bytes body = random_bytes(random, 1200);
    for (int i = 0; i < 2000; ++i) {
      const Frame frame = any_frame(random, body);
      Bytes bytes(encoded_bytes(frame));
      encode(frame, bytes.data());
      if (random.one_in(2)) bytes[random.below(bytes.size())] ^= std::byte{1};
      FrameReader reader(bytes);
      const auto back = reader.next();
      if (!back) continue;
      Bytes again(encoded_bytes(*back));
      encode(*back, again.data());
      ASSERT_TRUE(std::equal(again.begin(), again.end(), bytes.begin()));
    }
  });
}

}  // namespace
}  // namespace casbook
