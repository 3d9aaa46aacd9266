// What somebody else does in the middle of a call: once, when the engine gets to a place, or again
// and again.
// Everything is one thread, so the other session has to be another one than the interrupted.
#pragma once

#include <functional>
#include <utility>

#include "base/probe.h"

namespace casbook::test_support {

// One at a time. The probes are its own as long as it lives.
class Interruption {
 public:
  // At the fault point `point`, when it is reached for the `nth` time.
  Interruption(base::FaultPoint point, std::function<void()> action, uint64_t nth = 1)
      : point_(point), remaining_(nth), action_(std::move(action)) {
    current = this;
    base::probes.fault = [](base::FaultPoint reached) {
      if (reached == current->point_) current->count();
    };
  }
  // Before the `nth` access to shared memory from now on.
  Interruption(uint64_t nth, std::function<void()> action)
      : remaining_(nth), action_(std::move(action)) {
    current = this;
    base::probes.access = [](const void*) { current->count(); };
  }
  ~Interruption() {
    base::probes.fault = nullptr;
    base::probes.access = nullptr;
    current = nullptr;
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  bool has_happened() const { return has_happened_; }

 private:
  void count() {
    if (remaining_ == 0 || --remaining_ != 0) return;
    has_happened_ = true;
    action_();
  }

  inline static Interruption* current = nullptr;
  base::FaultPoint point_ = base::FaultPoint::count;
  uint64_t remaining_;
  std::function<void()> action_;
  bool has_happened_ = false;
};

// A payment at every so many accesses to shared memory, from beginning to end.
class Storm {
 public:
  Storm(uint64_t accesses, std::function<void()> pay) : accesses_(accesses), pay_(std::move(pay)) {
    current = this;
    base::probes.access = [](const void*) { current->count(); };
  }
  ~Storm() { base::probes.access = nullptr; }
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;

  uint64_t payments() const { return payments_; }

 private:
  void count() {
    if (is_paying_ || ++seen_ % accesses_ != 0) return;
    is_paying_ = true;
    pay_();
    ++payments_;
    is_paying_ = false;
  }

  inline static Storm* current = nullptr;
  uint64_t accesses_, seen_ = 0, payments_ = 0;
  std::function<void()> pay_;
  bool is_paying_ = false;
};

}  // namespace casbook::test_support
