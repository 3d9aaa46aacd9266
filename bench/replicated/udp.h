// UDP as the floor uses it: many datagrams in one system call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

namespace casbook::bench {

constexpr uint16_t kFloorPort = 7500;  // beside the cluster
constexpr const char* kFloorGroup = "239.192.7.1";
constexpr uint32_t kDatagramsTogether = 64;

sockaddr_in internet(const std::string& address);

// A socket of the namespace that the process is in. Ends the program where that cannot be had.
class Udp {
 public:
  // `own`: the interface's address. `datagram_bytes`: the most that is received.
  Udp(const std::string& own, uint32_t datagram_bytes);
  ~Udp();
  Udp(const Udp&) = delete;
  Udp& operator=(const Udp&) = delete;

  void join_group();
  // Waits for the first, takes what else is there. 0: none came in time, where there is a time.
  uint32_t receive();
  void set_patience_us(int64_t us);
  std::span<const std::byte> datagram(uint32_t index) const;

  // Sent by flush() at the latest; the bytes stay where they are until then.
  void send(std::span<const std::byte> datagram, const sockaddr_in& to);
  void flush();

 private:
  int fd_;
  in_addr interface_;
  uint32_t datagram_bytes_, queued_ = 0;
  std::vector<std::byte> received_;
  std::vector<iovec> places_, pieces_;
  std::vector<mmsghdr> arriving_, leaving_;
  std::vector<sockaddr_in> targets_;
};

}  // namespace casbook::bench
