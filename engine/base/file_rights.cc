#include "base/file_rights.h"

#include <charconv>

#include <grp.h>
#include <pwd.h>

namespace casbook::base {

namespace {

std::optional<uint32_t> parse_number(std::string_view text, int radix) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number, radix);
  if (text.empty() || failure != std::errc() || rest != end) return std::nullopt;
  return number;
}

}  // namespace

std::optional<uid_t> parse_user(const std::string& text) {
  if (const auto number = parse_number(text, 10)) return number;
  const passwd* const user = getpwnam(text.c_str());
  return user ? std::optional<uid_t>(user->pw_uid) : std::nullopt;
}

std::optional<gid_t> parse_group(const std::string& text) {
  if (const auto number = parse_number(text, 10)) return number;
  const group* const found = getgrnam(text.c_str());
  return found ? std::optional<gid_t>(found->gr_gid) : std::nullopt;
}

std::optional<mode_t> parse_mode(std::string_view text) {
  const auto number = parse_number(text, 8);
  return number && *number <= 0777 ? std::optional<mode_t>(*number) : std::nullopt;
}

}  // namespace casbook::base
