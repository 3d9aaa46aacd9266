// Where the servers are that scripts/peers has started.
#pragma once

#include <cstdlib>
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

}  // namespace casbook::peers
