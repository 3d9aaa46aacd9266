// How large datagrams are: paths that carry less than before and say nothing, or whose kernel
// refuses, over virtual time; and that multicast is tried at the start.
#include "replicate/path_size.h"

#include <gtest/gtest.h>

#include "base/probe.h"
#include "support/mesh_leader.h"

namespace casbook {
namespace {

using namespace replicate;
using base::Mutant;
using test_support::Mesh;
using test_support::MeshLeader;
using test_support::MeshOptions;

constexpr int64_t kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr uint32_t kWide = 1472, kNarrow = 1252;

class MutantScope {
 public:
  explicit MutantScope(Mutant mutant) { base::probes.mutant = mutant; }
  ~MutantScope() { base::probes.mutant = Mutant::none; }
};

// --- one path by itself

class Path : public testing::Test {
 protected:
  Path() { path.begin(kWide, now_ns); }
  // `carries`: bytes that arrive and are answered at once. Says whether the peer is heard at all.
  void run_for(int64_t ns, uint32_t carries, bool is_heard = true) {
    for (const int64_t end_ns = now_ns + ns; now_ns < end_ns; now_ns += kMs) {
      std::vector<uint32_t> sent;
      path.tick(now_ns, kMs, is_heard ? now_ns : 0, [&](uint32_t bytes) { sent.push_back(bytes); });
      probes += sent.size();
      for (const uint32_t bytes : sent) {
        largest = std::max(largest, bytes);
        if (bytes <= carries) path.answered(bytes);
      }
    }
  }

  PathSize path;
  int64_t now_ns = kSecond;
  uint64_t probes = 0;
  uint32_t largest = 0;
};

TEST_F(Path, IsProbedOnceASecondWhileNothingIsWrong) {
  run_for(10 * kSecond, 65'000);
  EXPECT_EQ(path.bytes(), kWide);
  EXPECT_GE(probes, 9u);
  EXPECT_LE(probes, 12u);
  EXPECT_EQ(largest, kWide) << "never above what is configured";
}

TEST_F(Path, IsFoundToBeNarrowAndWideAgain) {
  for (const uint32_t carries : {1472u, 1460u, 1400u, 1300u, 600u, 1252u, 1471u}) {
    SCOPED_TRACE(carries);
    run_for(3 * kSecond, carries);
    EXPECT_LE(path.bytes(), carries);
    EXPECT_GE(path.bytes(), carries < 1252 ? 548u : carries - 148u);
  }
  run_for(PathSize::kRaiseNs + kSecond, kWide);
  EXPECT_EQ(path.bytes(), kWide);
}

TEST_F(Path, OfAPeerThatAsksForRepairsIsProbedAtOnce) {
  run_for(2 * kSecond, kWide);
  run_for(PathSize::kSuspectNs, kWide);
  path.suspect(now_ns);
  run_for(PathSize::kSuspectNs + 4 * PathSize::kAnswerNs, kNarrow);
  EXPECT_EQ(path.bytes(), kNarrow);
}

TEST_F(Path, OfAPeerThatIsAwayTellsNothing) {
  run_for(kSecond, kWide);
  run_for(10 * kSecond, 0, false);
  EXPECT_EQ(path.bytes(), kWide);
}

TEST_F(Path, ThatTheKernelRefusesIsNarrowAtOnce) {
  run_for(kSecond, kWide);
  path.refused(kWide, now_ns);
  EXPECT_LT(path.bytes(), kWide);
  path.refused(kWide, now_ns);
  EXPECT_EQ(path.bytes(), 1452u) << "the same refusal twice";
  path.refused(1452, now_ns);
  path.refused(1372, now_ns);
  EXPECT_EQ(path.bytes(), kNarrow);
  run_for(kSecond, kNarrow);
  EXPECT_EQ(path.bytes(), kNarrow);
}

TEST_F(Path, ThatCannotBeNarrowerIsNotProbed) {
  path.begin(548, now_ns);
  probes = 0;
  run_for(10 * kSecond, 0);
  EXPECT_EQ(probes, 0u);
  EXPECT_EQ(path.bytes(), 548u);
}

TEST_F(Path, BelievesNoAnswerToWhatWasNotAsked) {
  for (int i = 0; i < 10; ++i) {
    path.tick(now_ns, kMs, now_ns, [](uint32_t) {});
    for (const uint32_t bytes : {0u, 1u, 100u, 547u, 1471u, 1473u, 8972u, 65'000u})
      path.answered(bytes);
    now_ns += PathSize::kAnswerNs;
  }
  EXPECT_EQ(path.bytes(), kWide);
}

// --- among nodes

// Entries of 20 pieces each millisecond; then whether all have all within that time.
bool all_arrive(Mesh& mesh, MeshLeader& leader, int64_t patience_ns) {
  for (int i = 0; i < 20; ++i) {
    leader.append(28'000);
    leader.beat();
    mesh.run_for(kMs);
  }
  for (const int64_t end_ns = mesh.now_ns() + patience_ns; mesh.now_ns() < end_ns;) {
    if (leader.all_have_all()) return true;
    leader.beat();
    mesh.run_for(kMs);
  }
  return leader.all_have_all();
}

TEST(PathSizes, ANarrowPathToOnePeerIsFoundWhileEntriesGoOn) {
  for (const bool is_multicast : {true, false}) {
    Mesh mesh({.is_multicast = is_multicast, .datagram_bytes = kWide});
    mesh.introduce();
    MeshLeader leader(mesh, 1, {2, 3});
    ASSERT_TRUE(all_arrive(mesh, leader, kSecond));
    EXPECT_EQ(mesh.transport(1).datagram_bytes(), kWide);
    mesh.carries = [](uint64_t, uint64_t to, size_t bytes) { return to != 3 || bytes <= kNarrow; };
    EXPECT_TRUE(all_arrive(mesh, leader, kSecond / 2));
    EXPECT_EQ(mesh.transport(1).datagram_bytes(), kNarrow);
    EXPECT_EQ(mesh.transport(3).datagram_bytes(), kWide) << "the other way it is wide";
    mesh.carries = nullptr;
    mesh.run_for(PathSize::kRaiseNs + kSecond);
    EXPECT_EQ(mesh.transport(1).datagram_bytes(), kWide);
    EXPECT_TRUE(all_arrive(mesh, leader, kSecond));
    EXPECT_EQ(leader.fault(), "");
  }
}

TEST(PathSizes, WithoutThemALargeEntryNeverArrives) {
  Mesh mesh({.datagram_bytes = kWide});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  mesh.carries = [](uint64_t, uint64_t, size_t bytes) { return bytes <= kNarrow; };
  const MutantScope scope(Mutant::transport_never_narrows);
  EXPECT_FALSE(all_arrive(mesh, leader, 5 * kSecond));
}

TEST(PathSizes, AKernelThatRefusesIsHeardAtOnce) {
  Mesh mesh({.datagram_bytes = kWide});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  ASSERT_TRUE(all_arrive(mesh, leader, kSecond));
  mesh.refused_above = kNarrow;
  EXPECT_TRUE(all_arrive(mesh, leader, 100 * kMs));
  EXPECT_EQ(mesh.transport(1).datagram_bytes(), kNarrow);
  mesh.run_for(10 * kSecond);
  EXPECT_EQ(mesh.transport(1).datagram_bytes(), kNarrow) << "attempts to raise it are refused";
  mesh.refused_above = 0;
  mesh.run_for(PathSize::kRaiseNs + kSecond);
  EXPECT_EQ(mesh.transport(1).datagram_bytes(), kWide);
  EXPECT_EQ(leader.fault(), "");
}

TEST(PathSizes, ANewRunOfAPeerIsTriedAnew) {
  Mesh mesh({.datagram_bytes = kWide});
  mesh.introduce();
  mesh.carries = [](uint64_t, uint64_t to, size_t bytes) { return to != 3 || bytes <= kNarrow; };
  mesh.run_for(3 * kSecond);
  EXPECT_EQ(mesh.transport(1).datagram_bytes(), kNarrow);
  mesh.carries = nullptr;
  mesh.restart(3);
  mesh.run_for(100 * kMs);
  EXPECT_EQ(mesh.transport(1).datagram_bytes(), kWide);
}

// A NAK of 64 holes is larger than the smallest datagram.
TEST(PathSizes, ManyHolesAreAskedForInSmallDatagrams) {
  Mesh mesh({.datagram_bytes = 512, .faults = {.lost = 300}});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  for (int i = 0; i < 2000; ++i) leader.append(64 + static_cast<uint32_t>(i % 7) * 64);
  for (int i = 0; i < 5000 && !leader.all_have_all(); ++i) {
    leader.beat();
    mesh.run_for(kMs);
  }
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_EQ(leader.fault(), "");
}

TEST(Multicast, IsTriedAtTheStartThoughNobodySendsAnything) {
  Mesh mesh(MeshOptions{});
  mesh.is_cut = [](uint64_t from, uint64_t to, bool is_multicast) {
    return is_multicast && from == 2 && to == 3;
  };
  mesh.introduce();
  mesh.run_for(200 * kMs);
  EXPECT_EQ(mesh.transport(2).deaf_peers(), std::vector<uint64_t>{3});
  EXPECT_TRUE(mesh.transport(2).is_falling_back());
  EXPECT_FALSE(mesh.transport(1).is_falling_back());
  EXPECT_FALSE(mesh.transport(3).is_falling_back());
  mesh.is_cut = nullptr;
  mesh.run_for(200 * kMs);
  EXPECT_FALSE(mesh.transport(2).is_falling_back());
}

}  // namespace
}  // namespace casbook
