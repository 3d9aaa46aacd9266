#include "daemon/loopback_address.h"

#include <cerrno>
#include <charconv>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "arena/os_file.h"

namespace casbook::daemon {

namespace {

bool is_of_127(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

// The address as the kernel wants it.
class SocketName {
 public:
  explicit SocketName(const LoopbackAddress& address) : is_v6_(address.host == "[::1]") {
    v6_.sin6_family = AF_INET6, v4_.sin_family = AF_INET;
    v6_.sin6_port = v4_.sin_port = htons(address.port);
    v6_.sin6_addr = in6addr_loopback;
    if (!is_v6_) inet_pton(AF_INET, address.host.c_str(), &v4_.sin_addr);
  }
  int family() const { return is_v6_ ? AF_INET6 : AF_INET; }
  const sockaddr* get() const {
    return is_v6_ ? reinterpret_cast<const sockaddr*>(&v6_)
                  : reinterpret_cast<const sockaddr*>(&v4_);
  }
  socklen_t bytes() const { return is_v6_ ? sizeof v6_ : sizeof v4_; }

 private:
  bool is_v6_;
  sockaddr_in v4_{};
  sockaddr_in6 v6_{};
};

}  // namespace

std::optional<LoopbackAddress> parse_loopback_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  LoopbackAddress address{.host = std::string(text.substr(0, colon))};
  const std::string_view port = text.substr(colon + 1);
  const char* const end = port.data() + port.size();
  const auto [rest, failure] = std::from_chars(port.data(), end, address.port);
  if (port.empty() || failure != std::errc() || rest != end) return std::nullopt;
  if (address.host == "localhost") address.host = "127.0.0.1";
  if (address.host != "[::1]" && !is_of_127(address.host)) return std::nullopt;
  return address;
}

Result<void> try_to_listen(const LoopbackAddress& address) {
  const SocketName name(address);
  const arena::OsFile file(socket(name.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  // As the server will do it: else a connection that was closed a moment ago counts as in use.
  if (file.is_open() && setsockopt(file.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(file.fd(), name.get(), name.bytes()) == 0 && listen(file.fd(), 1) == 0)
    return {};
  return Error{.code = Code::io_error,
               .detail = "cannot listen at " + address.host + ":" + std::to_string(address.port) +
                         ": " + std::generic_category().message(errno)};
}

void knock(const LoopbackAddress& address) {
  const SocketName name(address);
  const arena::OsFile file(socket(name.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Whether it succeeds does not matter: who does not listen any more need not be woken.
  if (file.is_open()) (void)!connect(file.fd(), name.get(), name.bytes());
}

}  // namespace casbook::daemon
