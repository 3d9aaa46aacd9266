// Network interfaces of the namespace that the calling process is in, by ioctl and rtnetlink: no
// program is needed for it. Each says what is in the way; empty: nothing.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "support/hosts/ether_switch.h"

namespace casbook::test_support {

// What is in the way, by errno.
inline std::string failed(const std::string& what) { return what + ": " + std::strerror(errno); }

// A TAP device without a header before its frames. It goes when the last copy of `fd` is closed.
std::string open_tap(const char* name, int& fd);

std::string add_bridge(const char* name);
// A pair: `name` here, a port of `bridge`; the other end is `far_name` in the namespace `far_fd`.
std::string add_veth(const char* name, const char* bridge, const char* far_name, int far_fd);

struct Interface {
  const char* name;
  std::string address{};  // IPv4, of a network of 24 bits; empty: none
  Mac mac{};              // zero: as it is
  uint32_t mtu = 0;       // 0: as it is
};
// Sets what is given, and takes it up.
std::string set_up(const Interface& interface);
// For good, so that nobody has to ask for it.
std::string add_neighbour(const char* name, const std::string& address, const Mac& mac);

}  // namespace casbook::test_support
