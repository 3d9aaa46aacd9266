#include "support/hosts/interfaces.h"

#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace casbook::test_support {
namespace {

constexpr int kQueueFrames = 10'000;  // what a host may be ahead of the switch

void copy_name(char (&to)[IFNAMSIZ], const char* name) {
  std::strncpy(to, name, IFNAMSIZ - 1);
  to[IFNAMSIZ - 1] = '\0';
}

sockaddr internet(const std::string& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  inet_pton(AF_INET, address.c_str(), &in.sin_addr);
  sockaddr any{};
  std::memcpy(&any, &in, sizeof(any));
  return any;
}

// Requests about one interface.
class Device {
 public:
  explicit Device(const char* name) : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    copy_name(request_.ifr_name, name);
  }
  ~Device() { close(fd_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  ifreq& request() { return request_; }
  bool ask(unsigned long what) { return ioctl(fd_, what, &request_) == 0; }
  int fd() const { return fd_; }

 private:
  int fd_;
  ifreq request_{};
};

// One rtnetlink request that makes a link, and the kernel's answer to it.
class LinkRequest {
 public:
  LinkRequest() {
    header().nlmsg_type = RTM_NEWLINK;
    header().nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
    header().nlmsg_len = NLMSG_LENGTH(0);
    add_message();
  }
  // The description of an interface that each link and each peer begins with.
  void add_message() { header().nlmsg_len += NLMSG_ALIGN(sizeof(ifinfomsg)); }
  void add(uint16_t type, const void* data, size_t bytes) {
    rtattr* attribute = open(type);
    std::memcpy(RTA_DATA(attribute), data, bytes);
    header().nlmsg_len += static_cast<uint32_t>(RTA_ALIGN(bytes));
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(bytes));
  }
  void add(uint16_t type, const char* text) { add(type, text, std::strlen(text) + 1); }
  void add(uint16_t type, uint32_t value) { add(type, &value, sizeof(value)); }
  rtattr* open(uint16_t type) {
    auto* attribute = reinterpret_cast<rtattr*>(buffer_ + header().nlmsg_len);
    attribute->rta_type = type;
    header().nlmsg_len += RTA_LENGTH(0);
    return attribute;
  }
  void end(rtattr* attribute) {
    const auto from = reinterpret_cast<const char*>(attribute);
    attribute->rta_len = static_cast<uint16_t>(buffer_ + header().nlmsg_len - from);
  }
  std::string run(const char* what) {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
      nlmsghdr header;
      nlmsgerr error;
      char more[1024];
    } answer{};
    const bool ok = fd >= 0 && send(fd, buffer_, header().nlmsg_len, 0) >= 0 &&
                    recv(fd, &answer, sizeof(answer), 0) > 0;
    if (fd >= 0) close(fd);
    if (!ok) return failed(what);
    errno = -answer.error.error;
    return errno == 0 ? "" : failed(what);
  }

 private:
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(buffer_); }

  alignas(nlmsghdr) char buffer_[1024]{};
};

}  // namespace

std::string open_tap(const char* name, int& fd) {
  fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return failed("/dev/net/tun");
  ifreq request{};
  copy_name(request.ifr_name, name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  return ioctl(fd, TUNSETIFF, &request) == 0 ? "" : failed("a TAP device");
}

std::string add_bridge(const char* name) {
  LinkRequest request;
  request.add(IFLA_IFNAME, name);
  rtattr* info = request.open(IFLA_LINKINFO);
  request.add(IFLA_INFO_KIND, "bridge");
  rtattr* data = request.open(IFLA_INFO_DATA);
  const uint8_t no = 0;
  request.add(IFLA_BR_MCAST_SNOOPING, &no, sizeof(no));  // multicast is flooded
  request.end(data);
  request.end(info);
  return request.run("a bridge");
}

std::string add_veth(const char* name, const char* bridge, const char* far_name, int far_fd) {
  LinkRequest request;
  request.add(IFLA_IFNAME, name);
  request.add(IFLA_MASTER, if_nametoindex(bridge));
  rtattr* info = request.open(IFLA_LINKINFO);
  request.add(IFLA_INFO_KIND, "veth");
  rtattr* data = request.open(IFLA_INFO_DATA);
  rtattr* peer = request.open(VETH_INFO_PEER);
  request.add_message();
  request.add(IFLA_IFNAME, far_name);
  request.add(IFLA_NET_NS_FD, static_cast<uint32_t>(far_fd));
  request.end(peer);
  request.end(data);
  request.end(info);
  return request.run("a veth pair");
}

std::string set_up(const Interface& interface) {
  Device device(interface.name);
  const std::string what = interface.name;
  device.request().ifr_qlen = kQueueFrames;
  if (!device.ask(SIOCSIFTXQLEN)) return failed(what + ", queue");
  if (interface.mac != Mac{}) {
    device.request().ifr_hwaddr = {.sa_family = ARPHRD_ETHER, .sa_data = {}};
    std::memcpy(device.request().ifr_hwaddr.sa_data, interface.mac.data(), interface.mac.size());
    if (!device.ask(SIOCSIFHWADDR)) return failed(what + ", hardware address");
  }
  device.request().ifr_mtu = static_cast<int>(interface.mtu);
  if (interface.mtu != 0 && !device.ask(SIOCSIFMTU)) return failed(what + ", MTU");
  if (!interface.address.empty()) {
    device.request().ifr_addr = internet(interface.address);
    if (!device.ask(SIOCSIFADDR)) return failed(what + ", address");
    device.request().ifr_netmask = internet("255.255.255.0");
    if (!device.ask(SIOCSIFNETMASK)) return failed(what + ", network");
  }
  if (!device.ask(SIOCGIFFLAGS)) return failed(what + ", flags");
  device.request().ifr_flags |= IFF_UP | IFF_MULTICAST;
  return device.ask(SIOCSIFFLAGS) ? "" : failed(what + ", up");
}

std::string add_neighbour(const char* name, const std::string& address, const Mac& mac) {
  const Device device(name);
  arpreq request{};
  request.arp_pa = internet(address);
  request.arp_ha.sa_family = ARPHRD_ETHER;
  std::memcpy(request.arp_ha.sa_data, mac.data(), mac.size());
  request.arp_flags = ATF_PERM | ATF_COM;
  copy_name(request.arp_dev, name);
  return ioctl(device.fd(), SIOCSARP, &request) == 0 ? "" : failed("a neighbour of " + address);
}

}  // namespace casbook::test_support
