// Followers that cannot keep up: first the leader goes a little slower, then they are left out.
#include <gtest/gtest.h>

#include "replicate/laggards.h"
#include "support/copied_log.h"
#include "support/faulty_storage.h"

namespace casbook::replicate {
namespace {

constexpr int64_t kMs = 1'000'000, kSilence = 150 * kMs;
constexpr LagLimits kLimits{.soft_bytes = 100, .hard_bytes = 1000};

TEST(Laggards, AreSlowedForThenLeftOutThenInAgain) {
  Laggards laggards(kLimits);
  int64_t now = 1000 * kMs;
  const auto note = [&](uint64_t bytes) {
    laggards.note(2, bytes, now);
    return laggards.is_anybody_lagging(now, kSilence);
  };
  EXPECT_FALSE(laggards.is_out(2)) << "not heard of yet";
  EXPECT_FALSE(note(99));
  EXPECT_TRUE(note(100));
  EXPECT_FALSE(laggards.is_out(2));
  EXPECT_TRUE(note(1000));
  EXPECT_FALSE(laggards.is_out(2));
  EXPECT_FALSE(note(1001)) << "nobody waits for who is left out";
  EXPECT_TRUE(laggards.is_out(2));
  EXPECT_TRUE(note(1000)) << "what was paid while it was copied comes by the log";
  EXPECT_FALSE(laggards.is_out(2));
  EXPECT_FALSE(note(99));
  EXPECT_FALSE(laggards.is_out(2));
}

// Else it would be offered a second copy at once, by what was known of it before the first.
TEST(Laggards, ThatBeginAnewHaveAMomentToSayWhatTheyHave) {
  Laggards laggards(kLimits);
  const int64_t now = 1000 * kMs, later = now + 1000 * kMs;
  laggards.note(2, 1001, now);
  ASSERT_TRUE(laggards.is_out(2));
  const auto is_out = [&](uint64_t bytes, int64_t at) {
    laggards.note(2, bytes, at);
    return laggards.is_out(2);
  };
  laggards.began_anew(2, now);
  EXPECT_FALSE(is_out(5000, now));
  EXPECT_FALSE(is_out(4000, later - 1)) << "it comes nearer";
  EXPECT_FALSE(is_out(4000, later));
  EXPECT_FALSE(is_out(4500, later + 999 * kMs - 1));
  EXPECT_TRUE(is_out(4500, later + 1000 * kMs)) << "and no more";
  EXPECT_TRUE(is_out(3000, later + 1001 * kMs)) << "that is as any other's";
}

TEST(Laggards, ThatAreSilentSlowNobodyDown) {
  Laggards laggards(kLimits);
  laggards.note(2, 500, 1000 * kMs);
  EXPECT_TRUE(laggards.is_anybody_lagging(1149 * kMs, kSilence));
  EXPECT_FALSE(laggards.is_anybody_lagging(1150 * kMs, kSilence));
}

TEST(Laggards, AreNotKnownInANewTerm) {
  Laggards laggards(kLimits);
  laggards.note(2, 5000, 1);
  laggards.begin();
  EXPECT_FALSE(laggards.is_out(2));
}

TEST(Laggards, CostAQuarterOfThePaceAtMost) {
  for (const bool is_lagging : {false, true}) {
    Laggards laggards(kLimits);
    int64_t now = 1000 * kMs;
    uint64_t taken = 0;
    // A leader that has an entry every 100 us.
    for (const int64_t end = now + 1000 * kMs; now < end;) {
      laggards.took(is_lagging, now);
      ++taken;
      now = std::max(now + 100'000, laggards.may_take_ns());
    }
    if (!is_lagging)
      EXPECT_EQ(taken, 10'000u);
    else
      EXPECT_GE(taken, 7'500u);
    // And nothing beyond a millisecond after a pause of its own.
    laggards.took(is_lagging, now + 1000 * kMs);
    EXPECT_LE(laggards.may_take_ns(), now + 1001 * kMs);
  }
}

TEST(Laggards, AreSoManyBytesBehind) {
  test::FaultyStorage storage(1);
  test_support::CopiedLog log(storage, 7);
  test_support::must(log.open());
  log.append(30, 2);
  test_support::must(log.drive());
  const auto bytes = [&](uint64_t from) {
    uint64_t sum = 0;
    for (uint64_t index = from + 1; index <= log.log().last_index(); ++index)
      sum += log.log().entry(index)->body.size();
    return sum;
  };
  for (const uint64_t index : {0u, 1u, 10u, 30u, 31u})
    EXPECT_EQ(log.log().bytes_behind(index), bytes(index)) << index;
  EXPECT_EQ(log.log().bytes_behind(99), 0u);
  log.log().used(20);
  ASSERT_TRUE(log.log().compact(20));
  EXPECT_EQ(log.log().bytes_behind(25), bytes(25));
  EXPECT_EQ(log.log().bytes_behind(3), bytes(20));
  log.replace(26, 2, 3);
  EXPECT_EQ(log.log().bytes_behind(22), bytes(22));
}

}  // namespace
}  // namespace casbook::replicate
