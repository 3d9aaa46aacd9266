// Amounts as text. Integers only: no step passes through floating point, nothing is rounded.
#include <casbook/types.h>

#include <limits>
#include <optional>

#include "base/assert.h"
#include "base/limits.h"
#include "base/quote.h"

namespace casbook {
namespace {

constexpr Amount kAmountMax = std::numeric_limits<Amount>::max();

enum class Sign { refused, allowed };

// "-12.30" is {true, "12", "30"}.
struct Decimal {
  bool is_negative = false;
  std::string_view whole;
  std::string_view fraction;
};

// One digit at least, and nothing else.
bool is_digits(std::string_view text) {
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return !text.empty();
}

std::optional<Decimal> split(std::string_view text) {
  Decimal decimal;
  decimal.is_negative = text.starts_with('-');
  if (decimal.is_negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  decimal.whole = text.substr(0, point);
  if (!is_digits(decimal.whole)) return std::nullopt;
  if (point == std::string_view::npos) return decimal;
  decimal.fraction = text.substr(point + 1);
  if (!is_digits(decimal.fraction)) return std::nullopt;
  return decimal;
}

// The digits in a row, filled up with zeros to `scale` decimals. Nothing when above `limit`.
std::optional<uint64_t> minor_units(const Decimal& decimal, uint32_t scale, uint64_t limit) {
  const std::string_view whole = decimal.whole;
  const std::string_view fraction = decimal.fraction;
  uint64_t units = 0;
  for (size_t i = 0; i < whole.size() + scale; ++i) {
    uint64_t digit = 0;
    if (i < whole.size()) {
      digit = static_cast<uint64_t>(whole[i] - '0');
    } else if (i - whole.size() < fraction.size()) {
      digit = static_cast<uint64_t>(fraction[i - whole.size()] - '0');
    }
    if (units > (limit - digit) / 10) return std::nullopt;
    units = units * 10 + digit;
  }
  return units;
}

Error refusal(std::string_view text, const std::string& expected) {
  return {.code = Code::bad_argument,
          .detail = "amount " + base::quoted(text) + ": expected " + expected};
}

std::string shape(Sign sign) {
  return sign == Sign::allowed ? "digits, perhaps with decimals after a point and a minus before"
                               : "digits, perhaps with decimals after a point, and no sign";
}

std::string range(bool is_negative, uint32_t scale) {
  if (!is_negative) return "at most " + format_amount(kAmountMax, scale);
  return "at least " + format_amount(std::numeric_limits<Amount>::min(), scale);
}

Result<Amount> parse(std::string_view text, uint32_t scale, Sign sign) {
  if (scale > kScaleMax) {
    return Error{.code = Code::bad_argument,
                 .detail = "scale " + std::to_string(scale) + ": expected at most " +
                           std::to_string(kScaleMax)};
  }
  const std::optional<Decimal> decimal = split(text);
  if (!decimal) return refusal(text, shape(sign));
  const bool is_negative = decimal->is_negative;
  if (is_negative && sign == Sign::refused) return refusal(text, shape(sign));
  if (decimal->fraction.size() > scale) {
    return refusal(text, "at most " + std::to_string(scale) + " decimals");
  }
  // The negative range has one more: its magnitude is computed without a sign.
  const uint64_t limit = static_cast<uint64_t>(kAmountMax) + (is_negative ? 1 : 0);
  const std::optional<uint64_t> units = minor_units(*decimal, scale, limit);
  if (!units) return refusal(text, range(is_negative, scale));
  if (*units == 0 && sign == Sign::refused) return refusal(text, "more than zero");
  return static_cast<Amount>(is_negative ? 0 - *units : *units);
}

}  // namespace

Result<Amount> parse_amount(std::string_view text, uint32_t scale) {
  return parse(text, scale, Sign::refused);
}

Result<Amount> parse_signed_amount(std::string_view text, uint32_t scale) {
  return parse(text, scale, Sign::allowed);
}

std::string format_amount(Amount amount, uint32_t scale) {
  CASBOOK_ASSERT(scale <= kScaleMax);
  const bool is_negative = amount < 0;
  // Without a sign: -INT64_MIN is no int64_t.
  const auto bits = static_cast<uint64_t>(amount);
  std::string out = std::to_string(is_negative ? 0 - bits : bits);
  if (out.size() <= scale) out.insert(0, scale + 1 - out.size(), '0');
  if (scale > 0) out.insert(out.size() - scale, 1, '.');
  if (is_negative) out.insert(0, 1, '-');
  return out;
}

}  // namespace casbook
