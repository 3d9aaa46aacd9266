// Durations, sizes and file rights as text.
#include <gtest/gtest.h>

#include <unistd.h>

#include "base/byte_size.h"
#include "base/duration.h"
#include "base/file_rights.h"

namespace casbook::base {
namespace {

using std::chrono::milliseconds;

TEST(BaseText, SizesAreReadInEveryUnit) {
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("4096B"), 4096u);
  EXPECT_EQ(parse_bytes("64KiB"), 64u << 10);
  EXPECT_EQ(parse_bytes("64MiB"), 64u << 20);
  EXPECT_EQ(parse_bytes("3GiB"), 3ull << 30);
  EXPECT_EQ(parse_bytes("16777215TiB"), 16777215ull << 40);
  EXPECT_EQ(parse_bytes("18446744073709551615"), UINT64_MAX);
}

TEST(BaseText, WhatIsNoSizeIsNone) {
  for (const char* text : {"", "MiB", "-1", "+1", " 1", "1 MiB", "1MB", "1mib", "1.5GiB", "1MiB ",
                           "16777216TiB", "18446744073709551616"})
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
}

TEST(BaseText, SizesComeBackFromTheirText) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1024}, uint64_t{1536},
                               uint64_t{64} << 20, uint64_t{1} << 30, UINT64_MAX})
    EXPECT_EQ(parse_bytes(format_bytes(bytes)), bytes) << format_bytes(bytes);
  EXPECT_EQ(format_bytes(64u << 20), "64MiB");
  EXPECT_EQ(format_bytes(1500), "1500B");
}

TEST(BaseText, DurationsComeBackFromTheirText) {
  EXPECT_EQ(parse_duration("1d"), std::chrono::hours(24));
  EXPECT_EQ(parse_duration("5ms"), milliseconds(5));
  EXPECT_EQ(parse_duration("5"), std::nullopt);
  EXPECT_EQ(parse_duration("-5s"), std::nullopt);
  for (const int64_t ms : {0, 1, 999, 1000, 60'000, 90'000, 86'400'000})
    EXPECT_EQ(parse_duration(format_duration(milliseconds(ms))), milliseconds(ms)) << ms;
}

TEST(BaseText, UsersAndGroupsAreNumbersOrNames) {
  EXPECT_EQ(parse_user("0"), 0u);
  EXPECT_EQ(parse_user("root"), 0u);
  EXPECT_EQ(parse_group("root"), 0u);
  EXPECT_EQ(parse_group("4294967295"), 4294967295u);
  for (const char* text : {"", "no such name", "-1", "4294967296"}) {
    EXPECT_EQ(parse_user(text), std::nullopt) << text;
    EXPECT_EQ(parse_group(text), std::nullopt) << text;
  }
}

TEST(BaseText, ModesAreOctal) {
  EXPECT_EQ(parse_mode("0660"), 0660u);
  EXPECT_EQ(parse_mode("777"), 0777u);
  for (const char* text : {"", "1777", "0888", "rw", "-1", "660 "})
    EXPECT_EQ(parse_mode(text), std::nullopt) << text;
}

}  // namespace
}  // namespace casbook::base
