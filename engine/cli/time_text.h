// Points in time as text: milliseconds since 1970, shown and read as ISO 8601 in UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace casbook::cli {

// "2026-03-01T12:30:00.250Z".
std::string format_time(int64_t time_ms);

// "2026-03-01", "2026-03-01T12:30", "2026-03-01 12:30:00", "2026-03-01T12:30:00.250Z", or with an
// offset, "...+02:00"; without one: UTC. Nothing for any other text, days that are in no calendar,
// and years outside 1970 to 9999.
std::optional<int64_t> parse_time(std::string_view text);

}  // namespace casbook::cli
