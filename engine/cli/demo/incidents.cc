#include "cli/demo/incidents.h"

#include "cli/demo/settlement.h"

namespace casbook::cli::demo {

namespace {

// Each worker is killed once and stopped once, spread over the run.
constexpr double kFirstAt = 0.1, kEvery = 0.2;
constexpr uint32_t kIncidents = 2 * kWorkers;
constexpr uint64_t kToPayMin = 2;       // what a stopped worker is to find undone when it wakes up
constexpr int64_t kDeadNs = 300 * kMs;  // before the worker is started again
constexpr int64_t kStoppedNsMin = 1'200 * kMs;
static_assert(kStoppedNsMin > kSilenceNsMax, "else a stop that blocks others would not show");
static_assert(kStoppedNsMin > 2 * kLeaseTtlMs * kMs);
constexpr int64_t kPatienceNs = 5 * kSecond;

}  // namespace

uint64_t Incidents::stale_count() const {
  return board(worker_).superseded.load_relaxed() + board(worker_).missing.load_relaxed();
}

bool Incidents::is_at_desk(uint32_t worker) const {
  return board(worker).desk_1.load_relaxed() != 0;
}

// Whether the lease that the stopped worker believes to hold is another's now.
bool Incidents::is_desk_taken() const {
  auto lease = book_.lease(desk_name(desk_));
  return lease && lease->lease.token.value != token_;
}

void Incidents::enter(State state) {
  state_ = state;
  since_ns_ = now_ns();
}

void Incidents::step(double progress) {
  switch (state_) {
    case State::quiet:
      return step_quiet(progress);
    case State::seeking_kill:
      return step_seeking_kill();
    case State::dead:
      return step_dead();
    case State::returning:
      return step_returning();
    case State::seeking_stop:
      return step_seeking_stop();
    case State::stopped:
      return step_stopped();
    case State::awake:
      return step_awake();
  }
}

void Incidents::step_quiet(double progress) {
  if (done_ == kIncidents || progress >= 1 || progress < kFirstAt + kEvery * done_) return;
  worker_ = done_ / 2 % kWorkers;
  enter(done_ % 2 == 0 ? State::seeking_kill : State::seeking_stop);
  ++done_;
}

// The worker runs meanwhile, so what counts is where it was when it died.
void Incidents::step_seeking_kill() {
  if (!is_at_desk(worker_)) return;
  if (!crew_.kill(first_member_ + worker_)) return enter(State::quiet);
  ++counts_.kills;
  counts_.kills_at_desk += is_at_desk(worker_);
  tell(std::string(" killed (SIGKILL) ") + (is_at_desk(worker_) ? "at a desk" : "between desks"));
  enter(State::dead);
}

void Incidents::step_dead() {
  if (now_ns() - since_ns_ < kDeadNs) return;
  board(worker_).desk_1.store_relaxed(0);
  crew_.respawn(first_member_ + worker_);
  enter(State::returning);
}

void Incidents::step_returning() {
  if (is_at_desk(worker_)) {
    ++counts_.comebacks;
    tell(" is back at a desk");
    enter(State::quiet);
  } else if (now_ns() - since_ns_ > kPatienceNs) {
    enter(State::quiet);
  }
}

void Incidents::step_seeking_stop() {
  if (!is_at_desk(worker_)) return;
  WorkerBoard& stopped = board(worker_);
  stopped.stops.store_relaxed(stopped.stops.load_relaxed() + 1);
  if (!crew_.stop(first_member_ + worker_)) return enter(State::quiet);
  if (!is_at_desk(worker_) || stopped.to_pay.load_relaxed() < kToPayMin)
    return crew_.resume(first_member_ + worker_);  // between rounds or desks: try again
  desk_ = stopped.desk_1.load_relaxed() - 1;
  token_ = stopped.token.load_relaxed();
  before_ = stale_count();
  tell(" stopped (SIGSTOP) at desk " + std::to_string(desk_ + 1));
  enter(State::stopped);
}

void Incidents::step_stopped() {
  const int64_t stopped_ns = now_ns() - since_ns_;
  const bool taken = stopped_ns > kStoppedNsMin && is_desk_taken();
  if (!taken && stopped_ns < kPatienceNs) return;
  if (taken) ++counts_.stops;
  crew_.resume(first_member_ + worker_);
  tell(" continued after " + std::to_string(stopped_ns / kMs) + " ms; " +
       (taken ? "the other has its desk" : "nobody took its desk"));
  enter(State::awake);
}

void Incidents::step_awake() {
  if (stale_count() > before_) {
    ++counts_.disproved;
    tell(" woke up and paid on: refused, its lease is another's");
    enter(State::quiet);
  } else if (now_ns() - since_ns_ > kSecond) {
    tell(" woke up with nothing left to pay");
    enter(State::quiet);
  }
}

void Incidents::finish() {
  if (state_ == State::stopped) crew_.resume(first_member_ + worker_);
  if (state_ == State::dead) crew_.respawn(first_member_ + worker_);
  enter(State::quiet);
}

}  // namespace casbook::cli::demo
