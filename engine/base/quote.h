// How foreign bytes are shown in a message: whole enough to recognise, safe in a log, a terminal
// and a JSON string, whatever they are.
#pragma once

#include <string>
#include <string_view>

namespace casbook::base {

// Bytes of the input that are shown; longer input ends with "...".
constexpr size_t kQuoteBytesMax = 64;

// `12"` becomes "12\"" with its quotes; bytes outside printable ASCII become \xNN. Allocates: for
// errors only.
std::string quoted(std::string_view text);

}  // namespace casbook::base
