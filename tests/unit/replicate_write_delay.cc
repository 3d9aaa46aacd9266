// When the disk is given entries: at once where somebody waits, else together, within the delay.
#include <gtest/gtest.h>

#include "replicate/write_delay.h"

namespace casbook::replicate {
namespace {

using journal::EntryType;

constexpr int64_t kMs = 1'000'000, kNow = 1000 * kMs;
constexpr WriteDelayLimits kLimits{.delay_ns = kMs, .bytes_max = 1000};

LogEntry entry(uint64_t index, size_t bytes = 100, EntryType type = EntryType::records) {
  return {.index = index, .term = 2, .type = type, .body = std::vector<std::byte>(bytes)};
}

TEST(WriteDelay, IsOverWhenTheOldestHasWaited) {
  WriteDelay delay(kLimits);
  EXPECT_FALSE(delay.is_due(kNow)) << "there is nothing";
  EXPECT_EQ(delay.deadline_ns(), INT64_MAX);
  delay.added(entry(1), kNow);
  delay.added(entry(2), kNow + kMs / 2);
  EXPECT_EQ(delay.deadline_ns(), kNow + kMs);
  EXPECT_FALSE(delay.is_due(kNow + kMs - 1));
  EXPECT_TRUE(delay.is_due(kNow + kMs));
  delay.written();
  EXPECT_FALSE(delay.is_due(kNow + kMs));
  delay.added(entry(3), kNow + 2 * kMs);
  EXPECT_EQ(delay.deadline_ns(), kNow + 3 * kMs) << "each first one has its own millisecond";
}

// Else whoever comes at the deadline would come again at once while the disk is busy, and again.
TEST(WriteDelay, NamesNoTimeOnceItWasFoundToBeOver) {
  WriteDelay delay(kLimits);
  delay.added(entry(1), kNow);
  EXPECT_EQ(delay.deadline_ns(), kNow + kMs) << "it may be over, and nobody has looked";
  EXPECT_TRUE(delay.is_due(kNow + kMs));
  EXPECT_EQ(delay.deadline_ns(), INT64_MAX);
  delay.added(entry(2), kNow + 2 * kMs);
  EXPECT_TRUE(delay.is_due(kNow + 2 * kMs)) << "with the one before";
  delay.written();
  delay.added(entry(3), kNow);
  delay.ask_up_to(3);
  EXPECT_EQ(delay.deadline_ns(), INT64_MAX);
}

TEST(WriteDelay, IsNotForWhatSomebodyWaitsFor) {
  WriteDelay delay(kLimits);
  delay.added(entry(4), kNow);
  delay.ask_up_to(3);
  EXPECT_FALSE(delay.is_due(kNow)) << "that is with the disk already";
  delay.ask_up_to(4);
  EXPECT_TRUE(delay.is_due(kNow));
  delay.written();
  delay.ask_up_to(6);
  EXPECT_FALSE(delay.is_due(kNow)) << "it is not here yet";
  delay.added(entry(5), kNow);
  EXPECT_TRUE(delay.is_due(kNow));
  delay.written();
  delay.added(entry(7), kNow);
  EXPECT_FALSE(delay.is_due(kNow));
}

TEST(WriteDelay, IsNotForBarriersAndChanges) {
  for (const EntryType type : {EntryType::barrier, EntryType::change}) {
    WriteDelay delay(kLimits);
    delay.added(entry(1, 0, type), kNow);
    EXPECT_TRUE(delay.is_due(kNow));
  }
}

TEST(WriteDelay, IsNotForMuchAtOnce) {
  WriteDelay delay(kLimits);
  for (uint64_t index = 1; index < 10; ++index) delay.added(entry(index), kNow);
  EXPECT_FALSE(delay.is_due(kNow));
  delay.added(entry(10), kNow);
  EXPECT_TRUE(delay.is_due(kNow));
}

// A deposed leader's entries, some of which were asked for, are replaced.
TEST(WriteDelay, HoldsForEntriesInThePlaceOfOthers) {
  WriteDelay delay(kLimits);
  delay.added(entry(8), kNow);
  delay.added(entry(5), kNow + 1);
  EXPECT_FALSE(delay.is_due(kNow + 1));
  delay.ask_up_to(5);
  EXPECT_TRUE(delay.is_due(kNow + 1));
}

TEST(WriteDelay, OfNothingIsNone) {
  WriteDelay delay({.delay_ns = 0, .bytes_max = 1000});
  delay.added(entry(1), kNow);
  EXPECT_TRUE(delay.is_due(kNow));
}

}  // namespace
}  // namespace casbook::replicate
