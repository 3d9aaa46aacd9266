// Ids of callers: the three kinds, their borders, and the times that some carry.
#include <array>
#include <cctype>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <casbook/types.h>

namespace casbook {
namespace {

using Kind = ExternalId::Kind;
using Words = std::array<uint64_t, 5>;

const std::string k38Nines(38, '9');

// The empty id when it is refused.
ExternalId parsed(std::string_view text) {
  const Result<ExternalId> id = ExternalId::parse(text);
  return id ? *id : ExternalId{};
}

std::string detail_of(std::string_view text) {
  const Result<ExternalId> id = ExternalId::parse(text);
  EXPECT_FALSE(id) << text;
  if (id) return {};
  EXPECT_EQ(id.error().code, Code::bad_argument);
  return id.error().detail;
}

TEST(ExternalIdParse, TakesDigitsWithoutLeadingZeroAsNumber) {
  for (const std::string& text : {std::string("0"), std::string("1"), std::string("17"),
                                  std::string("18446744073709551616"), k38Nines}) {
    EXPECT_EQ(parsed(text).kind(), Kind::number) << text;
    EXPECT_EQ(parsed(text).size(), 16) << text;
    EXPECT_EQ(parsed(text).text(), text);
  }
}

TEST(ExternalIdParse, PutsANumberIntoLowAndHighWord) {
  EXPECT_EQ(parsed("18446744073709551617").words(), (Words{1, 1, 0, 0, 0}));
  EXPECT_EQ(parsed("18446744073709551615").words(), (Words{UINT64_MAX, 0, 0, 0, 0}));
  // 10^38 - 1.
  EXPECT_EQ(parsed(k38Nines).words(), (Words{0x098a223fffffffff, 0x4b3b4ca85a86c47a, 0, 0, 0}));
}

TEST(ExternalIdParse, KeepsOtherDigitsAsText) {
  for (const std::string& text :
       {std::string("00"), std::string("007"), std::string("-1"), std::string("+1"),
        std::string("1 "), std::string("1.0"), "1" + std::string(38, '0'), k38Nines + "99"}) {
    EXPECT_EQ(parsed(text).kind(), Kind::text) << text;
    EXPECT_EQ(parsed(text).text(), text);
  }
}

TEST(ExternalIdParse, TakesAUuidOfEitherCase) {
  const ExternalId lower = parsed("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  EXPECT_EQ(lower.kind(), Kind::uuid);
  EXPECT_EQ(lower.size(), 16);
  EXPECT_EQ(lower.words(), (Words{0x98c4dc0c0c07398f, 0x017f22e279b07cc3, 0, 0, 0}));
  EXPECT_EQ(parsed("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), lower);
  EXPECT_EQ(parsed("017F22e2-79b0-7CC3-98c4-dC0C0C07398F"), lower);
  EXPECT_EQ(lower.text(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST(ExternalIdParse, KeepsWhatIsNearlyAUuidAsText) {
  for (const std::string text :
       {"017f22e279b07cc398c4dc0c0c07398f", "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c40dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07-98f",
        "017f22e2:79b0:7cc3:98c4:dc0c0c07398f"}) {
    EXPECT_EQ(parsed(text).kind(), Kind::text) << text;
    EXPECT_EQ(parsed(text).text(), text);
  }
}

TEST(ExternalIdParse, TakesOnlyHexadecimalDigitsIntoAUuid) {
  for (int byte = 0x20; byte < 0x7f; ++byte) {
    const std::string text =
        std::string("017f22e2-79b0-7cc3-98c4-dc0c0c07398") + static_cast<char>(byte);
    const bool is_hexadecimal = std::isxdigit(byte) != 0;
    EXPECT_EQ(parsed(text).kind(), is_hexadecimal ? Kind::uuid : Kind::text) << text;
  }
}

TEST(ExternalIdParse, KeepsATextByteForByte) {
  for (const std::string text : {"a", "DE89370400440532013000", "LC31 HEMM 0001", " ", "é",
                                 "\xff\x80", "0123456789012345678901234567890123456789"}) {
    const ExternalId id = parsed(text);
    EXPECT_EQ(id.kind(), Kind::text) << text;
    EXPECT_EQ(id.size(), text.size());
    EXPECT_EQ(id.text(), text);
  }
  EXPECT_NE(parsed("Order"), parsed("order"));
  EXPECT_NE(parsed("order"), parsed("order "));
}

TEST(ExternalIdParse, FillsTheWordsOfATextWithZeros) {
  EXPECT_EQ(parsed("abcdefghi").words(), (Words{0x6867666564636261, 0x69, 0, 0, 0}));
}

TEST(ExternalIdParse, RefusesLengthsBeside1To40) {
  EXPECT_EQ(detail_of(""), "id \"\": expected 1 to 40 bytes without control characters");
  EXPECT_EQ(detail_of(std::string(41, 'x')), "id \"" + std::string(41, 'x') +
                                                 "\": expected 1 to 40 bytes without control "
                                                 "characters");
  EXPECT_EQ(detail_of(std::string(41, '1')).substr(0, 8), "id \"1111");
}

TEST(ExternalIdParse, RefusesEveryControlCharacterAndNoOtherByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = {'a', static_cast<char>(byte), 'z'};
    const bool is_control = byte < 0x20 || byte == 0x7f;
    EXPECT_EQ(static_cast<bool>(ExternalId::parse(text)), !is_control) << byte;
  }
}

TEST(ExternalIdParse, QuotesAForeignTextHarmlessly) {
  EXPECT_EQ(detail_of("\x1b[2J\"\\\xc3\xa9"),
            "id \"\\x1b[2J\\\"\\\\\\xc3\\xa9\": expected 1 to 40 bytes without control characters");
  const std::string cut = "id \"" + std::string(64, 'x') + "...\": ";
  EXPECT_EQ(detail_of(std::string(100'000, 'x')).substr(0, cut.size()), cut);
}

TEST(ExternalIdKinds, NeverCompareEqualThoughTheirWordsDo) {
  const ExternalId text = parsed("aaaaaaaaaaaaaaaa");
  const ExternalId uuid = ExternalId::of_uuid(0x6161616161616161, 0x6161616161616161);
  EXPECT_EQ(text.words(), uuid.words());
  EXPECT_EQ(text.size(), uuid.size());
  EXPECT_NE(text, uuid);

  const ExternalId number = ExternalId::of_number(0x3131313131313131, 0x3131313131313131);
  const ExternalId same_uuid = ExternalId::of_uuid(0x3131313131313131, 0x3131313131313131);
  EXPECT_EQ(number.words(), same_uuid.words());
  EXPECT_NE(number, same_uuid);
}

TEST(ExternalIdKinds, ZeroIsAnIdAndNotTheEmptyOne) {
  EXPECT_NE(ExternalId::of_number(0), ExternalId::of_uuid(0, 0));
  EXPECT_NE(ExternalId::of_number(0), ExternalId{});
  EXPECT_NE(ExternalId::of_uuid(0, 0), ExternalId{});
}

TEST(ExternalIdNumber, OfMoreThan38DigitsIsNoId) {
  // 10^38 - 1 and 10^38.
  EXPECT_EQ(ExternalId::of_number(0x4b3b4ca85a86c47a, 0x098a223fffffffff).text(), k38Nines);
  EXPECT_EQ(ExternalId::of_number(0x4b3b4ca85a86c47a, 0x098a224000000000), ExternalId{});
  EXPECT_EQ(ExternalId::of_number(UINT64_MAX, UINT64_MAX), ExternalId{});
}

TEST(ExternalIdNumber, ShowsTheZerosInItsMiddle) {
  // 10^19 and 10^20 + 5.
  EXPECT_EQ(ExternalId::of_number(0, 10'000'000'000'000'000'000u).text(), "10000000000000000000");
  EXPECT_EQ(ExternalId::of_number(5, 0x6bc75e2d63100005).text(), "100000000000000000005");
}

TEST(ExternalIdEmpty, HasNoTextAndNoTime) {
  EXPECT_EQ(ExternalId{}.kind(), Kind::none);
  EXPECT_EQ(ExternalId{}.text(), "");
  EXPECT_EQ(ExternalId{}.own_time_ms(), -1);
}

TEST(ExternalIdOfWords, GivesWhatParseMade) {
  for (const std::string& text :
       {std::string("0"), k38Nines, std::string("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
        std::string("a"), std::string(40, 'x')}) {
    const ExternalId id = parsed(text);
    EXPECT_EQ(ExternalId::of_words(id.kind(), id.size(), id.words()), id) << text;
  }
}

TEST(ExternalIdOfWords, RefusesWhatNobodyCouldHaveWritten) {
  const std::vector<ExternalId> damaged = {
      ExternalId::of_words(Kind::number, 15, {1, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::number, 16, {1, 0, 1, 0, 0}),
      ExternalId::of_words(Kind::number, 16, {UINT64_MAX, UINT64_MAX, 0, 0, 0}),
      ExternalId::of_words(Kind::uuid, 0, {1, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::uuid, 16, {1, 0, 0, 0, 1}),
      ExternalId::of_words(Kind::text, 0, {}),
      ExternalId::of_words(Kind::text, 41, {0x61, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::text, 255, {0x61, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::text, 2, {0x61, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::text, 1, {0x6161, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::text, 1, {0x61, 0, 0, 0, 1}),
      ExternalId::of_words(Kind::text, 1, {0x31, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::text, 16, {1, 0, 0, 0, 0}),
      ExternalId::of_words(Kind{9}, 16, {1, 0, 0, 0, 0}),
      ExternalId::of_words(Kind::none, 16, {1, 0, 0, 0, 0}),
  };
  for (size_t i = 0; i < damaged.size(); ++i) EXPECT_EQ(damaged[i], ExternalId{}) << i;
}

TEST(ExternalIdTime, OfAUuidV7IsItsFirst48Bits) {
  // The example of RFC 9562, A.6: 22 February 2022, 19:22:22 UTC.
  EXPECT_EQ(parsed("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").own_time_ms(), 1'645'557'742'000);
  EXPECT_EQ(parsed("ffffffff-ffff-7000-8000-000000000000").own_time_ms(), (1ll << 48) - 1);
  EXPECT_EQ(parsed("00000000-0000-7000-bfff-ffffffffffff").own_time_ms(), 0);
}

TEST(ExternalIdTime, OfOtherUuidsIsMissing) {
  for (const char* text : {"017f22e2-79b0-4cc3-98c4-dc0c0c07398f",     // version 4
                           "017f22e2-79b0-8cc3-98c4-dc0c0c07398f",     // version 8
                           "017f22e2-79b0-7cc3-18c4-dc0c0c07398f",     // variant 0
                           "017f22e2-79b0-7cc3-48c4-dc0c0c07398f",     // variant 0
                           "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f"}) {  // variant 11
    EXPECT_EQ(parsed(text).own_time_ms(), -1) << text;
  }
}

TEST(ExternalIdTime, OfAUlidIsItsFirstTenCharacters) {
  // The example of the ULID specification.
  EXPECT_EQ(parsed("01ARZ3NDEKTSV4RRFFQ69G5FAV").own_time_ms(), 1'469'922'850'259);
  EXPECT_EQ(parsed("7ZZZZZZZZZZZZZZZZZZZZZZZZZ").own_time_ms(), (1ll << 48) - 1);
  EXPECT_EQ(parsed("00000000000000000000000000").own_time_ms(), 0);
}

TEST(ExternalIdTime, OfOtherTextsAndNumbersIsMissing) {
  for (const char* text :
       {"8ZZZZZZZZZZZZZZZZZZZZZZZZZ",  // more than 48 bits of time
        "A1ARZ3NDEKTSV4RRFFQ69G5FAV",  // as well
        "/1ARZ3NDEKTSV4RRFFQ69G5FAV",  // below '0'
        "01arz3ndektsv4rrffq69g5fav",  // lower case
        "01ARZ3NDEKTSV4RRFFQ69G5FAI",  // I, L, O, U are no digits
        "01ARZ3NDEKTSV4RRFFQ69G5FAL", "01ARZ3NDEKTSV4RRFFQ69G5FAO", "U1ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARU3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVV",
        "11111111111111111111111111",  // a number
        "1645557742000", "order-1"}) {
    EXPECT_EQ(parsed(text).own_time_ms(), -1) << text;
  }
}

}  // namespace
}  // namespace casbook
