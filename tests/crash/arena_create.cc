// A creator killed on the way leaves no book, and its remains go with the next create.
#include <gtest/gtest.h>

#include "arena/arena.h"
#include "base/probe.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"
#include "support/small_arena.h"

namespace casbook::arena {
namespace {

using namespace test_support;
using base::FaultPoint;

class CreatorKilled : public testing::TestWithParam<FaultPoint> {};

TEST_P(CreatorKilled, LeavesNoBookAndItsRemainsAreRemoved) {
  ScratchDirectory scratch;
  Child creator([&] {
    static const FaultPoint point = GetParam();
    base::probes.fault = [](FaultPoint reached) {
      if (reached == point) kill(getpid(), SIGKILL);
    };
    (void)!create(small_arena(scratch.path()), format_nothing).operator bool();
  });
  ASSERT_TRUE(creator.was_killed_by(SIGKILL));
  EXPECT_EQ(scratch.entries().size(), 1u) << "the temporary file";
  EXPECT_EQ(attach(scratch.path(), "book", Access::read_only).error().code, Code::book_missing);
  ASSERT_TRUE(create(small_arena(scratch.path()), format_nothing));
  EXPECT_EQ(scratch.entries(), std::set<std::string>{"casbook.book"});
}

INSTANTIATE_TEST_SUITE_P(EachPoint, CreatorKilled,
                         testing::Values(FaultPoint::create_after_file,
                                         FaultPoint::create_before_rename));

// A stopped creator is not dead: its file stays, and when it goes on it finds the name taken.
TEST(CreatorStopped, KeepsItsFileAndLoses) {
  ScratchDirectory scratch;
  Shared<base::AtomicU64> answer;
  Child creator([&] {
    base::probes.fault = [](FaultPoint point) {
      if (point == FaultPoint::create_before_rename) kill(getpid(), SIGSTOP);
    };
    const Result<void> created = create(small_arena(scratch.path()), format_nothing);
    answer->store_relaxed(created ? 1 : static_cast<uint64_t>(created.error().code));
  });
  int status;
  ASSERT_EQ(waitpid(creator.pid(), &status, WUNTRACED), creator.pid());
  ASSERT_TRUE(WIFSTOPPED(status));
  ASSERT_TRUE(create(small_arena(scratch.path()), format_nothing));
  EXPECT_EQ(scratch.entries().size(), 2u);
  creator.signal(SIGCONT);
  EXPECT_TRUE(creator.succeeded());
  EXPECT_EQ(answer->load_relaxed(), static_cast<uint64_t>(Code::book_exists));
  EXPECT_EQ(scratch.entries(), std::set<std::string>{"casbook.book"});
}

// Creators of the same book, killed at random: there never is half a book, and at the end one
// book and nothing else.
TEST(CreatorsKilledAtRandom, NeverShowHalfABook) {
  ScratchDirectory scratch;
  for (int round = 0; round < 150; ++round) {
    const auto creator = [&] {
      (void)!create(small_arena(scratch.path()), format_nothing).operator bool();
    };
    Child one(creator), two(creator);
    sleep_us(round * 10 % 1500);
    one.kill_and_wait();
    two.kill_and_wait();
    const auto mapping = attach(scratch.path(), "book", Access::read_only);
    if (!mapping) {
      ASSERT_EQ(mapping.error().code, Code::book_missing) << mapping.error().message();
      continue;
    }
    ASSERT_TRUE(destroy(scratch.path(), "book"));
  }
  ASSERT_TRUE(create(small_arena(scratch.path()), format_nothing));
  EXPECT_EQ(scratch.entries(), std::set<std::string>{"casbook.book"});
}

}  // namespace
}  // namespace casbook::arena
