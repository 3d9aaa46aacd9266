#include "cli/time_text.h"

#include <chrono>
#include <cstdio>

namespace casbook::cli {

namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t kDayMs = 24 * 3'600'000;

// Takes text off the front, piece by piece; the first piece that does not fit spoils the rest.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // A number of exactly `digits` digits.
  int number(size_t digits, int max) {
    int value = 0;
    if (rest_.size() < digits) good_ = false;
    for (size_t i = 0; good_ && i < digits; ++i) {
      good_ = rest_[i] >= '0' && rest_[i] <= '9';
      value = value * 10 + (rest_[i] - '0');
    }
    if (good_) rest_.remove_prefix(digits);
    good_ = good_ && value <= max;
    return value;
  }
  bool try_take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_[0]) == std::string_view::npos) return false;
    taken_ = rest_[0];
    rest_.remove_prefix(1);
    return true;
  }
  void take(std::string_view any_of) { good_ = try_take(any_of) && good_; }
  char taken() const { return taken_; }
  bool is_whole() const { return good_ && rest_.empty(); }
  bool is_digit_next() const { return !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; }

 private:
  std::string_view rest_;
  char taken_ = 0;
  bool good_ = true;
};

int64_t scan_date_ms(Scanner& scanner, bool& is_in_calendar) {
  const int year = scanner.number(4, 9999);
  scanner.take("-");
  const int month = scanner.number(2, 12);
  scanner.take("-");
  const int day = scanner.number(2, 31);
  const year_month_day date{std::chrono::year(year),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  is_in_calendar = date.ok() && year >= 1970;
  return is_in_calendar ? sys_days(date).time_since_epoch().count() * kDayMs : 0;
}

int64_t scan_minutes_ms(Scanner& scanner) {
  const int hours = scanner.number(2, 23);
  scanner.take(":");
  const int minutes = scanner.number(2, 59);
  return (hours * 60 + minutes) * int64_t{60'000};
}

// Decimals of a second, as many as there are; those after the third change nothing.
int64_t scan_fraction_ms(Scanner& scanner) {
  int64_t ms = scanner.number(1, 9) * 100;
  for (int64_t weight = 10; scanner.is_digit_next(); weight /= 10)
    ms += scanner.number(1, 9) * weight;
  return ms;
}

}  // namespace

std::string format_time(int64_t time_ms) {
  const auto whole_days = std::chrono::floor<days>(std::chrono::milliseconds(time_ms));
  const year_month_day date{sys_days(whole_days)};
  const int64_t ms = time_ms - whole_days.count() * kDayMs;
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(ms / 3'600'000),
                static_cast<int>(ms / 60'000 % 60), static_cast<int>(ms / 1000 % 60),
                static_cast<int>(ms % 1000));
  return text;
}

std::optional<int64_t> parse_time(std::string_view text) {
  Scanner scanner(text);
  bool is_in_calendar = false;
  int64_t ms = scan_date_ms(scanner, is_in_calendar);
  if (scanner.try_take("T ")) {
    ms += scan_minutes_ms(scanner);
    if (scanner.try_take(":")) ms += scanner.number(2, 59) * int64_t{1000};
    if (scanner.try_take(".")) ms += scan_fraction_ms(scanner);
    if (!scanner.try_take("Z") && scanner.try_take("+-")) {
      const bool is_east = scanner.taken() == '+';
      const int64_t offset_ms = scan_minutes_ms(scanner);
      ms += is_east ? -offset_ms : offset_ms;
    }
  }
  if (!scanner.is_whole() || !is_in_calendar || ms < 0) return std::nullopt;
  return ms;
}

}  // namespace casbook::cli
