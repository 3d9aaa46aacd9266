// Taking over the dead: everything that held a slot dies somewhere, the takers-over too.
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "arena/attachment.h"
#include "base/probe.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"
#include "support/small_arena.h"

namespace casbook::arena {
namespace {

using namespace test_support;
using base::FaultPoint;

// Kills this process when it reaches `point` for the `nth` time.
void arm(FaultPoint point, int nth) {
  static FaultPoint armed;
  static int remaining;
  armed = point;
  remaining = nth;
  base::probes.fault = [](FaultPoint reached) {
    if (reached == armed && --remaining == 0) kill(getpid(), SIGKILL);
  };
}

class Takeover : public testing::Test {
 protected:
  static constexpr uint32_t kAttachments = 8, kSessions = 16;
  struct Board {
    base::AtomicU64 ready;
    base::AtomicU64 runs[kSessions];
  };

  RunSession counting_run() {
    return [this](uint32_t session) { board_->runs[session].add_relaxed(1); };
  }
  uint32_t life_locks() const {
    const LifeProbe probe(*mapping_);
    uint32_t count = 0;
    for (uint32_t i = 0; i < kAttachments; ++i)
      if (!probe.is_provably_free(i)) ++count;
    return count;
  }
  // Leaves `count` dead attachments with `sessions_each` sessions.
  void leave_dead(uint32_t count, uint32_t sessions_each) {
    const uint32_t locks_before = life_locks();
    std::vector<Child> children;
    board_->ready.store_relaxed(0);
    for (uint32_t i = 0; i < count; ++i)
      children.emplace_back([&] {
        const auto mapping = must_attach(scratch_.path());
        const auto attachment = must_open(*mapping, counting_run());
        for (uint32_t s = 0; s < sessions_each; ++s)
          require(attachment->open_session().operator bool(), "no session");
        board_->ready.add_relaxed(1);
        sleep_forever();
      });
    ASSERT_TRUE(await([&] { return board_->ready.load_relaxed() == count; }));
    children.clear();
    ASSERT_TRUE(await([&] { return life_locks() == locks_before; }));
  }
  uint32_t slots_in(SlotState state) const {
    uint32_t count = 0;
    for (uint32_t i = 0; i < kAttachments; ++i)
      if (slot_state(attachment_slot(*mapping_, i).state.load_acquire()) == state) ++count;
    return count;
  }
  uint32_t sessions_in(SlotState state) const {
    uint32_t count = 0;
    for (uint32_t i = 0; i < kSessions; ++i)
      if (slot_state(session_slot(*mapping_, i).owner.lo.load_acquire()) == state) ++count;
    return count;
  }

  ScratchDirectory scratch_;
  std::unique_ptr<Mapping> mapping_ = create_and_attach(small_arena(scratch_.path()));
  Shared<Board> board_;
};

TEST_F(Takeover, RunsAndFreesEachSessionOfEachDeadOnce) {
  leave_dead(3, 4);
  EXPECT_EQ(slots_in(SlotState::live), 3u) << "nobody has noticed yet";
  const auto taker = must_open(*mapping_, counting_run());
  EXPECT_EQ(taker->ref().index(), 3u) << "a free slot is taken before any look at the dead";
  EXPECT_EQ(taker->take_over_the_dead(), 3u);
  EXPECT_EQ(slots_in(SlotState::free), kAttachments - 1);
  EXPECT_EQ(sessions_in(SlotState::free), kSessions);
  for (uint32_t s = 0; s < kSessions; ++s)
    EXPECT_EQ(board_->runs[s].load_relaxed(), s < 12 ? 1u : 0u) << s;
  EXPECT_EQ(taker->take_over_the_dead(), 0u);
  EXPECT_EQ(must_open(*mapping_)->ref(), AttachmentRef::of(0, 2));
  EXPECT_EQ(mapping_->control().takeovers.load_relaxed(), 3u);
}

TEST_F(Takeover, HappensByItselfBeforeAttachmentsAreFull) {
  leave_dead(kAttachments, 1);
  EXPECT_EQ(slots_in(SlotState::live), kAttachments);
  const auto attachment = Attachment::open(*mapping_, counting_run());
  ASSERT_TRUE(attachment) << attachment.error().message();
  EXPECT_EQ((*attachment)->ref(), AttachmentRef::of(0, 2));
  EXPECT_EQ(sessions_in(SlotState::free), kSessions);
}

TEST_F(Takeover, HappensByItselfBeforeSessionsAreFull) {
  const auto attachment = must_open(*mapping_, counting_run());
  leave_dead(4, 4);
  EXPECT_EQ(sessions_in(SlotState::live), kSessions);
  const Result<uint32_t> session = attachment->open_session();
  ASSERT_TRUE(session);
  EXPECT_EQ(*session, 0u);
  EXPECT_EQ(session_slot(*mapping_, 0).owner.lo.load_acquire(), slot_word(2, SlotState::live));
}

TEST_F(Takeover, LeavesTheSessionsOfTheLivingAlone) {
  const auto living = must_open(*mapping_, counting_run());
  EXPECT_EQ(*living->open_session(), 0u);
  leave_dead(2, 3);
  EXPECT_EQ(living->take_over_the_dead(), 2u);
  EXPECT_EQ(sessions_in(SlotState::live), 1u);
  EXPECT_EQ(session_slot(*mapping_, 0).owner.hi.load_acquire(), living->ref().value);
  EXPECT_EQ(board_->runs[0].load_relaxed(), 0u);
}

// A session is run before anybody can claim it, or its descriptors would be reused undecided.
TEST_F(Takeover, RunsASessionBeforeItIsFree) {
  leave_dead(2, 3);
  uint32_t runs = 0;
  const auto taker = must_open(*mapping_, [&](uint32_t session) {
    const uint64_t word = session_slot(*mapping_, session).owner.lo.load_acquire();
    EXPECT_EQ(slot_state(word), SlotState::live);
    ++runs;
  });
  taker->take_over_the_dead();
  EXPECT_EQ(runs, 6u);
}

struct Strike {
  FaultPoint point;
  int nth;
};
class TakeoverKilled : public Takeover, public testing::WithParamInterface<Strike> {};

// Three takers-over at once, each killed at its nth arrival at the point; then three more that are
// not; nothing is left over, nothing freed unrun, nothing counted twice.
TEST_P(TakeoverKilled, IsFinishedByOthers) {
  leave_dead(3, 4);
  base::AtomicU64& ready = board_->ready;
  ready.store_relaxed(0);
  const auto taker = [&](bool is_struck) {
    const auto mapping = must_attach(scratch_.path());
    const auto attachment = must_open(*mapping, counting_run());
    if (is_struck) arm(GetParam().point, GetParam().nth);
    ready.add_relaxed(1);
    await([&] { return ready.load_relaxed() >= 3; });
    attachment->take_over_the_dead();
    base::probes.fault = nullptr;
  };
  {
    Child one([&] { taker(true); }), two([&] { taker(true); }), three([&] { taker(true); });
    const bool is_one_dead = one.was_killed_by(SIGKILL);
    const bool is_two_dead = two.was_killed_by(SIGKILL);
    EXPECT_TRUE(is_one_dead || is_two_dead || three.was_killed_by(SIGKILL)) << "nobody was struck";
  }
  {
    Child one([&] { taker(false); }), two([&] { taker(false); }), three([&] { taker(false); });
    EXPECT_TRUE(one.succeeded() && two.succeeded() && three.succeeded());
  }
  EXPECT_EQ(slots_in(SlotState::free), kAttachments);
  EXPECT_EQ(sessions_in(SlotState::free), kSessions);
  for (uint32_t s = 0; s < 12; ++s) EXPECT_GE(board_->runs[s].load_relaxed(), 1u) << s;
  for (uint32_t s = 0; s < 12; ++s)
    EXPECT_EQ(slot_generation(session_slot(*mapping_, s).owner.lo.load_acquire()), 1u) << s;
  const uint64_t takeovers = mapping_->control().takeovers.load_relaxed();
  EXPECT_GE(takeovers, 4u) << "three, and each of those who were killed meanwhile";
  EXPECT_LE(takeovers, 6u);
}

INSTANTIATE_TEST_SUITE_P(EachPoint, TakeoverKilled,
                         testing::Values(Strike{FaultPoint::takeover_after_mark, 1},
                                         Strike{FaultPoint::takeover_after_run, 1},
                                         Strike{FaultPoint::takeover_after_run, 3},
                                         Strike{FaultPoint::takeover_after_session, 1},
                                         Strike{FaultPoint::takeover_after_session, 4}),
                         [](const testing::TestParamInfo<Strike>& given) {
                           return std::string(base::fault_point_name(given.param.point)) + "_" +
                                  std::to_string(given.param.nth);
                         });

class AttachKilled : public Takeover, public testing::WithParamInterface<FaultPoint> {};

TEST_P(AttachKilled, LosesNoSlot) {
  for (int round = 0; round < 2 * static_cast<int>(kSessions); ++round) {
    Child victim([&] {
      const auto mapping = must_attach(scratch_.path());
      arm(GetParam(), 1);
      const auto attachment = must_open(*mapping);
      (void)!attachment->open_session().operator bool();
    });
    ASSERT_TRUE(victim.was_killed_by(SIGKILL)) << "round " << round;
  }
  std::vector<std::unique_ptr<Attachment>> all;
  for (uint32_t i = 0; i < kAttachments; ++i) all.push_back(must_open(*mapping_, counting_run()));
  for (uint32_t s = 0; s < kSessions; ++s) EXPECT_TRUE(all[0]->open_session()) << s;
}

INSTANTIATE_TEST_SUITE_P(EachPoint, AttachKilled,
                         testing::Values(FaultPoint::attach_after_lock,
                                         FaultPoint::attach_after_claim,
                                         FaultPoint::session_after_claim),
                         [](const testing::TestParamInfo<FaultPoint>& given) {
                           return base::fault_point_name(given.param);
                         });

// Everybody attaches, opens sessions, takes over, closes and is killed anywhere. While a process
// lives its sessions are its own.
TEST_F(Takeover, StormOfDeathsTakesNothingFromTheLiving) {
  const uint32_t seed = std::random_device()() % 1'000'000 + 1;
  RecordProperty("seed", static_cast<int>(seed));
  std::minstd_rand random(seed);
  base::AtomicU64& broken = board_->ready;
  broken.store_relaxed(0);
  const auto body = [&](uint32_t own_seed) {
    std::minstd_rand own_random(own_seed);
    const auto mapping = must_attach(scratch_.path());
    for (;;) {
      auto attachment = Attachment::open(*mapping, [](uint32_t) {});
      if (!attachment) continue;  // full of the dying, for a moment
      const AttachmentRef ref = (*attachment)->ref();
      std::vector<std::pair<uint32_t, uint64_t>> held;
      for (uint32_t i = own_random() % 4; i > 0; --i)
        if (const Result<uint32_t> session = (*attachment)->open_session())
          held.emplace_back(*session, session_slot(*mapping, *session).owner.lo.load_acquire());
      (*attachment)->take_over_the_dead();
      for (const auto& [session, word] : held) {
        const SessionSlot& slot = session_slot(*mapping, session);
        if (slot.owner.lo.load_acquire() != word || slot.owner.hi.load_acquire() != ref.value)
          broken.add_relaxed(1);
      }
      if (attachment_slot(*mapping, ref.index()).state.load_acquire() !=
          slot_word(ref.generation(), SlotState::live))
        broken.add_relaxed(1);
    }
  };
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) children.emplace_back([&] { body(static_cast<uint32_t>(random())); });
  for (int round = 0; round < 400; ++round) {
    sleep_us(static_cast<int64_t>(random() % 4000));
    Child& victim = children[random() % children.size()];
    victim.kill_and_wait();
    victim = Child([&] { body(static_cast<uint32_t>(random())); });
    ASSERT_EQ(broken.load_relaxed(), 0u) << "round " << round << ", seed " << seed;
  }
  children.clear();
  const auto last = must_open(*mapping_);
  last->take_over_the_dead();
  EXPECT_EQ(slots_in(SlotState::free), kAttachments - 1);
  EXPECT_EQ(sessions_in(SlotState::free), kSessions);
  EXPECT_GT(mapping_->control().takeovers.load_relaxed(), 10u) << "too few died holding a slot";
}

}  // namespace
}  // namespace casbook::arena
