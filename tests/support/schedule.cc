#include "support/schedule.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <signal.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
// A killed process keeps its heap, as a real one does until the kernel takes all; and its stack is
// none that the sanitizer knows.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:detect_stack_use_after_return=0";
}
#endif

namespace casbook::test {

namespace {

Schedule* active = nullptr;
uint64_t active_seed = 0;

// An assert of the engine ends the program: say at least which schedule it was.
void tell_seed_of_schedule(int) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "in the schedule of seed %llu\n",
                                   static_cast<unsigned long long>(active_seed));
  (void)!write(STDERR_FILENO, text, static_cast<size_t>(length));
  signal(SIGABRT, SIG_DFL);
}

}  // namespace

Schedule::Schedule(uint64_t seed) : seed_(seed), random_(seed) {
  if (weakness.is_on) memory_ = std::make_unique<WeakMemory>(seed);
  active = this;
  active_seed = seed_;
  signal(SIGABRT, tell_seed_of_schedule);
  base::probes.access = [](const void* address) {
    at_site({Site::Kind::access, address, base::FaultPoint::count});
  };
  base::probes.cas = [](const void* address) {
    at_site({Site::Kind::cas, address, base::FaultPoint::count});
  };
  base::probes.pause = [] { at_site({Site::Kind::pause, nullptr, base::FaultPoint::count}); };
  base::probes.fault = [](base::FaultPoint point) { at_site({Site::Kind::fault, nullptr, point}); };
}

Schedule::~Schedule() {
  base::probes.access = base::probes.cas = nullptr;
  base::probes.pause = nullptr;
  base::probes.fault = nullptr;
  active = nullptr;
}

Process& Schedule::add(int id, bool is_background, std::function<void()> body) {
  processes_.push_back(std::make_unique<Process>(id, is_background, std::move(body)));
  Process& process = *processes_.back();
  process.priority = static_cast<int64_t>(1000 + random_.below(1'000'000));
  if (!memory_) return process;
  process.number_ = memory_->add_process();
  for (const auto& other : processes_)
    if (other->id == id) memory_->tell(process.number_, other->number_);
  return process;
}

// Outside of a process (a test looking at the arena) an access is just an access.
void Schedule::at_site(const Site& site) {
  if (!active || !active->running_) return;
  Process& process = *active->running_;
  const char here = 0;
  if (process.coroutine_.is_deep(&here)) active->fail("the stack is used up");
  process.site = site;
  if (site.kind == Site::Kind::pause) process.has_yielded = true;
  process.coroutine_.suspend();
}

void Schedule::step(Process& process) {
  ++steps_;
  running_ = &process;
  if (memory_) memory_->run_as(process.number_);
  process.coroutine_.resume();
  if (memory_) memory_->run_as(WeakMemory::kNobody);
  running_ = nullptr;
  if (observer_) observer_();
}

void Schedule::tell_of_ended(Process& process) {
  if (!memory_) return;
  for (const auto& other : processes_)
    if (other->is_done()) memory_->tell(process.number_, other->number_);
}

void Schedule::outside(const std::function<void()>& look) {
  Process* const inside = std::exchange(running_, nullptr);
  base::MemoryModel* const model = std::exchange(base::probes.memory, nullptr);
  look();
  base::probes.memory = model;
  running_ = inside;
}

bool Schedule::run_to(Process& process, const std::function<bool(const Site&)>& wanted, int nth) {
  for (int i = 0; i < 100'000 && !has_failed(); ++i) {
    step(process);
    if (!process.can_run()) return false;
    if (wanted(process.site) && --nth == 0) return true;
  }
  return false;
}

bool Schedule::run_to_fault(Process& process, base::FaultPoint point, int nth) {
  return run_to(
      process,
      [&](const Site& site) { return site.kind == Site::Kind::fault && site.fault == point; }, nth);
}

bool Schedule::run_to_cas(Process& process, const void* address, int nth) {
  return run_to(
      process,
      [&](const Site& site) { return site.kind == Site::Kind::cas && site.address == address; },
      nth);
}

bool Schedule::finish(Process& process, uint64_t steps_max) {
  for (uint64_t i = 0; i < steps_max && process.can_run() && !has_failed(); ++i) step(process);
  if (!process.is_done()) fail("a process that runs alone does not come to its end");
  return process.is_done();
}

void Schedule::idle() { at_site({Site::Kind::pause, nullptr, base::FaultPoint::count}); }

void Schedule::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
  if (!running_) return;
  running_->is_dead = true;
  for (;;) running_->coroutine_.suspend();
}

}  // namespace casbook::test
