// Attachments and sessions while nobody dies.
#include <filesystem>
#include <iterator>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arena/attachment.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"
#include "support/small_arena.h"

namespace casbook::arena {
namespace {

using namespace test_support;

class AttachmentTest : public testing::Test {
 protected:
  ScratchDirectory scratch_;
  std::unique_ptr<Mapping> mapping_ = create_and_attach(small_arena(scratch_.path()));
};
using SessionTest = AttachmentTest;

TEST_F(AttachmentTest, TakesTheLowestSlotWithANewGeneration) {
  AttachmentRef last;
  for (uint64_t generation = 1; generation <= 5; ++generation) {
    const auto attachment = must_open(*mapping_);
    EXPECT_EQ(attachment->ref().index(), 0u);
    EXPECT_EQ(attachment->ref().generation(), generation);
    EXPECT_FALSE(attachment->ref() == last);
    EXPECT_TRUE(attachment->is_alive(attachment->ref()));
    EXPECT_EQ(attachment_slot(*mapping_, 0).pid.load_relaxed(), static_cast<uint64_t>(getpid()));
    EXPECT_GT(attachment_slot(*mapping_, 0).started_ms.load_relaxed(), 1'600'000'000'000u);
    EXPECT_FALSE(attachment->is_alive(last));  // at first nobody
    last = attachment->ref();
  }
  EXPECT_EQ(attachment_slot(*mapping_, 0).state.load_relaxed(), slot_word(5, SlotState::free));
}

TEST_F(AttachmentTest, KeepsNoDescriptorOpen) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = descriptors();
  const auto mapping = must_attach(scratch_.path());
  const auto attachment = must_open(*mapping);
  (void)attachment->is_alive(AttachmentRef::of(1, 1));
  attachment->take_over_the_dead();
  EXPECT_EQ(descriptors(), before);
}

TEST_F(AttachmentTest, IsRefusedWhenAllSlotsAreTakenByTheLiving) {
  std::vector<std::unique_ptr<Attachment>> all;
  for (uint32_t i = 0; i < 8; ++i) {
    all.push_back(must_open(*mapping_));
    EXPECT_EQ(all.back()->ref().index(), i);
  }
  EXPECT_EQ(Attachment::open(*mapping_, [](uint32_t) {}).error().code, Code::attachments_full);
  for (const auto& attachment : all) EXPECT_TRUE(all[0]->is_alive(attachment->ref()));
  EXPECT_EQ(all[0]->take_over_the_dead(), 0u);
  all[3].reset();
  EXPECT_EQ(must_open(*mapping_)->ref(), AttachmentRef::of(3, 2));
}

TEST_F(AttachmentTest, NobodyAndStrangersAreNotAlive) {
  const auto attachment = must_open(*mapping_);
  EXPECT_FALSE(attachment->is_alive(AttachmentRef{}));
  EXPECT_FALSE(attachment->is_alive(AttachmentRef::of(0, 2)));
  EXPECT_FALSE(attachment->is_alive(AttachmentRef::of(1, 1)));
  EXPECT_FALSE(attachment->is_alive(AttachmentRef::of(60000, 1)));
  EXPECT_FALSE(attachment->is_alive(AttachmentRef::of(0, 0)));
}

TEST_F(AttachmentTest, IsSeenAliveByAnObserver) {
  const auto observer = must_attach(scratch_.path(), "book", Access::read_only);
  AttachmentRef ref;
  {
    const auto attachment = must_open(*mapping_);
    ref = attachment->ref();
    EXPECT_TRUE(is_attachment_alive(*observer, ref));
  }
  EXPECT_FALSE(is_attachment_alive(*observer, ref));
}

TEST_F(AttachmentTest, IsRefusedInABookThatWasRemovedOrReplaced) {
  ASSERT_TRUE(destroy(scratch_.path(), "book"));
  EXPECT_EQ(Attachment::open(*mapping_, [](uint32_t) {}).error().code, Code::book_missing);
  const auto other = create_and_attach(small_arena(scratch_.path()));
  EXPECT_EQ(Attachment::open(*mapping_, [](uint32_t) {}).error().code, Code::book_missing);
  EXPECT_TRUE(Attachment::open(*other, [](uint32_t) {}));
}

// Its lock cannot be looked at any more, so nothing is proven.
TEST_F(AttachmentTest, IsNotDeclaredDeadInABookThatWasReplaced) {
  const auto one = must_open(*mapping_);
  const auto two = must_open(*mapping_);
  ASSERT_TRUE(destroy(scratch_.path(), "book"));
  const auto other = create_and_attach(small_arena(scratch_.path()));
  EXPECT_TRUE(one->is_alive(two->ref()));
  EXPECT_EQ(one->take_over_the_dead(), 0u);
  EXPECT_EQ(slot_state(attachment_slot(*mapping_, 1).state.load_relaxed()), SlotState::live);
}

TEST_F(AttachmentTest, FreesItsSessionsOnlyAndRunsThem) {
  std::set<uint32_t> run;
  const auto other = must_open(*mapping_);
  EXPECT_EQ(*other->open_session(), 0u);
  {
    const auto attachment = must_open(*mapping_, [&](uint32_t session) {
      const uint64_t word = session_slot(*mapping_, session).owner.lo.load_relaxed();
      EXPECT_EQ(slot_state(word), SlotState::live) << "run before it is freed";
      run.insert(session);
    });
    EXPECT_EQ(*attachment->open_session(), 1u);
    EXPECT_EQ(*attachment->open_session(), 2u);
  }
  EXPECT_EQ(run, (std::set<uint32_t>{1, 2}));
  EXPECT_EQ(slot_state(session_slot(*mapping_, 0).owner.lo.load_relaxed()), SlotState::live);
  EXPECT_EQ(slot_state(session_slot(*mapping_, 1).owner.lo.load_relaxed()), SlotState::free);
  EXPECT_EQ(slot_state(session_slot(*mapping_, 2).owner.lo.load_relaxed()), SlotState::free);
  EXPECT_EQ(*other->open_session(), 1u);
}

TEST_F(AttachmentTest, DoesNothingInAForkedChild) {
  bool is_run = false;
  auto attachment = must_open(*mapping_, [&](uint32_t) { is_run = true; });
  const uint32_t session = *attachment->open_session();
  Child child([&] {
    require(attachment->open_session().error().code == Code::forked, "open_session");
    require(Attachment::open(*mapping_, [](uint32_t) {}).error().code == Code::forked, "open");
    require(attachment->take_over_the_dead() == 0, "take_over_the_dead");
    require(attachment->is_alive(AttachmentRef::of(1, 1)), "is_alive proves nothing here");
    attachment->close_session(session);
    attachment.reset();
    require(!is_run, "something was run");
  });
  EXPECT_TRUE(child.succeeded());
  EXPECT_EQ(session_slot(*mapping_, session).owner.lo.load_relaxed(),
            slot_word(1, SlotState::live));
  const auto other = must_open(*mapping_);
  EXPECT_TRUE(other->is_alive(attachment->ref()));
}

TEST_F(SessionTest, TakesTheLowestSlotUntilAllAreTaken) {
  const auto attachment = must_open(*mapping_);
  for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ(*attachment->open_session(), i);
  EXPECT_EQ(attachment->open_session().error().code, Code::sessions_full);
  attachment->close_session(5);
  EXPECT_EQ(*attachment->open_session(), 5u);
  EXPECT_EQ(session_slot(*mapping_, 5).owner.lo.load_relaxed(), slot_word(2, SlotState::live));
  EXPECT_EQ(session_slot(*mapping_, 5).owner.hi.load_relaxed(), attachment->ref().value);
}

TEST_F(SessionTest, GoesOnWhereTheLastOwnerStopped) {
  const auto attachment = must_open(*mapping_);
  const uint32_t session = *attachment->open_session();
  SessionSlot& slot = session_slot(*mapping_, session);
  slot.next.store_relaxed(7);
  slot.open_block.store_relaxed(8);
  slot.claiming_block.store_relaxed(9);
  slot.waiting_on.store_relaxed(10);
  slot.commits.store_relaxed(11);
  attachment->close_session(session);
  EXPECT_EQ(*attachment->open_session(), session);
  EXPECT_EQ(slot.next.load_relaxed(), 7u);
  EXPECT_EQ(slot.open_block.load_relaxed(), 8u);
  EXPECT_EQ(slot.claiming_block.load_relaxed(), 9u);
  EXPECT_EQ(slot.waiting_on.load_relaxed(), 0u) << "the new owner waits for nothing";
  EXPECT_EQ(slot.commits.load_relaxed(), 11u);
}

TEST_F(SessionTest, IsClosedByItsOwnerOnlyAndOnce) {
  int runs = 0;
  const auto one = must_open(*mapping_, [&](uint32_t) { ++runs; });
  const auto two = must_open(*mapping_, [&](uint32_t) { ++runs; });
  const uint32_t session = *one->open_session();
  two->close_session(session);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(slot_state(session_slot(*mapping_, session).owner.lo.load_relaxed()), SlotState::live);
  one->close_session(session);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(*two->open_session(), session);
  one->close_session(session);  // by now another's
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(session_slot(*mapping_, session).owner.lo.load_relaxed(),
            slot_word(2, SlotState::live));
}

// More threads than slots: at any time a slot has one owner, and none is lost.
TEST_F(SessionTest, ThreadsNeverShareOne) {
  const auto one = must_open(*mapping_);
  const auto two = must_open(*mapping_);
  base::AtomicU64 owners[16];
  for (base::AtomicU64& owner : owners) owner.initialise(0);
  std::vector<std::thread> threads;
  for (uint64_t name = 1; name <= 20; ++name) {
    threads.emplace_back([&, name] {
      Attachment& attachment = name % 2 ? *one : *two;
      for (int i = 0; i < 2000; ++i) {
        const Result<uint32_t> session = attachment.open_session();
        if (!session) continue;
        EXPECT_TRUE(owners[*session].cas_acq_rel(0, name));
        if (i % 64 == 0) std::this_thread::yield();
        EXPECT_TRUE(owners[*session].cas_acq_rel(name, 0));
        attachment.close_session(*session);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ(*one->open_session(), i);
}

}  // namespace
}  // namespace casbook::arena
