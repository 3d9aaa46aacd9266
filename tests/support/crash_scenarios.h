// What processes do when they are struck: payments in both lanes, conflicts, helping, take-over,
// attaching, creating, following, leases, marks, audits. Each scenario passes some of the fault
// points; all together pass every one.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "support/child_process.h"
#include "support/crash_book.h"
#include "support/strike.h"

namespace casbook::test_support {

// One run of a scenario. Made before the victim is forked.
struct Stage {
  explicit Stage(uint64_t payments = 4000,
                 std::chrono::milliseconds window = std::chrono::hours(24))
      : book(payments, window) {}
  // A victim that is stopped for long may find its leases expired.
  bool is_patient() const { return ttl == std::chrono::hours(1); }

  CrashBook book;
  std::vector<Child> others;    // stopped or waiting processes that the scenario needs
  bool is_shared = false;       // another scenario is played in this book too
  std::optional<Child> waiter;  // for a lease that the victim releases
  Lease held;                   // by the surviving process
  Strike strike;
  Passages* passages = nullptr;                           // set: count instead of striking
  std::chrono::milliseconds ttl = std::chrono::hours(1);  // of the leases that the victim takes

  // In the victim, once it is set up.
  void begin() const;
};

struct Scenario {
  std::string name;
  std::function<void(Stage&)> prepare;  // in the survivor, before the victim is there
  std::function<void(Stage&)> act;      // in the victim
  // In the survivor, when the victim is dead or done: retries everything under the same ids and
  // frees everything. The balances are then known.
  std::function<void(Stage&)> settle;
  bool refuses = false;  // until settled it may keep others from paying, as it should
};
inline void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

const std::vector<Scenario>& scenarios();

// In a child: attaches, opens a session, acquires the lease "till" and pays under it.
void pay_guarded(Stage& stage, const Payment& payment);

// Runs the scenario to its end, unstruck, and tells what its victim passed.
Passages passages_of(const Scenario& scenario);

}  // namespace casbook::test_support
