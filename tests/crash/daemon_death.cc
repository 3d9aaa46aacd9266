// The daemon dies, or is stopped, at every fault point that its life passes: what was reported
// durable is there for the next daemon, each once, with memory as it was or with memory lost.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "support/served_book.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;

// How the daemon that is struck comes to its book.
enum class Course { create, adopt, resume, reopen, recover };
constexpr Course kCourses[] = {Course::create, Course::adopt, Course::resume, Course::reopen,
                               Course::recover};

std::string name_of(Course course) {
  switch (course) {
    case Course::create:
      return "Create";
    case Course::adopt:
      return "Adopt";
    case Course::resume:
      return "Resume";
    case Course::reopen:
      return "Reopen";
    case Course::recover:
      return "Recover";
  }
  return "";
}

// Of these ids a life takes some hundreds; whoever comes to the book goes through all.
constexpr uint64_t kPayments = 4000;

struct SmallServedBook : ServedBook {
  SmallServedBook() { place().limits[3] = std::to_string(kPayments); }
};

void create_unjournaled(const ServedBook& served) {
  CreateOptions options;
  options.directory = served.place().shm;
  options.accounts = 64, options.payments = kPayments, options.sessions = 16;
  options.records = 4096, options.leases = 32, options.ledgers = 4;
  Book book = must(Book::create(served.place().book, options));
  Session session = must(book.open_session());
  ASSERT_TRUE(open_payers_accounts(session));
}

// Up to where the daemon of that course begins.
void prepare(ServedBook& served, Course course) {
  if (course == Course::create) return;
  if (course == Course::adopt) return create_unjournaled(served);
  served.expect_kept(course == Course::reopen ? ServedBook::End::stop : ServedBook::End::kill);
  if (course != Course::recover) return;
  served.go_on_in_memory();
  served.lose_arena();
}

struct Passage {
  FaultPoint point;
  uint64_t times;
};

std::vector<Passage> passages_of(Course course) {
  Shared<PointCounts> counts;
  SmallServedBook served;
  prepare(served, course);
  {
    DaemonProcess daemon(served.place(), [&] { count_points(*counts); });
    served.live_through(daemon);
    EXPECT_EQ(daemon.wait().exit_code, 0) << daemon.events();
  }
  std::vector<Passage> list;
  for (size_t i = 0; i < kFaultPoints; ++i)
    if (const uint64_t times = (*counts)[i]) list.push_back({static_cast<FaultPoint>(i), times});
  return list;
}

// Each point and the first and a later passage of it; every other time memory is lost too.
class DaemonDeath : public testing::TestWithParam<Course> {
 protected:
  // Whether the daemon died of it. Whatever became of it, the book is sound.
  bool strike(FaultPoint point, uint64_t nth, bool is_lost) {
    SCOPED_TRACE(std::string(base::fault_point_name(point)) + ":" + std::to_string(nth) +
                 (is_lost ? ", memory lost" : ", memory kept"));
    SmallServedBook served;
    prepare(served, GetParam());
    bool is_dead = false;
    {
      DaemonProcess daemon(served.place(), {point, nth});
      served.live_through(daemon);
      EXPECT_TRUE(daemon.has_ended()) << "it neither died nor came to its end";
      is_dead = daemon.kill().exit_code == -1;
    }
    is_lost &= !served.is_unjournaled();
    served.go_on_in_memory();
    if (is_lost) served.lose_arena();
    served.expect_kept(ServedBook::End::stop);
    return is_dead;
  }
  // How often a point is passed is chance: the more often, the longer the machine takes for the
  // same. A later passage that a life does not come to again is looked for nearer to the first, and
  // the first some times.
  bool strike_until_death(FaultPoint point, uint64_t nth, bool is_lost) {
    for (int firsts = 0; firsts < kFirstsMax; nth = std::max<uint64_t>(nth / 4, 1)) {
      if (strike(point, nth, is_lost)) return true;
      if (HasFatalFailure()) return false;
      firsts += nth == 1;
    }
    return false;
  }
  static constexpr int kFirstsMax = 2;
};

TEST_P(DaemonDeath, LosesNothingThatWasDurable) {
  uint64_t deaths = 0, strikes = 0;
  for (const Passage& passage : passages_of(GetParam()))
    for (const uint64_t nth : {uint64_t{1}, passage.times / 2}) {
      if (nth == 0 || (nth == 1 && passage.times / 2 == 1 && strikes % 2)) continue;
      const bool is_lost = ++strikes % 2;
      deaths += strike_until_death(passage.point, nth, is_lost);
      if (HasFatalFailure()) return;
    }
  // Others may have helped or waited once by chance: some points are not met again.
  EXPECT_GE(deaths, strikes * 9 / 10);
  std::printf("%llu deaths\n", static_cast<unsigned long long>(deaths));
}

INSTANTIATE_TEST_SUITE_P(Courses, DaemonDeath, testing::ValuesIn(kCourses),
                         [](const auto& course) { return name_of(course.param); });

// Killed in a recovery, and again in the one after that.
TEST(DaemonDeathTwice, OfRecoveriesIsSurvived) {
  constexpr FaultPoint kPoints[] = {FaultPoint::create_after_file, FaultPoint::recover_after_load,
                                    FaultPoint::serve_after_state, FaultPoint::recover_after_open,
                                    FaultPoint::recover_before_rename};
  for (const FaultPoint first : kPoints) {
    SmallServedBook served;
    prepare(served, Course::recover);
    for (const FaultPoint second : kPoints) {
      SCOPED_TRACE(std::string(base::fault_point_name(first)) + ", then " +
                   base::fault_point_name(second));
      for (const FaultPoint point : {first, second}) {
        DaemonProcess daemon(served.place(), {point, 1});
        EXPECT_EQ(daemon.wait().exit_code, -1) << daemon.events();
        EXPECT_FALSE(std::filesystem::exists(served.place().arena_file()));
      }
      served.expect_kept(ServedBook::End::kill);
      served.go_on_in_memory();
      served.lose_arena();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace casbook
