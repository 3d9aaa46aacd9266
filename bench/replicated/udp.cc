#include "replicated/udp.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <sys/time.h>
#include <unistd.h>

namespace casbook::bench {
namespace {

constexpr int kSocketBytes = 32 << 20;

void need(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "benchmark: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

}  // namespace

sockaddr_in internet(const std::string& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(kFloorPort);
  inet_pton(AF_INET, address.c_str(), &in.sin_addr);
  return in;
}

Udp::Udp(const std::string& own, uint32_t datagram_bytes)
    : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
      interface_(internet(own).sin_addr),
      datagram_bytes_(datagram_bytes),
      received_(kDatagramsTogether * datagram_bytes),
      places_(kDatagramsTogether),
      pieces_(kDatagramsTogether),
      arriving_(kDatagramsTogether),
      leaving_(kDatagramsTogether),
      targets_(kDatagramsTogether) {
  const sockaddr_in any = internet("0.0.0.0");
  const int off = 0;
  need(bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0, "bind");
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBytes, sizeof(kSocketBytes));
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBytes, sizeof(kSocketBytes));
  setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off));
  need(setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &interface_, sizeof(interface_)) == 0,
       "IP_MULTICAST_IF");
  for (uint32_t i = 0; i < kDatagramsTogether; ++i) {
    places_[i] = {&received_[i * datagram_bytes_], datagram_bytes_};
    arriving_[i].msg_hdr.msg_iov = &places_[i];
    arriving_[i].msg_hdr.msg_iovlen = 1;
    leaving_[i].msg_hdr.msg_iov = &pieces_[i];
    leaving_[i].msg_hdr.msg_iovlen = 1;
    leaving_[i].msg_hdr.msg_name = &targets_[i];
    leaving_[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
  }
}

Udp::~Udp() { close(fd_); }

void Udp::join_group() {
  ip_mreq group{.imr_multiaddr = internet(kFloorGroup).sin_addr, .imr_interface = interface_};
  need(setsockopt(fd_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) == 0,
       "IP_ADD_MEMBERSHIP");
}

void Udp::set_patience_us(int64_t us) {
  const timeval patience{.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

uint32_t Udp::receive() {
  const int count = recvmmsg(fd_, arriving_.data(), kDatagramsTogether, MSG_WAITFORONE, nullptr);
  return count > 0 ? static_cast<uint32_t>(count) : 0;
}

std::span<const std::byte> Udp::datagram(uint32_t index) const {
  return {&received_[index * datagram_bytes_], arriving_[index].msg_len};
}

void Udp::send(std::span<const std::byte> datagram, const sockaddr_in& to) {
  pieces_[queued_] = {const_cast<std::byte*>(datagram.data()), datagram.size()};
  targets_[queued_] = to;
  if (++queued_ == kDatagramsTogether) flush();
}

void Udp::flush() {
  for (uint32_t sent = 0; sent < queued_;) {
    const int count = sendmmsg(fd_, &leaving_[sent], queued_ - sent, 0);
    need(count > 0, "sendmmsg");
    sent += static_cast<uint32_t>(count);
  }
  queued_ = 0;
}

}  // namespace casbook::bench
