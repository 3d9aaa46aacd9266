#include "replicate/udp_network.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/assert.h"
#include "replicate/udp_address.h"

namespace casbook::replicate {

using arena::OsFile;

namespace {

constexpr uint32_t kIpAndUdpBytes = 28;
constexpr uint32_t kMtuMin = 576, kMtuMax = 65'535;
constexpr int kTimeToLive = 1;  // a group of one network segment: routers do not pass it on

Error bad(std::string detail) { return {.code = Code::bad_argument, .detail = std::move(detail)}; }

template <class T>
Result<void> set_option(const OsFile& socket, int level, int option, const T& value,
                        const std::string& what) {
  if (setsockopt(socket.fd(), level, option, &value, sizeof value) == 0) return {};
  return arena::os_error(errno, "set", what);
}

OsFile new_socket() {
  return OsFile(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

Result<void> bind_to(const OsFile& socket, const sockaddr_in& address) {
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return {};
  const int failure = errno;
  Error error = arena::os_error(failure, "bind UDP", text_of(address));
  if (failure == EADDRINUSE) error.detail += ": another daemon, or another program's port";
  if (failure == EADDRNOTAVAIL) error.detail += ": it is no address of this host";
  return error;
}

void point_at(mmsghdr& header, iovec& piece) {
  header.msg_hdr.msg_iov = &piece;
  header.msg_hdr.msg_iovlen = 1;
}

}  // namespace

UdpBatch::UdpBatch(uint32_t datagram_bytes_max)
    : room_(datagram_bytes_max), bytes_(size_t{kDatagrams} * datagram_bytes_max) {}

std::span<const std::byte> UdpBatch::operator[](uint32_t i) const {
  CASBOOK_ASSERT(i < count_);
  return {static_cast<const std::byte*>(pieces_[i].iov_base), headers_[i].msg_len};
}

Result<std::unique_ptr<UdpNetwork>> UdpNetwork::open(const UdpOptions& options) {
  std::unique_ptr<UdpNetwork> network(new UdpNetwork);
  if (options.mtu < kMtuMin || options.mtu > kMtuMax)
    return bad("mtu " + std::to_string(options.mtu) + ": expected " + std::to_string(kMtuMin) +
               " to " + std::to_string(kMtuMax));
  network->datagram_bytes_ = options.mtu - kIpAndUdpBytes;
  auto address = parse_udp_address("address", options.address);
  if (!address) return address.error();
  for (const UdpPeer& peer : options.peers) {
    auto parsed = parse_udp_address("address of node " + std::to_string(peer.node), peer.address);
    if (!parsed) return parsed.error();
    if (!network->peers_.emplace(peer.node, *parsed).second)
      return bad("node " + std::to_string(peer.node) + " is named twice");
  }
  if (auto opened = network->open_unicast(*address); !opened) return opened.error();
  if (options.is_multicast)
    if (auto opened = network->open_group(options, *address); !opened) return opened.error();
  network->waker_ = OsFile(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!network->waker_.is_open()) return arena::os_error(errno, "open", "eventfd");
  network->prepare_queue();
  return network;
}

Result<void> UdpNetwork::open_unicast(const sockaddr_in& address) {
  unicast_ = new_socket();
  if (!unicast_.is_open()) return arena::os_error(errno, "open", "a UDP socket");
  if (auto set = set_buffers(unicast_); !set) return set;
  // Don't fragment, and believe no stranger's word about the path: a datagram that is too large is
  // lost, and seen to be.
  if (auto set = set_option(unicast_, IPPROTO_IP, IP_MTU_DISCOVER, int{IP_PMTUDISC_PROBE},
                            "IP_MTU_DISCOVER");
      !set)
    return set;
  return bind_to(unicast_, address);
}

Result<void> UdpNetwork::open_group(const UdpOptions& options, const sockaddr_in& address) {
  auto group = parse_group_address("group", options.group);
  if (!group) return group.error();
  ip_mreqn membership{};
  membership.imr_multiaddr = group->sin_addr;
  membership.imr_address = address.sin_addr;
  const bool is_named = inet_pton(AF_INET, options.interface.c_str(), &membership.imr_address) != 1;
  if (is_named && !options.interface.empty()) {
    membership.imr_ifindex = static_cast<int>(if_nametoindex(options.interface.c_str()));
    if (membership.imr_ifindex == 0)
      return bad("interface \"" + options.interface + "\": there is no such interface");
  }
  group_ = new_socket();
  if (!group_.is_open()) return arena::os_error(errno, "open", "a UDP socket");
  const int looped = options.is_looped;
  const std::string where = "group " + options.group;
  const Result<void> steps[] = {
      set_option(unicast_, IPPROTO_IP, IP_MULTICAST_IF, membership, "interface of " + where),
      set_option(unicast_, IPPROTO_IP, IP_MULTICAST_TTL, kTimeToLive, "IP_MULTICAST_TTL"),
      set_option(unicast_, IPPROTO_IP, IP_MULTICAST_LOOP, looped, "IP_MULTICAST_LOOP"),
      set_buffers(group_),
      // Nodes of one host share the group's port.
      set_option(group_, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"),
      // Only what this socket joined, not what another program of this host did.
      set_option(group_, IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL"),
      bind_to(group_, *group),
      set_option(group_, IPPROTO_IP, IP_ADD_MEMBERSHIP, membership, "membership of " + where),
  };
  for (const Result<void>& step : steps)
    if (!step) return step.error();
  group_address_ = *group, has_group_ = true;
  return {};
}

Result<void> UdpNetwork::set_buffers(const OsFile& socket) {
  // With the right to, beyond the limit of the system.
  const int bytes = kReceiveBufferBytes;
  if (setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    (void)setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
    (void)setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  int granted = 0;
  socklen_t size = sizeof granted;
  if (getsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &granted, &size) != 0)
    return arena::os_error(errno, "get", "SO_RCVBUF");
  const auto usable = static_cast<uint32_t>(granted / 2);  // the kernel tells it doubled
  receive_buffer_bytes_ =
      receive_buffer_bytes_ == 0 ? usable : std::min(receive_buffer_bytes_, usable);
  return {};
}

void UdpNetwork::prepare_queue() {
  bytes_.resize(size_t{kQueued} * datagram_bytes_);
  for (uint32_t i = 0; i < kQueued; ++i) {
    pieces_[i].iov_base = bytes_.data() + size_t{i} * datagram_bytes_;
    headers_[i].msg_hdr.msg_name = &destinations_[i];
    headers_[i].msg_hdr.msg_namelen = sizeof destinations_[i];
    point_at(headers_[i], pieces_[i]);
  }
}

void UdpNetwork::multicast(std::span<const std::byte> datagram) {
  CASBOOK_ASSERT(has_group_);
  enqueue(group_address_, datagram);
}

void UdpNetwork::unicast(uint64_t node, std::span<const std::byte> datagram) {
  if (const auto found = peers_.find(node); found != peers_.end())
    enqueue(found->second, datagram);
}

void UdpNetwork::set_peer(uint64_t node, std::string_view address) {
  if (const auto parsed = parse_udp_address("address", std::string(address)); parsed)
    peers_.insert_or_assign(node, *parsed);
}

void UdpNetwork::enqueue(const sockaddr_in& to, std::span<const std::byte> datagram) {
  CASBOOK_ASSERT(datagram.size() <= datagram_bytes_);
  if (queued_ == kQueued) flush();
  std::memcpy(pieces_[queued_].iov_base, datagram.data(), datagram.size());
  pieces_[queued_].iov_len = datagram.size();
  destinations_[queued_] = to;
  ++queued_;
}

void UdpNetwork::flush() {
  for (uint32_t sent = 0; sent < queued_;) {
    const int more = sendmmsg(unicast_.fd(), &headers_[sent], queued_ - sent, MSG_DONTWAIT);
    if (more > 0) {
      sent += static_cast<uint32_t>(more);
    } else if (errno != EINTR) {
      // That of the first one: it is lost, as a network loses datagrams.
      ++send_failures_, ++sent;
    }
  }
  queued_ = 0;
}

// Into the batch, up to its `end`-th datagram.
void UdpNetwork::take(const OsFile& socket, UdpBatch& batch, uint32_t end) {
  const uint32_t first = batch.count_;
  for (uint32_t i = first; i < end; ++i) {
    batch.pieces_[i] = {batch.bytes_.data() + size_t{i} * batch.room_, batch.room_};
    point_at(batch.headers_[i], batch.pieces_[i]);
  }
  const int came =
      recvmmsg(socket.fd(), &batch.headers_[first], end - first, MSG_DONTWAIT, nullptr);
  for (int n = 0; n < came; ++n) {
    const uint32_t i = first + static_cast<uint32_t>(n);
    if (batch.headers_[i].msg_hdr.msg_flags & MSG_TRUNC) continue;
    std::swap(batch.pieces_[i], batch.pieces_[batch.count_]);
    batch.headers_[batch.count_].msg_len = batch.headers_[i].msg_len;
    ++batch.count_;
  }
}

// However much comes by multicast, some of each call is for unicast.
void UdpNetwork::take_all(UdpBatch& batch) const {
  if (has_group_) take(group_, batch, UdpBatch::kDatagrams * 3 / 4);
  take(unicast_, batch, UdpBatch::kDatagrams);
}

Result<uint32_t> UdpNetwork::receive(UdpBatch& batch, int64_t timeout_ns) {
  batch.count_ = 0;
  take_all(batch);
  if (batch.count_ != 0) return batch.count_;
  pollfd sources[] = {{.fd = unicast_.fd(), .events = POLLIN, .revents = 0},
                      {.fd = waker_.fd(), .events = POLLIN, .revents = 0},
                      {.fd = group_.fd(), .events = POLLIN, .revents = 0}};
  const int64_t wait_ns = std::max<int64_t>(timeout_ns, 0);
  const timespec timeout{.tv_sec = wait_ns / 1'000'000'000, .tv_nsec = wait_ns % 1'000'000'000};
  const int ready = ppoll(sources, has_group_ ? 3 : 2, &timeout, nullptr);
  if (ready < 0 && errno != EINTR) return arena::os_error(errno, "wait for", "datagrams");
  if (ready <= 0) return 0u;
  if (sources[1].revents) {
    uint64_t wakes;
    (void)!read(waker_.fd(), &wakes, sizeof wakes);
  }
  take_all(batch);
  return batch.count_;
}

void UdpNetwork::wake() {
  const uint64_t one = 1;
  (void)!write(waker_.fd(), &one, sizeof one);
}

}  // namespace casbook::replicate
