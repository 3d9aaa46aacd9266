// Deterministic schedules of the real code: coroutines in one thread are the processes, and every
// access to shared memory, every pause and every fault point is a place where another may go on.
// A crash is a process that is never resumed, a stop is one that is not resumed for a while.
//
// Memory is sequentially consistent, or as weak as its orders allow (weak_memory.h): as `weakness`
// says when the schedule is made.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/probe.h"
#include "support/coroutine.h"
#include "support/random.h"
#include "support/weak_memory.h"

namespace casbook::test {

// Where a process stands: what it does when it is resumed.
struct Site {
  enum class Kind : uint8_t { start, access, cas, pause, fault };
  Kind kind = Kind::start;
  const void* address = nullptr;                     // of access and cas
  base::FaultPoint fault = base::FaultPoint::count;  // of fault
};

class Process {
 public:
  Process(int number, bool serves, std::function<void()> body)
      : id(number), is_background(serves), coroutine_(std::move(body)) {}

  bool can_run() const { return !is_dead && !coroutine_.is_done(); }
  bool is_done() const { return coroutine_.is_done(); }

  const int id;
  const bool is_background;  // serves the others; ends when Schedule::is_stopping()
  bool is_dead = false;
  Site site;
  // For random schedules.
  uint64_t stopped_until = 0;
  int64_t priority = 0;
  bool has_yielded = false;
  std::function<void()> rebirth;  // who takes over when it is killed; empty: it is never killed

 private:
  friend class Schedule;
  Coroutine coroutine_;
  uint32_t number_ = 0;  // as the weak memory knows it
};

class Schedule {
 public:
  // Takes the probes; there is one schedule at a time.
  explicit Schedule(uint64_t seed = 1);
  ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  // In weak memory a process knows what the last one of its id knew: its end was proven.
  Process& spawn(int id, std::function<void()> body) { return add(id, false, std::move(body)); }
  Process& spawn_background(int id, std::function<void()> body) {
    return add(id, true, std::move(body));
  }
  const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }

  // One access of `process`.
  void step(Process& process);
  // Until it stands before the nth site that `wanted` likes. False: it ended first.
  bool run_to(Process& process, const std::function<bool(const Site&)>& wanted, int nth = 1);
  bool run_to_fault(Process& process, base::FaultPoint point, int nth = 1);
  bool run_to_cas(Process& process, const void* address, int nth = 1);
  // To its end, alone. Failing to get there is a failure of the schedule: somebody waits.
  bool finish(Process& process, uint64_t steps_max = 100'000);
  void kill(Process& process) { process.is_dead = true; }

  // Inside a process: nothing to do until others have run.
  void idle();
  // The first one counts. Inside a process: it goes no further.
  void fail(const std::string& what);
  const std::string& failure() const { return failure_; }
  bool has_failed() const { return !failure_.empty(); }

  uint64_t now() const { return steps_; }  // accesses made so far
  bool is_stopping() const { return is_stopping_; }
  void stop() { is_stopping_ = true; }
  Random& random() { return random_; }
  // Called after each access.
  void watch(std::function<void()> observer) { observer_ = std::move(observer); }
  // Inside a process: as if outside, seeing all of memory and switching nowhere.
  void outside(const std::function<void()>& look);

  // Null: memory is sequentially consistent.
  WeakMemory* memory() { return memory_.get(); }
  // `process` sees all of memory from here on.
  void synchronise(Process& process) {
    if (memory_) memory_->synchronise(process.number_);
  }
  // `process` knows what those knew that have ended: whoever started it had waited for them.
  void tell_of_ended(Process& process);
  bool is_inside() const { return running_; }

 private:
  Process& add(int id, bool is_background, std::function<void()> body);
  static void at_site(const Site& site);

  uint64_t seed_;
  Random random_;
  std::vector<std::unique_ptr<Process>> processes_;
  Process* running_ = nullptr;
  uint64_t steps_ = 0;
  bool is_stopping_ = false;
  std::string failure_;
  std::function<void()> observer_;
  std::unique_ptr<WeakMemory> memory_;
};

}  // namespace casbook::test
