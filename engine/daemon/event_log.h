// The daemon's log: one line per event on standard error, for people and for programs that read
// logfmt:
//
//   ts=2026-11-26T10:00:00.123Z level=info event=segment_opened segment=3 bytes=67108864
//
// README.md of this folder lists the events. Names of books, paths, counts and positions appear;
// ids of accounts and payments, amounts and what callers wrote never do.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include <casbook/result.h>

namespace casbook::daemon {

enum class Severity { debug, info, warn, error };

// One key of a line and its value. Refers to the text that it was made from: for the call only.
class Field {
 public:
  Field(std::string_view key, std::string_view text) : key_(key), text_(text) {}
  Field(std::string_view key, const char* text) : key_(key), text_(text) {}
  Field(std::string_view key, const std::string& text) : key_(key), text_(text) {}
  template <std::integral Number>
  requires(!std::same_as<Number, bool>) Field(std::string_view key, Number number)
      : key_(key), is_negative_(std::is_signed_v<Number> && number < 0), is_number_(true) {
    number_ = is_negative_ ? -static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  }

  // " key=value", the value in quotes where it is more than one plain word.
  void append_to(std::string& line) const;

 private:
  std::string_view key_, text_;
  uint64_t number_ = 0;
  bool is_negative_ = false, is_number_ = false;
};

// From here on events of `level` ("debug", "info", "warn", "error") and above are written. May be
// called again. bad_argument: another word.
Result<void> open_event_log(const std::string& level);

// Thread-safe; a line is written whole, at once. Does nothing before open_event_log(). May block
// on whoever reads standard error: not for the path that callers wait for.
void log_event(Severity severity, std::string_view event, std::initializer_list<Field> fields = {});

}  // namespace casbook::daemon
