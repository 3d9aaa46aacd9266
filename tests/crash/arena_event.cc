// The event count under races and SIGKILL: no wake-up is lost.
#include <random>
#include <vector>

#include <sched.h>

#include <gtest/gtest.h>

#include "arena/event.h"
#include "base/probe.h"
#include "support/child_process.h"

namespace casbook::arena {
namespace {

using namespace test_support;

constexpr int64_t kSecondNs = 1'000'000'000;

void spin(uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; ++i) base::spin_pause();
}

// A word and the event that tells of its changes.
struct Signal {
  EventLine event;
  alignas(64) base::AtomicU64 value;

  // A plain release store: no barrier of its own that would hide a missing fence.
  void set(uint64_t to) {
    value.store_release(to);
    notify(event);
  }
  // False: no notification within the time, though the value is there. A lost wake-up.
  bool wait_for(uint64_t wanted, int64_t patience_ns) {
    while (value.load_acquire() < wanted) {
      const uint64_t ticket = prepare_wait(event);
      if (value.load_acquire() >= wanted) return true;
      const WaitEnd end = wait(event, ticket, monotonic_ns() + patience_ns);
      if (end == WaitEnd::timed_out && value.load_acquire() >= wanted) return false;
    }
    return true;
  }
};

// One process is about to sleep while the other changes the value and notifies. The two start each
// round together, up to a microsecond or so apart: every round is a race of prepare_wait() and
// wait() with notify().
class Race {
 public:
  static constexpr uint64_t kRounds = 150'000;

  void wait_each_round() {
    std::minstd_rand random(1);
    for (uint64_t round = 1; round <= kRounds; ++round) {
      board_->start.store_release(round);
      spin(random() % 24);
      // Patience ends only where a wake-up is lost: a waker that has had no processor for so long
      // has not set the value either, and then the wait begins again.
      require(board_->signal.wait_for(round, 2 * kSecondNs), "a wake-up was lost");
    }
  }
  void wake_each_round() {
    std::minstd_rand random(2);
    for (uint64_t round = 1; round <= kRounds; ++round) {
      for (uint64_t looks = 1; board_->start.load_acquire() < round; ++looks)
        if (looks % 4096 == 0) sched_yield();
      spin(random() % 32);
      board_->signal.set(round);
    }
  }

 private:
  struct Board {
    Signal signal;
    alignas(64) base::AtomicU64 start;
  };
  Shared<Board> board_;
};

TEST(EventCount, LosesNoWakeUpInARace) {
  Race race;
  Child waiter([&] { race.wait_each_round(); });
  Child waker([&] { race.wake_each_round(); });
  EXPECT_TRUE(waiter.succeeded());
  waker.kill_and_wait();
}

// A waker killed between counting and waking: the next one repeats its wake.
TEST(EventCount, WakeOfADeadWakerIsRepeatedByTheNext) {
  Shared<Signal> signal;
  Child waiter([&] { require(signal->wait_for(2, 20 * kSecondNs), "lost"); });
  ASSERT_TRUE(await([&] { return signal->event.wanted.load_relaxed() == 1; }));
  sleep_us(20'000);
  Child waker([&] {
    base::probes.fault = [](base::FaultPoint point) {
      if (point == base::FaultPoint::notify_before_wake) kill(getpid(), SIGKILL);
    };
    signal->set(2);
  });
  ASSERT_TRUE(waker.was_killed_by(SIGKILL));
  EXPECT_EQ(signal->event.sequence.load_relaxed(), 1u) << "counted";
  EXPECT_EQ(signal->event.woken.load_relaxed(), 0u) << "but nobody was woken";
  notify(signal->event);
  EXPECT_EQ(signal->event.woken.load_relaxed(), 1u);
  EXPECT_EQ(signal->event.sequence.load_relaxed(), 1u) << "woken again, not counted again";
  EXPECT_TRUE(waiter.succeeded());
}

// Waiters and wakers are killed at random. A waker's death may swallow its own notification; the
// next one, given here in its place, has to reach everybody. After that no notification comes
// until all living waiters have seen the last value.
class Mob {
 public:
  static constexpr uint32_t kWaiters = 3, kWakers = 2;

  explicit Mob(uint32_t seed) : random_(seed) {
    for (uint32_t i = 0; i < kWaiters; ++i) waiters_.push_back(new_waiter(i));
    for (uint32_t i = 0; i < kWakers; ++i) wakers_.push_back(new_waker());
  }

  void kill_somebody() {
    const uint32_t index = static_cast<uint32_t>(random_() % (kWaiters + kWakers));
    if (index < kWaiters) {
      waiters_[index].kill_and_wait();
      waiters_[index] = new_waiter(index);
    } else {
      wakers_[index - kWaiters].kill_and_wait();
      notify(board_->event);
      wakers_[index - kWaiters] = new_waker();
    }
  }
  void run_for_a_moment() {
    board_->is_paused.store_release(0);
    sleep_us(static_cast<int64_t>(random_() % 3000));
  }
  // True when all waiters saw the last value though no notification was given meanwhile.
  bool settles() {
    board_->is_paused.store_release(1);
    uint64_t last = 0;
    return await(
        [&] {
          const uint64_t value = board_->value.load_acquire();
          const bool is_quiet = std::exchange(last, value) == value;
          for (const base::AtomicU64& seen : board_->seen)
            if (seen.load_acquire() < value) return false;
          return is_quiet;
        },
        10);
  }
  uint64_t value() const { return board_->value.load_relaxed(); }

 private:
  struct Board {
    EventLine event;
    alignas(64) base::AtomicU64 value;
    alignas(64) base::AtomicU64 is_paused;
    alignas(64) base::AtomicU64 seen[kWaiters];
  };

  Child new_waiter(uint32_t index) {
    return Child([this, index] {
      for (;;) {
        const uint64_t ticket = prepare_wait(board_->event);
        const uint64_t value = board_->value.load_acquire();
        if (board_->seen[index].load_relaxed() != value)
          board_->seen[index].store_release(value);
        else
          (void)wait(board_->event, ticket, INT64_MAX);
      }
    });
  }
  Child new_waker() {
    return Child([this] {
      for (;;) {
        if (board_->is_paused.load_acquire() != 0 || !all_have_seen()) {
          sched_yield();
          continue;
        }
        const uint64_t value = board_->value.load_acquire();
        if (board_->value.cas_acq_rel(value, value + 1)) notify(board_->event);
      }
    });
  }
  // Wakers wait for the waiters: so each notification meets waiters that go to sleep just now.
  bool all_have_seen() const {
    const uint64_t value = board_->value.load_acquire();
    for (const base::AtomicU64& seen : board_->seen)
      if (seen.load_acquire() < value) return false;
    return true;
  }

  std::minstd_rand random_;
  Shared<Board> board_;
  std::vector<Child> waiters_, wakers_;
};

TEST(EventCount, LosesNoWakeUpWhenWaitersAndWakersAreKilled) {
  const uint32_t seed = std::random_device()() % 1'000'000 + 1;
  RecordProperty("seed", static_cast<int>(seed));
  Mob mob(seed);
  for (int round = 0; round < 300; ++round) {
    mob.run_for_a_moment();
    mob.kill_somebody();
    ASSERT_TRUE(mob.settles()) << "round " << round << ", seed " << seed;
  }
  EXPECT_GT(mob.value(), 300u);
}

}  // namespace
}  // namespace casbook::arena
