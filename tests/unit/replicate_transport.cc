// Transports over a network that loses, doubles, reorders and spoils. CASBOOK_SEED: where the
// random ones begin.
#include <gtest/gtest.h>

#include "support/mesh_leader.h"

namespace casbook {
namespace {

using namespace replicate;
using test_support::Mesh;
using test_support::MeshLeader;

constexpr int64_t kMs = 1'000'000;

TEST(ReplicateTransport, CarriesEntriesToAllFollowersOnce) {
  Mesh mesh({.nodes = 3});
  mesh.introduce();
  MeshLeader leader(mesh, 1, {2, 3});
  for (int i = 0; i < 1000; ++i) {
    leader.append(i % 50 == 0 ? 5000 : 200);
    leader.beat();
    mesh.run_for(100'000);
  }
  mesh.run_until([&] { return leader.all_have_all(); }, 1000 * kMs);
  EXPECT_TRUE(leader.all_have_all());
  EXPECT_EQ(leader.fault(), "");
  EXPECT_EQ(mesh.transport(1).counts().repairs_sent, 0u);
  EXPECT_LT(mesh.transport(1).counts().datagrams_sent, 1300u);
}

}  // namespace
}  // namespace casbook
