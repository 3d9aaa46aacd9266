// Configurations as bodies of entries: what is encoded comes back, all else is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/consensus_cluster.h"

namespace casbook::replicate {
namespace {

using test::ConsensusCluster;
using testing::HasSubstr;

TEST(ConsensusConfiguration, ComesBackAsItWasEncoded) {
  const Configuration five = ConsensusCluster::configuration(5);
  const std::vector<std::byte> body = encode(five);
  EXPECT_EQ(*decode_configuration(body), five);
  for (size_t bytes = 0; bytes < body.size(); ++bytes)
    EXPECT_FALSE(decode_configuration(std::span(body).first(bytes))) << bytes;
  std::vector<std::byte> longer = body;
  longer.push_back({});
  EXPECT_EQ(decode_configuration(longer).error().code, Code::damaged);
}

TEST(ConsensusConfiguration, RefusesWhatCannotVote) {
  const auto detail = [](std::vector<Server> servers) {
    const auto checked = check(Configuration{std::move(servers)});
    return checked ? "" : checked.error().detail;
  };
  EXPECT_EQ(detail({{1, "a"}, {2, "b"}}), "");
  EXPECT_THAT(detail({{1, "a"}}), HasSubstr("1 voters of 1 members; expected 2 voters"));
  EXPECT_THAT(detail({{0, "a"}, {2, "b"}}), HasSubstr("ascending"));
  EXPECT_THAT(detail({{2, "a"}, {2, "b"}}), HasSubstr("ascending"));
  EXPECT_THAT(detail({{1, "a"}, {2, "a"}}), HasSubstr("twice"));
  EXPECT_THAT(detail({{1, ""}, {2, "b"}}), HasSubstr("printable"));
  EXPECT_THAT(detail({{1, "a\n"}, {2, "b"}}), HasSubstr("\"a\\x0a\""));
  EXPECT_THAT(detail({{1, std::string(256, 'a')}, {2, "b"}}), HasSubstr("1 to 255"));
}

}  // namespace
}  // namespace casbook::replicate
