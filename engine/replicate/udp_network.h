// Real datagrams: UDP over IPv4. Everything is sent from one socket, which also takes what comes by
// unicast; a second one is joined to the group.
//
// Sending (multicast, unicast, flush) and naming peers is for one thread at a time. receive() may run in another
// thread meanwhile: it shares nothing with sending; wake() may be called from anywhere.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include <casbook/result.h>

#include "arena/os_file.h"
#include "replicate/network.h"

namespace casbook::replicate {

struct UdpPeer {
  uint64_t node = 0;
  std::string address;
};

struct UdpOptions {
  std::string address;  // of this node, "10.0.0.1:7400": bound to, and sent from
  std::vector<UdpPeer> peers;
  bool is_multicast = true;
  std::string group;  // "239.192.7.1:7401"
  // To send to the group and join it by: its name or its address. Empty: that of `address`.
  std::string interface;
  uint32_t mtu = 1500;     // of the path: larger only where all of it carries jumbo frames
  bool is_looped = false;  // other nodes of this cluster are on this host and network namespace
};

// Room for what one call takes. Of one receiving thread.
class UdpBatch {
 public:
  static constexpr uint32_t kDatagrams = 64;

  explicit UdpBatch(uint32_t datagram_bytes_max);
  uint32_t count() const { return count_; }
  std::span<const std::byte> operator[](uint32_t i) const;

 private:
  friend class UdpNetwork;
  uint32_t room_;
  uint32_t count_ = 0;
  std::vector<std::byte> bytes_;
  std::array<iovec, kDatagrams> pieces_{};
  std::array<mmsghdr, kDatagrams> headers_{};
};

class UdpNetwork final : public Network {
 public:
  // bad_argument: names the field. io_error: names the call and address.
  static Result<std::unique_ptr<UdpNetwork>> open(const UdpOptions& options);

  void multicast(std::span<const std::byte> datagram) override;
  // An address that is none changes nothing.
  void set_peer(uint64_t node, std::string_view address) override;
  void remove_peer(uint64_t node) override { peers_.erase(node); }
  void unicast(uint64_t node, std::span<const std::byte> datagram) override;
  void flush() override;
  uint32_t datagram_bytes() const override { return datagram_bytes_; }

  // What is there; if nothing is, waits for it until the timeout or wake(). Returns how many, 0 of
  // those that woke for another reason. Datagrams that are larger than ours can be are skipped.
  Result<uint32_t> receive(UdpBatch& batch, int64_t timeout_ns);
  UdpBatch make_batch() const { return UdpBatch(datagram_bytes_); }
  void wake();

  // What the kernel granted of kReceiveBufferBytes, in the smaller of both sockets: below it bursts
  // are lost. Raise net.core.rmem_max.
  uint32_t receive_buffer_bytes() const { return receive_buffer_bytes_; }
  // Not sent: the kernel had no room, or no way to the receiver.
  uint64_t send_failures() const { return send_failures_; }

  static constexpr uint32_t kReceiveBufferBytes = 8u << 20;

 private:
  static constexpr uint32_t kQueued = 64;

  UdpNetwork() = default;
  Result<void> open_unicast(const sockaddr_in& address);
  Result<void> open_group(const UdpOptions& options, const sockaddr_in& address);
  Result<void> set_buffers(const arena::OsFile& socket);
  void prepare_queue();
  void enqueue(const sockaddr_in& to, std::span<const std::byte> datagram);
  static void take(const arena::OsFile& socket, UdpBatch& batch, uint32_t end);
  void take_all(UdpBatch& batch) const;

  arena::OsFile unicast_, group_, waker_;
  bool has_group_ = false;
  sockaddr_in group_address_{};
  std::unordered_map<uint64_t, sockaddr_in> peers_;
  uint32_t datagram_bytes_ = 0;
  uint32_t receive_buffer_bytes_ = 0;

  std::vector<std::byte> bytes_;  // of what is queued
  std::array<sockaddr_in, kQueued> destinations_{};
  std::array<iovec, kQueued> pieces_{};
  std::array<mmsghdr, kQueued> headers_{};
  uint32_t queued_ = 0;
  uint64_t send_failures_ = 0;
};

}  // namespace casbook::replicate
