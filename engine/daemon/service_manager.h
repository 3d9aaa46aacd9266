// What systemd is told of the daemon (Type=notify): one datagram to the socket that the environment
// variable NOTIFY_SOCKET names, as sd_notify(3) describes. Without that variable nothing happens.
//
// A service manager that does not answer is logged, and is no reason to stop: payments matter more.
// Thread-safe.
#pragma once

#include <string_view>

namespace casbook::daemon {

// The book is open and durable payments are answered.
void notify_ready();
// The book is being closed.
void notify_stopping();
// One line for `systemctl status`; what follows a line feed is cut off.
void notify_status(std::string_view text);

}  // namespace casbook::daemon
