// Where the metrics are served: the loopback interface only, for they are neither encrypted nor
// asked for by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <casbook/result.h>

namespace casbook::daemon {

struct LoopbackAddress {
  std::string host;  // "127.0.0.1", "[::1]"
  uint16_t port = 0;
};

// "127.0.0.1:9464", any other of 127/8, "[::1]:9464", "localhost:9464", which is 127.0.0.1. Nothing
// for any other text.
std::optional<LoopbackAddress> parse_loopback_address(std::string_view text);
// Whether one could listen there right now; io_error: with address and why not.
Result<void> try_to_listen(const LoopbackAddress& address);
// Connects and goes away, so that whoever listens there wakes up. Does not wait.
void knock(const LoopbackAddress& address);

}  // namespace casbook::daemon
