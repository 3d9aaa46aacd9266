// Who owns a file and who may open it, as text: users, groups, octal modes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace casbook::base {

// By number, or by name: the system's user database is asked, which may block. Nothing: no such.
std::optional<uid_t> parse_user(const std::string& text);
std::optional<gid_t> parse_group(const std::string& text);
// Octal up to 0777, "0660".
std::optional<mode_t> parse_mode(std::string_view text);

}  // namespace casbook::base
