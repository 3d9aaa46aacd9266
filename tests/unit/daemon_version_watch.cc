// What is told of nodes that speak another version, and how often.
#include "daemon/version_watch.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/event_log.h"
#include "replicate/udp_address.h"
#include "replicate/wire.h"
#include "support/captured_errors.h"
#include "support/small_book.h"

namespace casbook::daemon {
namespace {

using namespace replicate;
using test_support::CapturedErrors;
using test_support::must;
using testing::HasSubstr;

constexpr int64_t kHour = VersionWatch::kAgainNs, kNext = VersionWatch::kNextNs;

class Versions : public testing::Test {
 protected:
  Versions() {
    must(open_event_log("info"));
    // Loopback addresses that no other test has, of this process.
    const std::string host =
        "127.77." + std::to_string(getpid() / 250 % 250) + "." + std::to_string(1 + getpid() % 250);
    for (uint64_t node = 1; node <= 4; ++node)
      addresses_.push_back(host + ":" + std::to_string(7400 + node));
    network_ = must(UdpNetwork::open({.address = addresses_[0],
                                      .peers = {{2, addresses_[1]}, {3, addresses_[2]}},
                                      .is_multicast = false,
                                      .group = {},
                                      .interface = {}}));
  }
  // What is told when node 2, 3 or somebody (4) says something in that version.
  std::string told(uint64_t node, uint8_t version, int64_t now_ns) {
    std::vector<std::byte> datagram(100);
    std::memcpy(datagram.data(), &kDatagramMagic, sizeof kDatagramMagic);
    datagram[4] = static_cast<std::byte>(version);
    const CapturedErrors errors;
    watch_.look(datagram, *network_, must(parse_udp_address("from", addresses_[node - 1])), now_ns);
    return errors.text();
  }

  std::vector<std::string> addresses_;
  std::unique_ptr<UdpNetwork> network_;
  VersionWatch watch_;
};

TEST_F(Versions, OfTheSameReleaseAreNotTold) { EXPECT_EQ(told(2, kWireVersion, kHour), ""); }

TEST_F(Versions, SayWhichNodeToUpgrade) {
  EXPECT_THAT(told(2, kWireVersion + 1, kHour),
              HasSubstr("level=error event=newer_node node=2 address=" + addresses_[1] +
                        " version=" + std::to_string(kWireVersion + 1) +
                        " own_version=" + std::to_string(kWireVersion) + " upgrade=\"this node\""));
  EXPECT_THAT(told(3, kWireVersion - 1, kHour), HasSubstr("level=warn event=older_node node=3"));
}

TEST_F(Versions, AreToldOnceAnHourForEachNodeAndVersion) {
  const uint8_t newer = kWireVersion + 1;
  EXPECT_NE(told(2, newer, kHour), "");
  EXPECT_EQ(told(2, newer, kHour + kHour - 1), "");
  EXPECT_NE(told(3, newer, kHour + 1), "") << "another node";
  EXPECT_NE(told(2, newer, 2 * kHour), "");
}

TEST_F(Versions, ThatChangeWithEachDatagramFillNoLog) {
  uint64_t lines = 0;
  for (int64_t ms = 0; ms < 100'000; ++ms)
    lines += !told(2, static_cast<uint8_t>(100 + ms % 100), kHour + ms * 1'000'000).empty();
  EXPECT_LE(lines, static_cast<uint64_t>(100'000'000'000 / kNext + 1));
  EXPECT_GE(lines, 2u);
}

TEST_F(Versions, OfNobodyAreNotTold) { EXPECT_EQ(told(4, kWireVersion + 1, kHour), ""); }

}  // namespace
}  // namespace casbook::daemon
