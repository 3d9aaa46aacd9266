// Amounts as text: what is accepted, what is refused and how it says so.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <casbook/types.h>

namespace casbook {
namespace {

struct Accepted {
  const char* text;
  uint32_t scale;
  Amount amount;
};

std::string detail_of(const Result<Amount>& result) {
  if (result) return "accepted as " + std::to_string(*result);
  EXPECT_EQ(result.error().code, Code::bad_argument);
  return result.error().detail;
}

const std::vector<Accepted> kPositive = {
    {"12", 2, 1200},
    {"12.3", 2, 1230},
    {"12.30", 2, 1230},
    {"0.01", 2, 1},
    {"12", 0, 12},
    {"12.3", 3, 12300},
    {"007.50", 2, 750},
    {"00000000000000000000000000000000001", 0, 1},
    {"0.000000000000000001", 18, 1},
    {"1", 18, 1'000'000'000'000'000'000},
    {"9.223372036854775807", 18, INT64_MAX},
    {"92233720368547758.07", 2, INT64_MAX},
    {"9223372036854775807", 0, INT64_MAX},
};

TEST(ParseAmount, TakesDigitsAndDecimalsExactly) {
  for (const Accepted& row : kPositive) {
    const Result<Amount> amount = parse_amount(row.text, row.scale);
    ASSERT_TRUE(amount) << row.text << ": " << amount.error().message();
    EXPECT_EQ(*amount, row.amount) << row.text;
  }
}

// 0.1, 0.29 and 4.35 are the classics that a double gets wrong after multiplication.
TEST(ParseAmount, TakesWhatADoubleCannotHold) {
  EXPECT_EQ(*parse_amount("0.29", 2), 29);
  EXPECT_EQ(*parse_amount("4.35", 2), 435);
  EXPECT_EQ(*parse_amount("90071992547409.93", 2), 9'007'199'254'740'993);  // 2^53 + 1
}

TEST(ParseAmount, RefusesWhatIsNoPlainDecimal) {
  const std::vector<std::string> refused = {"",
                                            ".",
                                            "1.",
                                            ".5",
                                            "1e3",
                                            "1E3",
                                            "1,000",
                                            "1,5",
                                            "1'000",
                                            "1_000",
                                            "+1",
                                            "-1",
                                            " 1",
                                            "1 ",
                                            "1. 5",
                                            "1..5",
                                            "1.2.3",
                                            "0x10",
                                            "--1",
                                            "-",
                                            "$1",
                                            "1-",
                                            "1.-5",
                                            "1.+5",
                                            "inf",
                                            "nan",
                                            "\u0661",
                                            "1\n",
                                            "-0",
                                            "1/2",
                                            "1:00",
                                            std::string("1\0", 2),
                                            std::string("\0", 1)};
  for (const std::string& text : refused) {
    const Result<Amount> amount = parse_amount(text, 2);
    EXPECT_FALSE(amount) << text;
    EXPECT_NE(detail_of(amount).find("perhaps with decimals after a point, and no sign"),
              std::string::npos)
        << detail_of(amount);
  }
}

TEST(ParseAmount, NamesTheTextAndWhatWasExpected) {
  EXPECT_EQ(detail_of(parse_amount("1,000", 2)),
            "amount \"1,000\": expected digits, perhaps with decimals after a point, and no sign");
  EXPECT_EQ(detail_of(parse_amount("12.345", 2)), "amount \"12.345\": expected at most 2 decimals");
  EXPECT_EQ(detail_of(parse_amount("0.00", 2)), "amount \"0.00\": expected more than zero");
  EXPECT_EQ(detail_of(parse_amount("92233720368547758.08", 2)),
            "amount \"92233720368547758.08\": expected at most 92233720368547758.07");
  EXPECT_EQ(detail_of(parse_amount("1", 19)), "scale 19: expected at most 18");
  EXPECT_EQ(detail_of(parse_signed_amount("+1", 2)),
            "amount \"+1\": expected digits, perhaps with decimals after a point and a minus "
            "before");
  EXPECT_EQ(detail_of(parse_signed_amount("-92233720368547758.09", 2)),
            "amount \"-92233720368547758.09\": expected at least -92233720368547758.08");
}

TEST(ParseAmount, RefusesMoreDecimalsThanTheScaleEvenZeros) {
  EXPECT_FALSE(parse_amount("12.345", 2));
  EXPECT_FALSE(parse_amount("12.300", 2));
  EXPECT_FALSE(parse_amount("12.0", 0));
  EXPECT_FALSE(parse_amount("0.0000000000000000001", 18));
}

TEST(ParseAmount, RefusesZero) {
  for (const char* text : {"0", "0.0", "0.00", "000"}) EXPECT_FALSE(parse_amount(text, 2)) << text;
}

TEST(ParseAmount, RefusesMoreThan63Bits) {
  EXPECT_FALSE(parse_amount("9223372036854775808", 0));
  EXPECT_FALSE(parse_amount("9223372036854775810", 0));
  EXPECT_FALSE(parse_amount("92233720368547758.08", 2));
  EXPECT_FALSE(parse_amount("9.223372036854775808", 18));
  EXPECT_FALSE(parse_amount("10", 18));
  EXPECT_FALSE(parse_amount("18446744073709551617", 0));  // 1 modulo 2^64
  EXPECT_FALSE(parse_amount("340282366920938463463374607431768211457", 0));
  EXPECT_FALSE(parse_amount(std::string(10'000, '9'), 2));
}

TEST(ParseAmount, RefusesAScaleAbove18) {
  EXPECT_FALSE(parse_amount("1", 19));
  EXPECT_FALSE(parse_amount("1", UINT32_MAX));
  EXPECT_FALSE(parse_signed_amount("0", 19));
}

TEST(ParseSignedAmount, TakesWhatParseAmountTakesAndItsNegative) {
  for (const Accepted& row : kPositive) {
    EXPECT_EQ(*parse_signed_amount(row.text, row.scale), row.amount) << row.text;
    const std::string negative = std::string("-") + row.text;
    EXPECT_EQ(*parse_signed_amount(negative, row.scale), -row.amount) << negative;
  }
}

TEST(ParseSignedAmount, TakesZeroAndTheLeastNumber) {
  EXPECT_EQ(*parse_signed_amount("0", 2), 0);
  EXPECT_EQ(*parse_signed_amount("0.00", 2), 0);
  EXPECT_EQ(*parse_signed_amount("-0", 2), 0);
  EXPECT_EQ(*parse_signed_amount("-9223372036854775808", 0), INT64_MIN);
  EXPECT_EQ(*parse_signed_amount("-9.223372036854775808", 18), INT64_MIN);
}

TEST(ParseSignedAmount, RefusesTheRest) {
  for (const char* text : {"", "-", "--1", "+1", "- 1", " -1", "-.5", "-1.", "-1e3", "1-", "-1,000",
                           "-1.234", "9223372036854775808", "-9223372036854775809",
                           "92233720368547758.08", "-92233720368547758.09"}) {
    EXPECT_FALSE(parse_signed_amount(text, 2)) << text;
  }
}

TEST(FormatAmount, ShowsExactlyTheDecimalsOfTheScale) {
  EXPECT_EQ(format_amount(1230, 2), "12.30");
  EXPECT_EQ(format_amount(1200, 2), "12.00");
  EXPECT_EQ(format_amount(12, 0), "12");
  EXPECT_EQ(format_amount(5, 2), "0.05");
  EXPECT_EQ(format_amount(99, 2), "0.99");
  EXPECT_EQ(format_amount(100, 2), "1.00");
  EXPECT_EQ(format_amount(-5, 2), "-0.05");
  EXPECT_EQ(format_amount(-1230, 3), "-1.230");
  EXPECT_EQ(format_amount(0, 0), "0");
  EXPECT_EQ(format_amount(0, 2), "0.00");
  EXPECT_EQ(format_amount(1, 18), "0.000000000000000001");
}

TEST(FormatAmount, ShowsBothEndsOfTheRange) {
  EXPECT_EQ(format_amount(INT64_MAX, 2), "92233720368547758.07");
  EXPECT_EQ(format_amount(INT64_MIN, 0), "-9223372036854775808");
  EXPECT_EQ(format_amount(INT64_MIN, 2), "-92233720368547758.08");
  EXPECT_EQ(format_amount(INT64_MIN, 18), "-9.223372036854775808");
}

TEST(FormatAmountDeathTest, ScaleAbove18IsADefect) {
  EXPECT_DEATH(static_cast<void>(format_amount(1, 19)), "defect");
}

}  // namespace
}  // namespace casbook
