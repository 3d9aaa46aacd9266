// Sizes as text: a whole number and a unit, "64MiB", "1GiB", "4096".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace casbook::base {

// Units: B or none, KiB, MiB, GiB, TiB. Nothing for any other text, and for 2^64 and more.
std::optional<uint64_t> parse_bytes(std::string_view text);
// With the largest unit that shows it whole: "64MiB", "1GiB", "1500B". parse_bytes reads it back.
std::string format_bytes(uint64_t bytes);

}  // namespace casbook::base
