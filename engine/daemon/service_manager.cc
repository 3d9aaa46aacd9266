#include "daemon/service_manager.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

#include <sys/socket.h>
#include <sys/un.h>

#include "arena/os_file.h"
#include "daemon/event_log.h"

namespace casbook::daemon {

namespace {

// "/run/systemd/notify", or "@name": an abstract socket. 0: it is neither.
socklen_t address_of(const std::string& name, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  const bool is_abstract = name.starts_with('@');
  if (name.size() < 2 || name.size() >= sizeof address.sun_path) return 0;
  if (!is_abstract && !name.starts_with('/')) return 0;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (is_abstract) address.sun_path[0] = '\0';
  // The name of an abstract socket ends where the length says, a path with its zero.
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + !is_abstract);
}

// errno of what went wrong; 0: sent.
int send_to(const std::string& socket_name, const std::string& message) {
  sockaddr_un address;
  const socklen_t bytes = address_of(socket_name, address);
  if (bytes == 0) return EINVAL;
  const arena::OsFile file(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!file.is_open()) return errno;
  const ssize_t sent = sendto(file.fd(), message.data(), message.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), bytes);
  return sent < 0 ? errno : 0;
}

void notify(const std::string& message) {
  const char* const socket_name = std::getenv("NOTIFY_SOCKET");
  if (!socket_name || *socket_name == '\0') return;
  if (const int error_number = send_to(socket_name, message); error_number != 0)
    log_event(Severity::warn, "service_manager_unreachable",
              {{"socket", socket_name}, {"error", std::generic_category().message(error_number)}});
}

}  // namespace

void notify_ready() { notify("READY=1"); }

void notify_stopping() { notify("STOPPING=1"); }

void notify_status(std::string_view text) {
  notify("STATUS=" + std::string(text.substr(0, text.find('\n'))));
}

}  // namespace casbook::daemon
