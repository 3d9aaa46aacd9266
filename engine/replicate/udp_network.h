// Real datagrams: UDP over IPv4. Everything is sent from one socket, which also takes what comes by
// unicast; a second one is joined to the group.
//
// Datagrams of one length and destination that follow one another pass the kernel as one
// (UDP_SEGMENT, UDP_GRO): its way through bridges and queues, most of the cost of a datagram, is
// gone once for all of them. On the wire they are what they were.
//
// Sending (multicast, unicast, flush) and naming peers is for one thread at a time. receive() may run in another
// thread meanwhile: it shares nothing with sending; wake() may be called from anywhere.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <utility>
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

// What the kernel says or is told beside a message: the length of the datagrams joined in it.
struct alignas(cmsghdr) UdpControl {
  std::byte bytes[CMSG_SPACE(sizeof(int))];
};

// Room for what one call takes. Of one receiving thread.
class UdpBatch {
 public:
  // Each of one datagram, or of many that came as one.
  static constexpr uint32_t kMessages = 32;

  explicit UdpBatch(uint32_t datagram_bytes_max);
  uint32_t count() const { return static_cast<uint32_t>(datagrams_.size()); }
  std::span<const std::byte> operator[](uint32_t i) const { return datagrams_[i]; }
  // Where it says that it is from.
  const sockaddr_in& sender(uint32_t i) const { return senders_[messages_[i]]; }

 private:
  friend class UdpNetwork;
  void take(int socket, uint32_t messages_max);
  void add(std::span<const std::byte> message, size_t datagram_bytes);

  const uint32_t datagram_bytes_max_;
  std::vector<std::span<const std::byte>> datagrams_;
  std::vector<std::byte> bytes_;
  uint32_t used_ = 0;               // messages
  std::vector<uint32_t> messages_;  // by datagram: what it came in
  std::array<sockaddr_in, kMessages> senders_{};
  std::array<UdpControl, kMessages> controls_{};
  std::array<iovec, kMessages> pieces_{};
  std::array<mmsghdr, kMessages> headers_{};
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
  uint32_t take_refused_bytes() override { return std::exchange(refused_bytes_, 0); }

  // What is there; if nothing is, waits for it until the timeout or wake(). Returns how many, 0 of
  // those that woke for another reason. Datagrams that are larger than ours can be are skipped.
  Result<uint32_t> receive(UdpBatch& batch, int64_t timeout_ns);
  // 0: of no other node.
  uint64_t node_at(const sockaddr_in& address) const;
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
  Result<void> prepare_socket(const arena::OsFile& socket);
  void prepare_queue();
  void note_refused(uint32_t bytes);
  void enqueue(const sockaddr_in& to, std::span<const std::byte> datagram);
  uint32_t make_message(uint32_t message, uint32_t first);
  void take_all(UdpBatch& batch) const;

  arena::OsFile unicast_, group_, waker_;
  bool has_group_ = false;
  sockaddr_in group_address_{};
  std::unordered_map<uint64_t, sockaddr_in> peers_;
  uint32_t datagram_bytes_ = 0;
  uint32_t receive_buffer_bytes_ = 0;

  bool joins_ = true;             // the kernel takes several as one
  std::vector<std::byte> bytes_;  // of what is queued
  std::array<sockaddr_in, kQueued> destinations_{};
  std::array<iovec, kQueued> pieces_{};
  uint32_t queued_ = 0;
  // What is handed to the kernel, each of one datagram or several.
  std::array<mmsghdr, kQueued> headers_{};
  std::array<UdpControl, kQueued> controls_{};
  uint64_t send_failures_ = 0;
  uint32_t refused_bytes_ = 0;
};

}  // namespace casbook::replicate
