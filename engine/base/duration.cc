#include "base/duration.h"

#include <charconv>

namespace casbook::base {

namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
  bool is_shown;
};

constexpr int64_t kDayMs = 24 * 3'600'000;
constexpr int64_t kDurationMsMax = 100 * 366 * kDayMs;

// Largest first, for format_duration. A day is read but not shown: "24h" stays "24h".
constexpr Unit kUnits[] = {{"d", kDayMs, false},
                           {"h", 3'600'000, true},
                           {"m", 60'000, true},
                           {"s", 1000, true},
                           {"ms", 1, true}};

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, count);
  if (failure != std::errc() || count < 0) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (unit.name != std::string_view(rest, static_cast<size_t>(end - rest))) continue;
    if (count > kDurationMsMax / unit.ms) return std::nullopt;
    return std::chrono::milliseconds(count * unit.ms);
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds duration) {
  const int64_t ms = duration.count();
  if (ms == 0) return "0s";
  for (const Unit& unit : kUnits)
    if (unit.is_shown && ms % unit.ms == 0)
      return std::to_string(ms / unit.ms) + std::string(unit.name);
  return std::to_string(ms) + "ms";
}

}  // namespace casbook::base
