// What the demo's processes tell one another beside the book: anonymous shared memory, made before
// the first fork. It outlives a killed process, so what that one had been answered stays known.
//
// Every word has one writer, named with it. Counters are relaxed: they order nothing; while the
// demo runs they are only shown, and what is judged at the end is read after its writer was reaped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <sys/mman.h>

#include <casbook/casbook.h>

#include "base/atomic.h"
#include "cli/demo/clock.h"
#include "cli/demo/histogram.h"

namespace casbook::cli::demo {

constexpr uint32_t kWorkers = 2;
constexpr uint32_t kDesks = 8;  // each settles every eighth merchant, under a lease

// The answer to a payment as a process noted it: 0 none yet, else the position of the receipt, of
// the recorded refusal (top bit set), or "refused as stale": nothing is in the book.
constexpr uint64_t kUnanswered = 0;
constexpr uint64_t kRefusedBit = uint64_t{1} << 63;  // a position's term has 15 bits
constexpr uint64_t kStale = ~uint64_t{0};
constexpr bool is_executed(uint64_t answer) {
  return answer != kUnanswered && !(answer & kRefusedBit);
}

// One payout of a worker: noted before it is sent, answered after.
struct Payout {
  base::AtomicU64 merchant;
  base::AtomicU64 amount;
  base::AtomicU64 answer;
};

// Counts of one process. `pulse` moves while it is not blocked.
struct alignas(64) Vitals {
  base::AtomicU64 pulse;
  base::AtomicU64 executed, refused, duplicates, wrong_duplicates;
  Histogram latency;  // of every answer, but those during which the process was stopped
};

// Writer: the worker, but for `stops`; of a dead worker the supervisor.
struct alignas(64) WorkerBoard {
  Vitals vitals;
  base::AtomicU64 desk_1;               // index of the desk held + 1; 0 = none
  base::AtomicU64 token;                // of the lease of that desk
  base::AtomicU64 to_pay;               // payouts planned under that lease and not sent yet
  base::AtomicU64 payouts;              // in the journal
  base::AtomicU64 superseded, missing;  // stale payments refused, by the answer
  base::AtomicU64 settled_before, settled_again;  // unfinished payouts of a predecessor
  alignas(64) base::AtomicU64 stops;              // by the supervisor, before each SIGSTOP
};

// Writer: the risk process.
struct alignas(64) RiskBoard {
  base::AtomicU64 pulse;
  base::AtomicU64 snapshots, violations, overruns;
  base::AtomicU64 position;
};

struct Board {
  base::AtomicU64 started, stopping;  // by the supervisor
  Vitals gateway;
  base::AtomicU64 orders;    // by the gateway: answered
  base::AtomicU64 paced_ns;  // by the gateway: waited, so that the orders last
  base::AtomicU64 ended_ns;  // by the gateway: from the start to its end
  WorkerBoard workers[kWorkers];
  RiskBoard risk;
};

// A zeroed array that children forked later share. Pages are taken when they are first touched.
// Exits by bad_alloc where the address space is exhausted.
template <class T>
class SharedArray {
 public:
  explicit SharedArray(size_t count) : count_(count) {
    void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    items_ = static_cast<T*>(memory);
  }
  ~SharedArray() { munmap(items_, count_ * sizeof(T)); }
  SharedArray(const SharedArray&) = delete;
  SharedArray& operator=(const SharedArray&) = delete;

  size_t size() const { return count_; }
  T& operator[](size_t index) const { return items_[index]; }

 private:
  T* items_;
  size_t count_;
};

// The board and the journals: what everybody was answered.
struct Records {
  Records(uint64_t orders_max, uint64_t payouts_max)
      : board_memory(1),
        orders(orders_max),
        payouts{SharedArray<Payout>(payouts_max), SharedArray<Payout>(payouts_max)} {}
  Board& board() const { return board_memory[0]; }

  SharedArray<Board> board_memory;
  SharedArray<base::AtomicU64> orders;  // answer to each order, by number
  SharedArray<Payout> payouts[kWorkers];
};

// What a child needs to know; the same in all of them.
struct Setting {
  std::string book, directory;
  uint64_t seed = 0;
  const struct Economy& economy;
  const Records& records;
};

inline void increment(base::AtomicU64& counter) {
  counter.store_relaxed(counter.load_relaxed() + 1);
}

// A process that is attached says so and waits for the others. Relaxed: the flag is all there is to
// know. Bounded by the supervisor: it starts all or ends all.
inline void wait_for_start(const Board& board, base::AtomicU64& pulse) {
  do {
    increment(pulse);
    sleep_us(200);
  } while (!board.started.load_relaxed() && !board.stopping.load_relaxed());
}

}  // namespace casbook::cli::demo
