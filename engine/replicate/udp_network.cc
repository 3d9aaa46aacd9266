#include "replicate/udp_network.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/assert.h"
#include "base/error.h"
#include "replicate/udp_address.h"

namespace casbook::replicate {

using arena::OsFile;
using base::bad_argument;

namespace {

constexpr uint32_t kIpAndUdpBytes = 28;
constexpr uint32_t kMtuMin = 576, kMtuMax = 65'535;
constexpr int kTimeToLive = 1;  // a group of one network segment: routers do not pass it on

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

constexpr uint32_t kMessageBytes = 65'536;
constexpr uint32_t kJoinedBytesMax = 65'507;  // the largest datagram of UDP over IPv4
constexpr uint32_t kJoinedMax = 64;           // of the kernel

// Of the datagrams in a message; 0: it is one.
size_t joined_bytes(msghdr& header) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(&header, control))
    if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
      int bytes;
      std::memcpy(&bytes, CMSG_DATA(control), sizeof bytes);
      return static_cast<size_t>(std::max(bytes, 0));
    }
  return 0;
}

void tell_joined(msghdr& header, UdpControl& room, uint16_t datagram_bytes) {
  header.msg_control = room.bytes;
  header.msg_controllen = CMSG_SPACE(sizeof datagram_bytes);
  cmsghdr* const control = CMSG_FIRSTHDR(&header);
  control->cmsg_level = SOL_UDP;
  control->cmsg_type = UDP_SEGMENT;
  control->cmsg_len = CMSG_LEN(sizeof datagram_bytes);
  std::memcpy(CMSG_DATA(control), &datagram_bytes, sizeof datagram_bytes);
}

}  // namespace

UdpBatch::UdpBatch(uint32_t datagram_bytes_max)
    : datagram_bytes_max_(datagram_bytes_max), bytes_(size_t{kMessages} * kMessageBytes) {}

// At most so many messages more, of what is there.
void UdpBatch::take(int socket, uint32_t messages_max) {
  const uint32_t first = used_, end = std::min(used_ + messages_max, kMessages);
  for (uint32_t i = first; i < end; ++i) {
    pieces_[i] = {bytes_.data() + size_t{i} * kMessageBytes, kMessageBytes};
    headers_[i].msg_hdr = {};
    headers_[i].msg_hdr.msg_iov = &pieces_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &senders_[i];
    headers_[i].msg_hdr.msg_namelen = sizeof senders_[i];
    headers_[i].msg_hdr.msg_control = controls_[i].bytes;
    headers_[i].msg_hdr.msg_controllen = sizeof controls_[i].bytes;
  }
  const int came = recvmmsg(socket, &headers_[first], end - first, MSG_DONTWAIT, nullptr);
  for (int n = 0; n < came; ++n, ++used_) {
    const std::span message(static_cast<const std::byte*>(pieces_[used_].iov_base),
                            headers_[used_].msg_len);
    const size_t each = joined_bytes(headers_[used_].msg_hdr);
    add(message, each == 0 ? message.size() : each);
  }
}

void UdpBatch::add(std::span<const std::byte> message, size_t datagram_bytes) {
  do {
    const auto datagram = message.first(std::min(datagram_bytes, message.size()));
    if (datagram.size() <= datagram_bytes_max_)
      datagrams_.push_back(datagram), messages_.push_back(used_);
    message = message.subspan(datagram.size());
  } while (!message.empty());
}

Result<std::unique_ptr<UdpNetwork>> UdpNetwork::open(const UdpOptions& options) {
  std::unique_ptr<UdpNetwork> network(new UdpNetwork);
  if (options.mtu < kMtuMin || options.mtu > kMtuMax)
    return bad_argument("mtu " + std::to_string(options.mtu) + ": expected " +
                        std::to_string(kMtuMin) + " to " + std::to_string(kMtuMax));
  network->datagram_bytes_ = options.mtu - kIpAndUdpBytes;
  auto address = parse_udp_address("address", options.address);
  if (!address) return address.error();
  for (const UdpPeer& peer : options.peers) {
    auto parsed = parse_udp_address("address of node " + std::to_string(peer.node), peer.address);
    if (!parsed) return parsed.error();
    if (!network->peers_.emplace(peer.node, *parsed).second)
      return bad_argument("node " + std::to_string(peer.node) + " is named twice");
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
  if (auto set = prepare_socket(unicast_); !set) return set;
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
      return bad_argument("interface \"" + options.interface + "\": there is no such interface");
  }
  group_ = new_socket();
  if (!group_.is_open()) return arena::os_error(errno, "open", "a UDP socket");
  const int looped = options.is_looped;
  const std::string where = "group " + options.group;
  const Result<void> steps[] = {
      set_option(unicast_, IPPROTO_IP, IP_MULTICAST_IF, membership, "interface of " + where),
      set_option(unicast_, IPPROTO_IP, IP_MULTICAST_TTL, kTimeToLive, "IP_MULTICAST_TTL"),
      set_option(unicast_, IPPROTO_IP, IP_MULTICAST_LOOP, looped, "IP_MULTICAST_LOOP"),
      prepare_socket(group_),
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

Result<void> UdpNetwork::prepare_socket(const OsFile& socket) {
  // Where the kernel does not know it, each datagram comes by itself.
  const int joined = 1;
  (void)setsockopt(socket.fd(), SOL_UDP, UDP_GRO, &joined, sizeof joined);
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
  for (uint32_t i = 0; i < kQueued; ++i)
    pieces_[i].iov_base = bytes_.data() + size_t{i} * datagram_bytes_;
}

void UdpNetwork::multicast(std::span<const std::byte> datagram) {
  CASBOOK_ASSERT(has_group_);
  enqueue(group_address_, datagram);
}

void UdpNetwork::unicast(uint64_t node, std::span<const std::byte> datagram) {
  if (const auto found = peers_.find(node); found != peers_.end()) enqueue(found->second, datagram);
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

// Of the datagram `first` and those behind it that can go with it: equally long and to the same
// place, the last one perhaps shorter. Returns one behind them.
uint32_t UdpNetwork::make_message(uint32_t message, uint32_t first) {
  const size_t each = pieces_[first].iov_len;
  const auto is_alike = [&](uint32_t i) {
    return destinations_[i].sin_addr.s_addr == destinations_[first].sin_addr.s_addr &&
           destinations_[i].sin_port == destinations_[first].sin_port && pieces_[i].iov_len <= each;
  };
  uint32_t end = first + 1;
  while (joins_ && end < queued_ && end - first < kJoinedMax && is_alike(end) &&
         pieces_[end - 1].iov_len == each && each * (end - first + 1) <= kJoinedBytesMax)
    ++end;
  msghdr& header = headers_[message].msg_hdr;
  header = {};
  header.msg_name = &destinations_[first];
  header.msg_namelen = sizeof destinations_[first];
  header.msg_iov = &pieces_[first];
  header.msg_iovlen = end - first;
  if (end - first > 1) tell_joined(header, controls_[message], static_cast<uint16_t>(each));
  return end;
}

void UdpNetwork::flush() {
  uint32_t messages = 0;
  for (uint32_t first = 0; first < queued_; ++messages) first = make_message(messages, first);
  uint32_t first = 0;  // datagram of the first message that is not sent
  for (uint32_t sent = 0; sent < messages;) {
    const int more = sendmmsg(unicast_.fd(), &headers_[sent], messages - sent, MSG_DONTWAIT);
    if (more > 0) {
      for (int i = 0; i < more; ++i)
        first += static_cast<uint32_t>(headers_[sent++].msg_hdr.msg_iovlen);
    } else if (errno == EINTR) {
      continue;
    } else if (headers_[sent].msg_hdr.msg_iovlen > 1 && (errno == EIO || errno == EINVAL)) {
      // This device or kernel joins none, or they are too large for it: one by one, from here on,
      // or as long as they are.
      joins_ = false;
      messages = sent;
      for (uint32_t i = first; i < queued_; ++messages) i = make_message(messages, i);
    } else {
      // That of the first one: it is lost, as a network loses datagrams.
      if (errno == EMSGSIZE) note_refused(static_cast<uint32_t>(pieces_[first].iov_len));
      send_failures_ += headers_[sent].msg_hdr.msg_iovlen;
      first += static_cast<uint32_t>(headers_[sent++].msg_hdr.msg_iovlen);
    }
  }
  queued_ = 0;
}

void UdpNetwork::note_refused(uint32_t bytes) {
  refused_bytes_ = refused_bytes_ == 0 ? bytes : std::min(refused_bytes_, bytes);
  joins_ = true;
}

// However much comes by multicast, some of each call is for unicast.
void UdpNetwork::take_all(UdpBatch& batch) const {
  if (has_group_) batch.take(group_.fd(), UdpBatch::kMessages * 3 / 4);
  batch.take(unicast_.fd(), UdpBatch::kMessages);
}

Result<uint32_t> UdpNetwork::receive(UdpBatch& batch, int64_t timeout_ns) {
  batch.datagrams_.clear(), batch.messages_.clear(), batch.used_ = 0;
  take_all(batch);
  if (batch.count() != 0) return batch.count();
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
  return batch.count();
}

uint64_t UdpNetwork::node_at(const sockaddr_in& address) const {
  for (const auto& [node, its] : peers_)
    if (its.sin_addr.s_addr == address.sin_addr.s_addr && its.sin_port == address.sin_port)
      return node;
  return 0;
}

void UdpNetwork::wake() {
  const uint64_t one = 1;
  (void)!write(waker_.fd(), &one, sizeof one);
}

}  // namespace casbook::replicate
