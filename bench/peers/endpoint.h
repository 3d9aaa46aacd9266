// Where the servers are that scripts/peers has started.
#pragma once

#include <cstdlib>
#include <cstring>
#include <string>

namespace casbook::peers {

struct Endpoint {
  std::string host;
  int port = 0;
  std::string why{};  // what is in the way; empty: nothing
};

// A variable that scripts/peers prints; empty: it is not set.
inline std::string endpoint_text(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? text : "";
}
inline std::string not_set(const char* variable) {
  return std::string(variable) + " is not set (scripts/peers start)";
}

// HOST:PORT
inline Endpoint endpoint(const char* variable) {
  const std::string text = endpoint_text(variable);
  if (text.empty()) return {.why = not_set(variable)};
  const size_t colon = text.rfind(':');
  const int port = colon == std::string::npos ? 0 : std::atoi(text.c_str() + colon + 1);
  if (port <= 0) return {.why = std::string(variable) + " is \"" + text + "\", not HOST:PORT"};
  return {.host = text.substr(0, colon), .port = port};
}

// A test run needs no servers that are there by chance, unless CASBOOK_BENCH_PEERS=1.
inline void leave_servers_out() {
  const char* wanted = std::getenv("CASBOOK_BENCH_PEERS");
  if (wanted && std::strcmp(wanted, "0") != 0) return;
  for (const char* server : {"REDIS", "REDIS_DURABLE", "POSTGRES", "ETCD", "ZOOKEEPER", "RABBITMQ"})
    unsetenv((std::string("CASBOOK_PEER_") + server).c_str());
}

}  // namespace casbook::peers
