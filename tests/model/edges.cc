// A second opinion on the fences: the edges [publish] and [recycle] of engine/commit/PROTOCOL.md,
// section 8, under the C++ memory model as relacy simulates it. This is an extract of the functions named, not the code.
//
//   WEAKEN=0  as written, has to pass        1 to 4  one order weakened, has to fail
//
// No 16-byte CAS is needed here: the owner stores the status, and the helper only looks. The release
// of the {initial} store is for the locks, which are not in this extract, so it has no variant.
#include <relacy/relacy.hpp>

#ifndef WEAKEN
#define WEAKEN 0
#endif

namespace {

constexpr rl::memory_order order(int variant, rl::memory_order strong) {
  return WEAKEN == variant ? rl::mo_relaxed : strong;
}

// [publish] and [recycle]: Committer::publish() against Executor::copy_body(). The status is
// sequence << 1 | undecided; both words of the body hold the sequence.
struct Recycle : rl::test_suite<Recycle, 2> {
  rl::atomic<unsigned> status, body[2];

  void before() {
    status($).store(0, rl::mo_relaxed);
    for (auto& word : body) word($).store(0, rl::mo_relaxed);
  }
  void publish(unsigned sequence) {
    status($).store(sequence << 1, rl::mo_release);
    if (WEAKEN != 1) rl::atomic_thread_fence(rl::mo_release, $);
    for (auto& word : body) word($).store(sequence, rl::mo_relaxed);
    status($).store(sequence << 1 | 1, order(2, rl::mo_release));
  }
  void copy_body() {
    const unsigned before = status($).load(order(3, rl::mo_acquire));
    if (!(before & 1)) return;
    const unsigned one = body[0]($).load(rl::mo_relaxed);
    const unsigned two = body[1]($).load(rl::mo_relaxed);
    if (WEAKEN != 4) rl::atomic_thread_fence(rl::mo_acquire, $);
    if (status($).load(rl::mo_relaxed) >> 1 != before >> 1) return;
    RL_ASSERT(one == before >> 1 && two == before >> 1);
  }
  void thread(unsigned index) {
    if (index == 0) {
      publish(1);
      publish(2);
    } else {
      copy_body();
    }
  }
};

}  // namespace

int main() {
  rl::test_params params;
  params.iteration_count = 200000;
  params.search_type = rl::random_scheduler_type;
  return rl::simulate<Recycle>(params) ? 0 : 1;
}
