// Proof of life: who counts as dead, and above all who does not.
#include <thread>
#include <vector>

#include <fcntl.h>
#include <spawn.h>

#include <gtest/gtest.h>

#include "arena/attachment.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"
#include "support/small_arena.h"

namespace casbook::arena {
namespace {

using namespace test_support;

class Life : public testing::Test {
 protected:
  struct Board {
    base::AtomicU64 ref;    // of the attachment under observation
    base::AtomicU64 other;  // a process that it started
    base::AtomicU64 step;
  };

  // A process that attaches, opens a session, tells its reference and then runs `body`.
  Child attached(const std::function<void(Attachment&)>& body) {
    return Child([this, body] {
      const auto mapping = must_attach(scratch_.path());
      const auto attachment = must_open(*mapping);
      require(attachment->open_session().operator bool(), "no session");
      board_->ref.store_release(attachment->ref().value);
      body(*attachment);
      sleep_forever();
    });
  }
  AttachmentRef observed() const {
    EXPECT_TRUE(await([&] { return board_->ref.load_acquire() != 0; }));
    return {board_->ref.load_acquire()};
  }
  bool is_alive() const { return judge_->is_alive({board_->ref.load_acquire()}); }
  bool dies() const {
    return await([&] { return !is_alive(); });
  }
  void expect_all_freed() const {
    judge_->take_over_the_dead();
    const AttachmentRef ref{board_->ref.load_acquire()};
    EXPECT_EQ(attachment_slot(*mapping_, ref.index()).state.load_acquire(),
              slot_word(ref.generation(), SlotState::free));
    EXPECT_EQ(slot_state(session_slot(*mapping_, 0).owner.lo.load_acquire()), SlotState::free);
  }

  ScratchDirectory scratch_;
  std::unique_ptr<Mapping> mapping_ = create_and_attach(small_arena(scratch_.path()));
  std::unique_ptr<Attachment> judge_ = must_open(*mapping_);
  Shared<Board> board_;
};

TEST_F(Life, EndsWithSigkill) {
  Child child = attached([](Attachment&) {});
  observed();
  EXPECT_TRUE(is_alive());
  child.kill_and_wait();
  EXPECT_TRUE(dies());
  EXPECT_EQ(attachment_slot(*mapping_, 1).state.load_relaxed(), slot_word(1, SlotState::dead));
  EXPECT_EQ(judge_->take_over_the_dead(), 1u);
  expect_all_freed();
  EXPECT_EQ(mapping_->control().takeovers.load_relaxed(), 1u);
}

TEST_F(Life, EndsWithExitThoughNothingWasDetached) {
  Child child = attached([](Attachment&) { _exit(0); });
  observed();
  EXPECT_TRUE(child.succeeded());
  EXPECT_TRUE(dies());
  expect_all_freed();
}

TEST_F(Life, OutlivesTheClosingOfEveryDescriptor) {
  Child child = attached([this](Attachment&) {
    closefrom(3);
    board_->step.store_release(1);
  });
  observed();
  ASSERT_TRUE(await([&] { return board_->step.load_acquire() == 1; }));
  EXPECT_TRUE(is_alive());
  EXPECT_EQ(judge_->take_over_the_dead(), 0u);
  child.kill_and_wait();
  EXPECT_TRUE(dies());
}

// POSIX locks would be lost here; opening and closing the same file is what a backup does.
TEST_F(Life, OutlivesOpeningAndClosingTheFileItself) {
  Child child = attached([this](Attachment&) {
    for (int i = 0; i < 3; ++i) close(open((scratch_.path() + "/casbook.book").c_str(), O_RDWR));
    (void)must_open(*must_attach(scratch_.path()));
    board_->step.store_release(1);
  });
  observed();
  ASSERT_TRUE(await([&] { return board_->step.load_acquire() == 1; }));
  EXPECT_TRUE(is_alive());
}

TEST_F(Life, IsNotKeptByAForkedChild) {
  Child child = attached([this](Attachment&) {
    const pid_t orphan = fork();
    if (orphan == 0) sleep_forever();
    require(orphan > 0, "fork");
    board_->other.store_release(static_cast<uint64_t>(orphan));
  });
  observed();
  ASSERT_TRUE(await([&] { return board_->other.load_acquire() != 0; }));
  EXPECT_TRUE(is_alive());
  child.kill_and_wait();
  EXPECT_TRUE(dies());
  const auto orphan = static_cast<pid_t>(board_->other.load_acquire());
  EXPECT_EQ(kill(orphan, 0), 0) << "the orphan lives on";
  expect_all_freed();
  signal_process(orphan, SIGKILL);
}

TEST_F(Life, IsNotEndedByTheExitOfAForkedChild) {
  Child child = attached([this](Attachment& attachment) {
    Child forked([&] { attachment.~Attachment(); });
    require(forked.succeeded(), "forked child");
    board_->step.store_release(1);
  });
  observed();
  ASSERT_TRUE(await([&] { return board_->step.load_acquire() == 1; }));
  EXPECT_TRUE(is_alive());
}

TEST_F(Life, IsNotKeptByASpawnedProgram) {
  Child child = attached([this](Attachment&) {
    pid_t program = 0;
    char name[] = "sleep", time[] = "100";
    char* arguments[] = {name, time, nullptr};
    require(posix_spawnp(&program, "sleep", nullptr, nullptr, arguments, environ) == 0, "spawn");
    board_->other.store_release(static_cast<uint64_t>(program));
  });
  observed();
  ASSERT_TRUE(await([&] { return board_->other.load_acquire() != 0; }));
  EXPECT_TRUE(is_alive());
  child.kill_and_wait();
  EXPECT_TRUE(dies());
  const auto program = static_cast<pid_t>(board_->other.load_acquire());
  EXPECT_EQ(kill(program, 0), 0) << "the program lives on";
  signal_process(program, SIGKILL);
}

TEST_F(Life, EndsWithExec) {
  Child child = attached([this](Attachment&) {
    await([&] { return board_->step.load_acquire() == 1; });
    execlp("sleep", "sleep", "100", nullptr);
  });
  observed();
  EXPECT_TRUE(is_alive());
  board_->step.store_release(1);
  EXPECT_TRUE(dies());
  EXPECT_EQ(kill(child.pid(), 0), 0) << "the process itself lives on";
  expect_all_freed();
}

TEST_F(Life, IsNotDoubtedWhileStopped) {
  Child child = attached([](Attachment&) {});
  observed();
  child.signal(SIGSTOP);
  int status;
  ASSERT_EQ(waitpid(child.pid(), &status, WUNTRACED), child.pid());
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(is_alive());
    ASSERT_EQ(judge_->take_over_the_dead(), 0u);
    sleep_us(1000);
  }
  child.signal(SIGKILL);
  EXPECT_TRUE(dies());
}

// A daemon that starts as root and then becomes somebody else cannot look at others any more; it
// must not take that for their death.
TEST_F(Life, IsNotDoubtedByWhoMayNotLook) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const AttachmentRef own = judge_->ref();
  Child child = attached([own](Attachment& attachment) {
    require(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
    require(attachment.is_alive(own), "a living one was declared dead");
    require(attachment.take_over_the_dead() == 0, "taken over");
    _exit(0);
  });
  EXPECT_TRUE(child.succeeded());
}

TEST_F(Life, IsNotDoubtedByWhoHasNoDescriptorLeft) {
  const AttachmentRef own = judge_->ref();
  Child child = attached([own](Attachment& attachment) {
    while (dup(0) >= 0) {
    }
    require(attachment.is_alive(own), "a living one was declared dead");
    require(attachment.take_over_the_dead() == 0, "taken over");
    _exit(0);
  });
  EXPECT_TRUE(child.succeeded());
}

// A thread that ends without closing its session keeps the slot while the process lives; nobody
// else is disturbed.
TEST_F(Life, OfASessionIsThatOfItsProcessNotOfItsThread) {
  Child child = attached([this](Attachment& attachment) {
    std::thread([&] { require(*attachment.open_session() == 1, "second session"); }).join();
    board_->step.store_release(1);
  });
  observed();
  ASSERT_TRUE(await([&] { return board_->step.load_acquire() == 1; }));
  EXPECT_EQ(judge_->take_over_the_dead(), 0u);
  EXPECT_EQ(*judge_->open_session(), 2u);
  child.kill_and_wait();
  ASSERT_TRUE(dies());
  judge_->take_over_the_dead();
  EXPECT_EQ(*judge_->open_session(), 0u);
  EXPECT_EQ(*judge_->open_session(), 1u);
}

// Children forked by another thread in the middle of attaching: none may carry the descriptor away.
TEST_F(Life, IsNotKeptByChildrenForkedWhileAttaching) {
  Child child([this] {
    const auto mapping = must_attach(scratch_.path());
    base::AtomicU64 is_over;
    is_over.initialise(0);
    std::thread attacher([&] {
      while (is_over.load_relaxed() == 0) (void)must_open(*mapping);
    });
    std::vector<pid_t> orphans;
    for (int i = 0; i < 300; ++i) {
      const pid_t orphan = fork();
      if (orphan == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sleep_forever();
      }
      require(orphan > 0, "fork");
      orphans.push_back(orphan);
    }
    is_over.store_relaxed(1);
    attacher.join();
    // All attachments are closed by now: every lock still there is an orphan's. Slot 0 is the
    // judge's.
    const LifeProbe probe(*mapping);
    bool is_kept = false;
    for (uint32_t slot = 1; slot < 8; ++slot) is_kept |= !probe.is_provably_free(slot);
    for (const pid_t orphan : orphans) signal_process(orphan, SIGKILL);
    for (const pid_t orphan : orphans) waitpid(orphan, nullptr, 0);
    require(!is_kept, "a forked child keeps a life lock");
  });
  EXPECT_TRUE(child.succeeded());
}

// The claim that must never fail: nobody is declared dead who attaches, works and detaches as fast
// as it can while others look for the dead all the time.
TEST_F(Life, IsNeverDeniedToTheLiving) {
  std::vector<Child> living, judges;
  for (int i = 0; i < 2; ++i)
    judges.emplace_back([this] {
      const auto mapping = must_attach(scratch_.path());
      const auto attachment = must_open(*mapping);
      for (;;) require(attachment->take_over_the_dead() == 0, "somebody was taken over");
    });
  for (int i = 0; i < 2; ++i)
    living.emplace_back([this] {
      const auto mapping = must_attach(scratch_.path());
      for (int round = 0; round < 4000; ++round) {
        const auto attachment = must_open(*mapping);
        const AttachmentRef ref = attachment->ref();
        const uint32_t session = *attachment->open_session();
        require(session_slot(*mapping, session).owner.hi.load_acquire() == ref.value, "session");
        const uint64_t word = attachment_slot(*mapping, ref.index()).state.load_acquire();
        require(word == slot_word(ref.generation(), SlotState::live), "declared dead");
      }
    });
  for (Child& child : living) EXPECT_TRUE(child.succeeded());
  EXPECT_EQ(mapping_->control().takeovers.load_relaxed(), 0u);
}

}  // namespace
}  // namespace casbook::arena
