// Figures as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace casbook::cli::demo {

std::string with_commas(uint64_t number);  // "1,234,567"
std::string ns_text(uint64_t ns);          // "840 ns", "1.3 us", "12 ms", "1.5 s"
std::string count_text(uint64_t count, const char* one, const char* many);  // "1 kill", "2 kills"

}  // namespace casbook::cli::demo
