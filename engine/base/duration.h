// Durations as text: a whole number and a unit, "24h", "90m", "30s", "500ms".
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace casbook::base {

// Units: ms, s, m, h, d. Nothing for any other text, and for more than 100 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// With the largest unit that shows it whole, hours at most: "24h", "90m", "1500ms". parse_duration
// reads it back; negative ones carry a minus and are for people only.
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace casbook::base
