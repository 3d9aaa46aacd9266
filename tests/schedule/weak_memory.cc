// The model of weak memory itself, by the classic litmus tests: what it allows has to be seen, what
// it forbids never.
#include <gtest/gtest.h>

#include <utility>

#include "base/atomic.h"
#include "support/random_schedule.h"

namespace casbook::test {
namespace {

using base::AtomicU64;

struct Words {
  AtomicU64 x, y;
  base::AtomicPair pair;
  uint64_t r1 = 0, r2 = 0;
};

using Body = void (*)(Words&);

// How often `is_odd` holds after the processes ran, in 20,000 schedules.
uint64_t count_odd(std::initializer_list<Body> bodies, bool (*is_odd)(const Words&)) {
  weakness = {.is_on = true};
  uint64_t odd = 0;
  for (uint64_t seed = 1; seed <= 20'000; ++seed) {
    Words words{};
    Schedule schedule(seed);
    int id = 0;
    for (const Body body : bodies) schedule.spawn(id++, [body, &words] { body(words); });
    for (;;) {
      std::vector<Process*> ready;
      for (const auto& process : schedule.processes())
        if (process->can_run()) ready.push_back(process.get());
      if (ready.empty()) break;
      schedule.step(*ready[schedule.random().below(ready.size())]);
    }
    odd += is_odd(words);
  }
  weakness = {};
  return odd;
}

// y is the flag, x the message.
bool is_message_missed(const Words& words) { return words.r1 != 0 && words.r2 == 0; }
void write_relaxed(Words& w) { w.x.store_relaxed(1), w.y.store_relaxed(1); }
void write_released(Words& w) { w.x.store_relaxed(1), w.y.store_release(1); }
void write_fenced(Words& w) {
  w.x.store_relaxed(1);
  base::release_fence();
  w.y.store_relaxed(1);
}
void read_relaxed(Words& w) { w.r1 = w.y.load_relaxed(), w.r2 = w.x.load_relaxed(); }
void read_acquired(Words& w) { w.r1 = w.y.load_acquire(), w.r2 = w.x.load_relaxed(); }
void read_fenced(Words& w) {
  w.r1 = w.y.load_relaxed();
  base::acquire_fence();
  w.r2 = w.x.load_relaxed();
}

TEST(WeakMemory, MissesAMessageUnlessBothEndsAreOrdered) {
  EXPECT_GT(count_odd({write_relaxed, read_relaxed}, is_message_missed), 0u);
  EXPECT_GT(count_odd({write_relaxed, read_acquired}, is_message_missed), 0u);
  EXPECT_GT(count_odd({write_released, read_relaxed}, is_message_missed), 0u);
  for (const Body writer : {write_released, write_fenced})
    for (const Body reader : {read_acquired, read_fenced})
      EXPECT_EQ(count_odd({writer, reader}, is_message_missed), 0u);
}

// A swap between the release and the acquire passes the message on; a plain store does not.
void swap_flag(Words& w) { w.y.cas_acq_rel(1, 2); }
void add_to_flag(Words& w) { w.y.add_relaxed(2); }
void store_flag(Words& w) {
  if (w.y.load_relaxed() == 1) w.y.store_relaxed(2);
}

TEST(WeakMemory, ReleaseSequenceGoesThroughSwapsOnly) {
  const auto is_two_missed = [](const Words& words) { return words.r1 == 2 && words.r2 == 0; };
  const auto is_sum_missed = [](const Words& words) { return words.r1 == 3 && words.r2 == 0; };
  EXPECT_EQ(count_odd({write_released, swap_flag, read_acquired}, is_two_missed), 0u);
  EXPECT_EQ(count_odd({write_released, add_to_flag, read_acquired}, is_sum_missed), 0u);
  EXPECT_GT(count_odd({write_released, store_flag, read_acquired}, is_two_missed), 0u);
}

// Each stores and looks at the other's: only full fences forbid that both see nothing.
template <bool fenced>
void store_and_look(AtomicU64& mine, const AtomicU64& other, uint64_t& seen) {
  mine.store_release(1);
  if (fenced) base::full_fence();
  seen = other.load_acquire();
}
template <bool fenced>
void x_then_y(Words& w) { store_and_look<fenced>(w.x, w.y, w.r1); }
template <bool fenced>
void y_then_x(Words& w) { store_and_look<fenced>(w.y, w.x, w.r2); }

TEST(WeakMemory, BothMissEachOtherWithoutFullFences) {
  const auto is_missed = [](const Words& words) { return words.r1 == 0 && words.r2 == 0; };
  // Not only because the loads come first: the stores are there, and are not seen.
  EXPECT_GT(count_odd({x_then_y<false>, y_then_x<false>}, is_missed), 0u);
  EXPECT_EQ(count_odd({x_then_y<true>, y_then_x<true>}, is_missed), 0u);
}

// The words of a pair are swapped at once and loaded one by one.
void swap_pair(Words& w) { w.pair.cas16_acq_rel({0, 0}, {1, 1}); }
void read_pair(Words& w) { w.r1 = w.pair.lo.load_relaxed(), w.r2 = w.pair.hi.load_relaxed(); }
void acquire_pair(Words& w) { w.r1 = w.pair.lo.load_acquire(), w.r2 = w.pair.hi.load_relaxed(); }

TEST(WeakMemory, PairIsTornUnlessAcquired) {
  EXPECT_GT(count_odd({swap_pair, read_pair}, is_message_missed), 0u);
  EXPECT_EQ(count_odd({swap_pair, acquire_pair}, is_message_missed), 0u);
}

// Who has seen a store never sees an older one of that word again.
void store_twice(Words& w) { w.x.store_relaxed(1), w.x.store_relaxed(2); }
void read_twice(Words& w) { w.r1 = w.x.load_relaxed(), w.r2 = w.x.load_relaxed(); }

TEST(WeakMemory, OneWordNeverGoesBack) {
  const auto is_back = [](const Words& words) { return words.r2 < words.r1; };
  EXPECT_EQ(count_odd({store_twice, read_twice}, is_back), 0u);
}

}  // namespace
}  // namespace casbook::test
