#include "base/quote.h"

namespace casbook::base {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void append_escaped(std::string& out, unsigned char byte) {
  if (byte < 0x20 || byte > 0x7e) {
    out += "\\x";
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
    return;
  }
  if (byte == '"' || byte == '\\') out += '\\';
  out += static_cast<char>(byte);
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kQuoteBytesMax)) {
    append_escaped(out, static_cast<unsigned char>(c));
  }
  out += text.size() > kQuoteBytesMax ? "...\"" : "\"";
  return out;
}

}  // namespace casbook::base
