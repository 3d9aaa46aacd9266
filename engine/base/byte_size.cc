#include "base/byte_size.h"

#include <charconv>

namespace casbook::base {

namespace {

struct Unit {
  std::string_view name;
  uint64_t bytes;
};

constexpr Unit kUnits[] = {
    {"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}};

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, count);
  if (failure != std::errc()) return std::nullopt;
  const std::string_view name(rest, static_cast<size_t>(end - rest));
  if (name.empty()) return count;
  for (const Unit& unit : kUnits) {
    if (unit.name != name) continue;
    if (count > UINT64_MAX / unit.bytes) return std::nullopt;
    return count * unit.bytes;
  }
  return std::nullopt;
}

std::string format_bytes(uint64_t bytes) {
  for (const Unit& unit : kUnits)
    if (bytes >= unit.bytes && bytes % unit.bytes == 0)
      return std::to_string(bytes / unit.bytes) + std::string(unit.name);
  return "0B";
}

}  // namespace casbook::base
