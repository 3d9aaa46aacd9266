// Amounts as text against a model: regular expressions for the form, 128-bit integers for the
// value.
#include <optional>
#include <regex>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <casbook/types.h>

namespace casbook {
namespace {

__extension__ using Wide = __int128;

rc::Gen<uint32_t> any_scale() { return rc::gen::inRange<uint32_t>(0, 19); }

rc::Gen<Amount> any_amount() {
  return rc::gen::weightedOneOf<Amount>(
      {{4, rc::gen::resize(100, rc::gen::arbitrary<Amount>())},
       {1, rc::gen::element<Amount>(0, 1, -1, INT64_MIN, INT64_MIN + 1, INT64_MAX)}});
}

// At most 20 characters: with 18 decimals more the model's value has 38 digits and fits.
rc::Gen<std::string> nearly_an_amount() {
  const auto length = rc::gen::inRange<size_t>(0, 21);
  return rc::gen::mapcat(length, [](size_t size) {
    return rc::gen::container<std::string>(size, rc::gen::weightedElement<char>({{9, '0'},
                                                                                 {9, '1'},
                                                                                 {9, '7'},
                                                                                 {9, '9'},
                                                                                 {3, '.'},
                                                                                 {1, '-'},
                                                                                 {1, '+'},
                                                                                 {1, 'e'},
                                                                                 {1, ','},
                                                                                 {1, ' '}}));
  });
}

// Mostly well-formed: optional minus, digits, optional decimals.
rc::Gen<std::string> decimal_text() {
  return rc::gen::exec([] {
    const auto digits = [](size_t min, size_t max) {
      return *rc::gen::container<std::string>(*rc::gen::inRange(min, max + 1),
                                              rc::gen::inRange<char>('0', '9' + 1));
    };
    std::string text = *rc::gen::element("", "", "-") + digits(1, 12);
    if (*rc::gen::arbitrary<bool>()) text += "." + digits(1, 6);
    return text;
  });
}

std::optional<Amount> model(const std::string& text, uint32_t scale) {
  static const std::regex form("(-?)([0-9]+)(?:\\.([0-9]+))?");
  std::smatch match;
  if (!std::regex_match(text, match, form)) return std::nullopt;
  std::string fraction = match[3];
  if (fraction.size() > scale) return std::nullopt;
  fraction.resize(scale, '0');
  Wide value = 0;
  for (const char c : match[2].str() + fraction) value = value * 10 + (c - '0');
  if (match[1].length() > 0) value = -value;
  if (value > INT64_MAX || value < INT64_MIN) return std::nullopt;
  return static_cast<Amount>(value);
}

RC_GTEST_PROP(AmountProperty, ParsingFollowsTheModel, ()) {
  const std::string text = *rc::gen::oneOf(nearly_an_amount(), decimal_text());
  const uint32_t scale = *any_scale();
  const std::optional<Amount> expected = model(text, scale);
  const Result<Amount> with_sign = parse_signed_amount(text, scale);
  RC_ASSERT(static_cast<bool>(with_sign) == expected.has_value());
  if (expected) RC_ASSERT(*with_sign == *expected);

  const bool is_positive = expected && *expected > 0;
  const Result<Amount> without_sign = parse_amount(text, scale);
  RC_ASSERT(static_cast<bool>(without_sign) == is_positive);
  if (is_positive) RC_ASSERT(*without_sign == *expected);
  RC_CLASSIFY(expected.has_value(), "accepted");
}

RC_GTEST_PROP(AmountProperty, ParsingOfTheFormattedGivesTheAmount, ()) {
  const Amount amount = *any_amount();
  const uint32_t scale = *any_scale();
  const std::string text = format_amount(amount, scale);
  RC_ASSERT(*parse_signed_amount(text, scale) == amount);
  RC_ASSERT(static_cast<bool>(parse_amount(text, scale)) == (amount > 0));
}

RC_GTEST_PROP(AmountProperty, FormattedHasExactlyTheDecimalsOfTheScale, ()) {
  const uint32_t scale = *any_scale();
  const std::string text = format_amount(*any_amount(), scale);
  const std::regex form("-?(0|[1-9][0-9]*)" +
                        (scale > 0 ? "\\.[0-9]{" + std::to_string(scale) + "}" : std::string()));
  RC_ASSERT(std::regex_match(text, form));
}

RC_GTEST_PROP(AmountProperty, LeadingZerosAndTrailingDecimalsChangeNothing, ()) {
  const Amount amount = *any_amount();
  const auto scale = *rc::gen::inRange<uint32_t>(1, 19);
  std::string text = format_amount(amount, scale);
  text.insert(amount < 0 ? 1 : 0, *rc::gen::inRange<size_t>(0, 30), '0');
  while (text.back() == '0' && text[text.size() - 2] != '.') text.pop_back();
  RC_ASSERT(*parse_signed_amount(text, scale) == amount);
}

}  // namespace
}  // namespace casbook
