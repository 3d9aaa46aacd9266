#include "support/exhaustive_schedule.h"

namespace casbook::test {

namespace {

struct Switches {
  int first, second, again;  // contended accesses before each switch
};

class Explorer {
 public:
  Explorer(const TwoProcesses& processes, int stride) : processes_(processes), stride_(stride) {}

  ExhaustiveResult run() {
    Switches at{};
    for (at.first = 0;; ++at.first) {
      for (at.second = 0;; ++at.second) {
        for (at.again = (at.first + at.second) % stride_;; at.again += stride_) {
          if (!run_one(at)) return result_;
          if (has_again_ended_) break;
        }
        if (has_second_ended_) break;
      }
      if (has_first_ended_) return result_;
    }
  }

 private:
  // True: the process came to its end before.
  bool run_points(World& world, Process& process, int points) {
    if (points == 0) return false;
    return !world.schedule.run_to(
        process,
        [&](const Site& site) { return site.address && world.arena.is_contended(site.address); },
        points);
  }

  bool run_one(const Switches& at) {
    WorldOptions options;
    options.shape = {.sessions = 2, .accounts = 3, .ring = 64, .blocks = 4, .block_bytes = 512};
    World world(options);
    Process& first = world.schedule.spawn(0, [&] { processes_.first(world); });
    Process& second = world.schedule.spawn(1, [&] { processes_.second(world); });
    has_first_ended_ = run_points(world, first, at.first);
    has_second_ended_ = run_points(world, second, at.second);
    has_again_ended_ = has_first_ended_ || run_points(world, first, at.again);
    if (processes_.first_dies && first.can_run()) world.schedule.kill(first);
    if (second.can_run()) world.schedule.finish(second);
    if (first.can_run()) world.schedule.finish(first);
    ++result_.schedules;
    result_.violation = world.sweep_and_check();
    if (result_.violation.empty()) return true;
    result_.violation += " (switches after " + std::to_string(at.first) + ", " +
                         std::to_string(at.second) + ", " + std::to_string(at.again) + ")";
    return false;
  }

  const TwoProcesses& processes_;
  const int stride_;
  bool has_first_ended_ = false, has_second_ended_ = false, has_again_ended_ = false;
  ExhaustiveResult result_;
};

}  // namespace

ExhaustiveResult explore_exhaustively(const TwoProcesses& processes, int stride) {
  return Explorer(processes, stride).run();
}

}  // namespace casbook::test
