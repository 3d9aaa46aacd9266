// What comes over a real wire: lost, doubled, out of order, and from those who do not belong there.
#include <cstring>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include "support/cluster_fixture.h"

namespace casbook {
namespace {

using namespace test_support;

using Datagram = std::vector<uint8_t>;
constexpr size_t kCaptured = 50;
constexpr size_t kClusterAt = 8, kSeqAt = 40;  // PROTOCOL.md, section 9

class ClusterWire : public ClusterFaults {};

uint16_t number_at(const uint8_t* bytes) { return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]); }

// Of the group, as they pass this host. In a process of that host.
std::vector<Datagram> capture() {
  std::vector<Datagram> captured;
  const int all = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
  uint8_t packet[2048];
  // Progress: the cluster's heartbeats.
  while (captured.size() < kCaptured) {
    const ssize_t bytes = recv(all, packet, sizeof packet, 0);
    if (bytes < 28) continue;
    const uint8_t* udp = packet + 4 * (packet[0] & 15);
    if (packet[9] != IPPROTO_UDP || number_at(udp + 2) != kGroupPort) continue;
    const uint8_t* end = udp + number_at(udp + 4);
    if (end - udp - 8 > static_cast<ptrdiff_t>(kSeqAt + 8)) captured.emplace_back(udp + 8, end);
  }
  close(all);
  return captured;
}

// Each of them, as `spoil` leaves it, to that host.
void send_again(const std::vector<Datagram>& captured, uint32_t to,
                const std::function<void(Datagram&)>& spoil) {
  const int from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET, address.sin_port = htons(kClusterPort);
  inet_pton(AF_INET, Hosts::address(to).c_str(), &address.sin_addr);
  for (Datagram datagram : captured) {
    spoil(datagram);
    sendto(from, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&address),
           sizeof address);
  }
  close(from);
}

TEST_F(ClusterWire, WhatDoesNotBelongThereIsCountedAndChangesNothing) {
  begin(3);
  if (IsSkipped()) return;
  const uint32_t from = others(leader_)[0], to = others(leader_)[1];
  const HostLook before = run_->look(to);
  EXPECT_TRUE(run_->on_host(from, [&] {
    const std::vector<Datagram> captured = capture();
    sleep_us(20'000);  // they have come to all
    send_again(captured, to, [](Datagram&) {});
    send_again(captured, to, [](Datagram& spoiled) { spoiled[kClusterAt] ^= 1; });
    send_again(captured, to, [](Datagram& spoiled) { spoiled[kSeqAt + 5] ^= 1; });
    send_again(captured, to, [](Datagram& spoiled) { spoiled.resize(20); });
  }));
  EXPECT_TRUE(await(
      [&] {
        const HostLook seen = run_->look(to);
        return seen.dropped_replayed >= before.dropped_replayed + kCaptured &&
               seen.dropped_foreign >= before.dropped_foreign + kCaptured &&
               seen.dropped_forged >= before.dropped_forged + kCaptured &&
               seen.dropped_malformed >= before.dropped_malformed + kCaptured;
      },
      5))
      << "replayed " << run_->look(to).dropped_replayed << ", foreign "
      << run_->look(to).dropped_foreign << ", forged " << run_->look(to).dropped_forged
      << ", malformed " << run_->look(to).dropped_malformed;
  expect_quiet(500'000);
  run_->end({.is_quorum_kept = true});
}

// Repairs stay in a proportion to what was lost.
TEST_F(ClusterWire, LossesAreMadeGood) {
  begin(3);
  if (IsSkipped()) return;
  for (const double share : {0.001, 0.01, 0.1, 0.3}) {
    wire().set_all({.lose = share});
    const int64_t end_ns = monotonic_ns() + seconds(1, 30) * 1000;
    do EXPECT_TRUE(run_->await_progress()) << share << "\n" << run_->all_events();
    while (monotonic_ns() < end_ns);
  }
  wire().heal();
  ASSERT_TRUE(run_->await_progress());
  uint64_t repaired = 0;
  for (uint32_t host = 1; host <= count(); ++host) repaired += run_->look(host).repair_bytes;
  const LinkCounts wire = run_->hosts().wire_counts();
  const uint64_t lost_bytes = wire.bytes / wire.passed * wire.lost;
  EXPECT_GT(wire.lost, 200u);
  EXPECT_LT(repaired, 3 * lost_bytes);
  run_->end({.is_quorum_kept = true});
}

TEST_F(ClusterWire, DoublesOutOfOrderChangeNothing) {
  begin(3);
  if (IsSkipped()) return;
  wire().set_all({.duplicate = 1, .reorder = 0.5, .reorder_us = 10'000});
  const int64_t end_ns = monotonic_ns() + seconds(2, 60) * 1000;
  do EXPECT_TRUE(run_->await_progress()) << run_->all_events();
  while (monotonic_ns() < end_ns);
  const LinkCounts wire = run_->hosts().wire_counts();
  EXPECT_GT(wire.duplicated, 1000u);
  EXPECT_GT(wire.reordered, 1000u);
  run_->end({.is_quorum_kept = true});
}

}  // namespace
}  // namespace casbook
