// The chaos run: gateway-like workers pay, retry under the same ids and guard payments by short
// leases; they are killed and stopped at random and at fault points, and started again; readers
// look on. A checker follows the log from its first record and knows the truth by itself.
//
// Who knows what:
//   worker w   payment k is a function of (seed, w, k). It tells the checker, through a pipe, what
//              it is about to do and what it was answered, each before it goes on.
//   checker    replays every record into its own map, from nothing, and judges each by the map, by
//              its own view of who holds which lease, and by what the workers said.
#pragma once

#include <array>
#include <chrono>
#include <string>

#include <casbook/casbook.h>

#include "base/atomic.h"
#include "base/probe.h"

namespace casbook::test_support::chaos {

constexpr uint32_t kWorkersMax = 8;
constexpr uint32_t kAccounts = 32;  // few: payments meet
constexpr Amount kFunds = 300;      // little: refusals happen
constexpr uint32_t kSlow = 5;       // payments of so many accounts begin in the slow lane
constexpr uint32_t kLeases = 4;
constexpr std::chrono::milliseconds kTtl{20};
constexpr const char* kName = "chaos";
constexpr uint64_t kSetUp = 255;  // the "worker" that opens accounts and funds them
// Book time runs faster than the clock, so that ids leave the window within a short run.
constexpr int64_t kTimeFactor = 10;
constexpr std::chrono::seconds kWindow{100};

// What may be found wrong, by whom it was found.
enum class Problem : uint32_t {
  log,              // a hole, or a record that cannot be read
  old_value,        // a record's old value is not what the one before left
  money,            // a record makes or loses money, or moves other money than its payment says
  refusal,          // refused without reason, or executed against a limit
  twice,            // a payment id is executed again
  acknowledgement,  // a worker was answered otherwise than the log says
  stale_guard,      // paid under a token that was not the lease's any more
  missing_guard,    // the record does not name the guard
  lease,            // a lease changed hands against the rules
  balance,          // the book holds something else than the replay
  reader,           // a reader saw money made or lost, or the log run backwards
  defect,           // a process ended by an assert or an unexpected answer
  stall,            // the others did not get on
  count
};
constexpr size_t kProblems = static_cast<size_t>(Problem::count);
const char* problem_name(Problem problem);

// Shared by all processes of a run.
struct Board {
  struct Worker {
    base::AtomicU64 next;            // the payment it is at
    base::AtomicU64 id_time_ms[2];   // of payment k at [k % 2]: a retry has the same id
    base::AtomicU64 stale, replays;  // refused as stale; answered as a replay
  };
  Worker workers[kWorkersMax];
  base::AtomicU64 is_following, must_stop, is_over;
  base::AtomicU64 records, payments, refusals, grants, takeovers, reads;
  base::AtomicU64 problems[kProblems];

  // Counts it and says it, unless it was said often. For any process.
  void report(Problem problem, const std::string& what);
  bool found(Problem problem) const {
    return problems[static_cast<size_t>(problem)].load_relaxed() != 0;
  }
};

// What a worker says. 64 bytes, written at once: whole or not at all.
struct Message {
  enum Kind : uint64_t { intent, answer };
  uint64_t kind, number, place, token;  // 0 as token: no guard
  uint64_t position, code, replayed, reserved;
};
static_assert(sizeof(Message) == 64);

// The payment of that number of that worker.
struct Plan {
  PaymentId id;
  bool is_guarded = false;
  uint32_t lease = 0;
  uint32_t postings = 0;
  struct Part {
    uint32_t account;
    Side side;
    Amount amount;
  };
  std::array<Part, kPaymentPostingsMax> parts{};
};
Plan plan_payment(uint64_t seed, uint64_t worker, uint64_t number, int64_t id_time_ms);
// Who sent it, and as its which.
struct Sender {
  uint64_t worker, number;
};
Sender sender_of(const PaymentId& id);
std::string lease_name(uint32_t lease);

// Sets this process's clock. Called often, since it is a jump each time.
void run_clock_fast(int64_t start_ns);

struct WorkerContext {
  Board* board;
  std::string directory;
  uint64_t seed = 0, worker = 0;
  int64_t start_ns = 0;
  int pipe = -1;
  base::Mutant mutant = base::Mutant::none;
  uint64_t random_seed = 1;
  bool is_struck = false;  // at a fault point
};
// Pays until told to stop.
void work(const WorkerContext& context);

struct CheckerContext {
  Board* board;
  std::string directory;
  uint64_t seed = 0;
  std::array<int, kWorkersMax> pipes{};
};
// Follows and judges until the run is over; then compares the book with the replay.
void check(const CheckerContext& context);

}  // namespace casbook::test_support::chaos
