// What happens to the workers: one is killed at its desk and comes back, one is stopped at its desk
// until another has taken the desk's lease, and then goes on as if nothing had happened.
#pragma once

#include "cli/demo/clock.h"
#include "cli/demo/crew.h"

namespace casbook::cli::demo {

// A running process that shows no pulse for longer counts as blocked.
constexpr int64_t kSilenceNsMax = kSecond;

struct IncidentCounts {
  uint32_t kills = 0;
  uint32_t kills_at_desk = 0;  // of those: in the middle of its work, holding a lease
  uint32_t comebacks = 0;      // of killed workers that held a desk again
  uint32_t stops = 0;          // past the lease, which another took meanwhile
  uint32_t disproved = 0;      // of those stopped that then had a stale payout refused
};

// A state machine: step() is called every few milliseconds and never blocks for long. Kills and
// stops take turns; the next one begins when the last one is over and its time has come.
class Incidents {
 public:
  // Says what happened, in one line.
  using Tell = std::function<void(const std::string&)>;

  // `first_member`: index of the first worker in the crew.
  Incidents(const Setting& setting, const Book& book, Crew& crew, uint32_t first_member, Tell tell)
      : setting_(setting),
        book_(book),
        crew_(crew),
        first_member_(first_member),
        tell_(std::move(tell)) {}

  // `progress`: of the whole run, 0 to 1.
  void step(double progress);
  // Whether no accident is in course; one lasts a few seconds at most.
  bool is_quiet() const { return state_ == State::quiet; }
  // Lets who is stopped go on, so that all can end.
  void finish();

  const IncidentCounts& counts() const { return counts_; }

 private:
  enum class State { quiet, seeking_kill, dead, returning, seeking_stop, stopped, awake };

  WorkerBoard& board(uint32_t worker) const { return setting_.records.board().workers[worker]; }
  uint64_t stale_count() const;
  bool is_at_desk(uint32_t worker) const;
  bool is_desk_taken() const;
  void enter(State state);
  void tell(const std::string& text) const {
    tell_("worker " + std::to_string(worker_ + 1) + text);
  }

  void step_quiet(double progress);
  void step_seeking_kill();
  void step_dead();
  void step_returning();
  void step_seeking_stop();
  void step_stopped();
  void step_awake();

  const Setting& setting_;
  const Book& book_;
  Crew& crew_;
  const uint32_t first_member_;
  const Tell tell_;
  IncidentCounts counts_;
  State state_ = State::quiet;
  int64_t since_ns_ = 0;
  uint32_t done_ = 0;    // incidents begun
  uint32_t worker_ = 0;  // whose turn it is
  uint64_t desk_ = 0, token_ = 0, before_ = 0;
};

}  // namespace casbook::cli::demo
