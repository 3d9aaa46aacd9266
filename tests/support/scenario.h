// Directed schedules: each drives a few processes to exactly the places where a rule is needed. The
// directed tests run them one by one, the hunt for mutants all.
#pragma once

#include <span>
#include <string>

#include "support/commit_world.h"

namespace casbook::test {

// A world with shortcuts for driving it by hand.
class Stage {
 public:
  explicit Stage(const WorldOptions& options = default_options()) : world(options) {}

  // One session for each of up to four payers, one descriptor in turn, six accounts.
  static WorldOptions default_options();

  Process& payer(uint32_t session, std::function<void(Payer&)> body);
  Process& other(std::function<void()> body);
  // Runs somebody else's descriptors, as whoever takes a session over.
  Process& helper_of(uint32_t session);
  // `process` to the nth time at that place. Not getting there is a fault of the scenario.
  void to_fault(Process& process, base::FaultPoint point, int nth = 1);
  void to_cas(Process& process, const void* address, int nth = 1);
  void to_access(Process& process, const void* address, int nth = 1);
  void finish(Process& process) { world.schedule.finish(process); }
  // `count` transfers of 1 between two accounts, to and fro, one after another.
  void pay(uint32_t session, uint32_t account, uint64_t count);

  commit::Descriptor& descriptor(uint32_t session, uint32_t index = 0) const {
    return world.store().descriptor(session, index);
  }
  commit::Cell& cell(uint32_t account) const {
    return world.store().cell(world.arena.account(account));
  }
  // The first rule broken, or the first expectation that failed; a text that begins with "setup"
  // means that the scenario did not get where it wanted.
  void expect(bool is_right, const std::string& what);
  std::string end() { return world.sweep_and_check(); }

  World world;

 private:
  Process& start(int id, std::function<void()> body);

  int next_id_ = 50;
};

struct Scenario {
  const char* name;
  std::string (*run)();
};

std::span<const Scenario> commit_scenarios();
std::span<const Scenario> gate_scenarios();
std::span<const Scenario> log_scenarios();
std::span<const Scenario> follower_scenarios();

}  // namespace casbook::test
