#include "support/hosts/forwarder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "support/hosts/ether_switch.h"

namespace casbook::test_support {
namespace {

constexpr uint32_t kFrameBytesMax = 9216;  // of an MTU of 9000
constexpr uint32_t kDelayedMax = 16'384;
constexpr int kFramesInARow = 64;  // of one port, before the others have their turn

constexpr size_t kEtherBytes = 14, kIpBytes = 20, kUdpBytes = 8;

int64_t clock_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

bool happens(uint64_t chance, test::Random& random) {
  return chance != 0 && (random.next() >> 32) < chance;
}

uint8_t at(std::span<const std::byte> frame, size_t offset) {
  return static_cast<uint8_t>(frame[offset]);
}

// IPv4 without options, not a later fragment, UDP, with a payload.
bool is_datagram(std::span<const std::byte> frame) {
  constexpr uint8_t kUdp = 17;
  return frame.size() > kEtherBytes + kIpBytes + kUdpBytes && at(frame, 12) == 0x08 &&
         at(frame, 13) == 0x00 && at(frame, 14) == 0x45 && (at(frame, 20) & 0x1f) == 0 &&
         at(frame, 21) == 0 && at(frame, 23) == kUdp;
}

}  // namespace

Forwarder::Forwarder(std::vector<int> taps, SwitchLines& lines, uint64_t seed)
    : taps_(std::move(taps)),
      lines_(lines),
      delayed_(kDelayedMax, kFrameBytesMax),
      arrived_(kFrameBytesMax),
      damaged_(kFrameBytesMax) {
  for (uint64_t i = 0; i < kHostsMax * kHostsMax; ++i)
    random_.emplace_back(test::Random(seed ^ (i + 1) << 32).next());
}

void Forwarder::run() {
  for (;;) {
    wait_for_frames();
    for (uint32_t port = 0; port < ports(); ++port)
      if (readable_ & 1u << port) take_frames(port);
    if (delayed_.next_due_ns() != std::numeric_limits<int64_t>::max())
      delayed_.release(clock_ns(), [this](auto frame, uint32_t to) { send(frame, to); });
  }
}

// Ports that had more than one turn's frames stay readable, and then nobody waits.
void Forwarder::wait_for_frames() {
  pollfd polled[kHostsMax];
  for (uint32_t port = 0; port < ports(); ++port) polled[port] = {taps_[port], POLLIN, 0};
  const int64_t due_ns = delayed_.next_due_ns();
  timespec patience{};
  if (readable_ == 0 && due_ns != std::numeric_limits<int64_t>::max()) {
    const int64_t ns = std::max<int64_t>(0, due_ns - clock_ns());
    patience = {.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  }
  const bool is_patient = readable_ == 0 && due_ns == std::numeric_limits<int64_t>::max();
  ppoll(polled, ports(), is_patient ? nullptr : &patience, nullptr);
  for (uint32_t port = 0; port < ports(); ++port)
    if (polled[port].revents & POLLIN) readable_ |= 1u << port;
}

void Forwarder::take_frames(uint32_t from) {
  for (int i = 0; i < kFramesInARow; ++i) {
    const ssize_t bytes = read(taps_[from], arrived_.data(), arrived_.size());
    if (bytes <= 0) {
      readable_ &= ~(1u << from);
      return;
    }
    if (static_cast<size_t>(bytes) > kEtherBytes)
      forward(from, std::span(arrived_).first(static_cast<size_t>(bytes)));
  }
}

void Forwarder::forward(uint32_t from, std::span<std::byte> frame) {
  constexpr Mac kAny = mac_of_host(0);
  if (std::memcmp(frame.data(), kAny.data(), kAny.size() - 1) == 0) {
    const uint32_t to = at(frame, kAny.size() - 1) - 1u;
    if (to < ports() && to != from) pass(from, to, frame);
    return;
  }
  for (uint32_t to = 0; to < ports(); ++to)
    if (to != from) pass(from, to, frame);
}

void Forwarder::pass(uint32_t from, uint32_t to, std::span<const std::byte> frame) {
  LinkLines& link = lines_.links[from][to];
  test::Random& random = random_[from * kHostsMax + to];
  if (link.is_cut()) return link.count(LinkLines::kCut);
  if (link.is_too_large(frame.size())) return link.count(LinkLines::kTooLarge);
  if (happens(link.chance(LinkLines::kLose), random)) return link.count(LinkLines::kLost);
  if (happens(link.chance(LinkLines::kCorrupt), random) && is_datagram(frame)) {
    frame = damaged(frame, random);
    link.count(LinkLines::kCorrupted);
  }
  const bool is_doubled = happens(link.chance(LinkLines::kDuplicate), random);
  if (is_doubled) link.count(LinkLines::kDuplicated);
  for (int copies = is_doubled ? 2 : 1; copies > 0; --copies) {
    int64_t wait_ns = link.time_ns(LinkLines::kDelay);
    if (const int64_t jitter_ns = link.time_ns(LinkLines::kJitter); jitter_ns > 0)
      wait_ns += static_cast<int64_t>(random.below(static_cast<uint64_t>(jitter_ns)));
    if (happens(link.chance(LinkLines::kReorder), random)) {
      wait_ns += link.time_ns(LinkLines::kHoldBack);
      link.count(LinkLines::kReordered);
    }
    if (wait_ns == 0)
      send(frame, to);
    else if (!delayed_.hold(frame, to, clock_ns() + wait_ns))
      return link.count(LinkLines::kOverflows);
    link.count(LinkLines::kPassed);
    link.count(LinkLines::kBytes, frame.size());
  }
}

// The checksum becomes zero, which says that there is none.
std::span<const std::byte> Forwarder::damaged(std::span<const std::byte> frame,
                                              test::Random& random) {
  constexpr size_t kPayload = kEtherBytes + kIpBytes + kUdpBytes;
  std::copy(frame.begin(), frame.end(), damaged_.begin());
  damaged_[kPayload - 2] = damaged_[kPayload - 1] = std::byte{0};
  const uint64_t bit = random.below((frame.size() - kPayload) * 8);
  damaged_[kPayload + bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
  return std::span(damaged_).first(frame.size());
}

// A host that does not take it (its interface is down) loses it, as on a real port.
void Forwarder::send(std::span<const std::byte> frame, uint32_t to) {
  [[maybe_unused]] const ssize_t ignored = write(taps_[to], frame.data(), frame.size());
}

}  // namespace casbook::test_support
