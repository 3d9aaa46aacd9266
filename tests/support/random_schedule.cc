#include "support/random_schedule.h"

#include <algorithm>

namespace casbook::test {

namespace {

enum Strategy : uint64_t { kUniform, kPriorities, kBursts, kStops, kStopAtCas, kStopAtAny, kCount };

class Runner {
 public:
  Runner(Schedule& schedule, const MemoryArena& arena, const RandomOptions& options)
      : schedule_(schedule),
        arena_(arena),
        options_(options),
        random_(schedule.random()),
        strategy_(random_.below(kCount)),
        salt_(random_.next()),
        next_kill_(10 + random_.below(400)) {
    for (uint64_t& change : changes_) change = random_.below(1500);
  }

  uint32_t run() {
    while (!schedule_.has_failed()) {
      if (schedule_.now() > options_.steps_max) {
        schedule_.fail("too many steps: somebody waits");
        break;
      }
      bear_again();
      if (!is_anybody_left()) break;
      collect();
      if (candidates_.empty()) {
        wake_next();
        continue;
      }
      Process* process = choose();
      if (!process) continue;
      last_ = process;
      schedule_.step(*process);
      maybe_kill(*process);
    }
    return kills_;
  }

 private:
  struct Rebirth {
    uint64_t at;
    std::function<void()> rebirth;
  };

  bool has_foreground() const {
    return std::ranges::any_of(schedule_.processes(), [](const auto& process) {
      return process->can_run() && !process->is_background;
    });
  }

  void bear_again() {
    const bool is_idle = !has_foreground();
    for (size_t i = 0; i < rebirths_.size();) {
      if (rebirths_[i].at > schedule_.now() && !is_idle) {
        ++i;
        continue;
      }
      const auto rebirth = rebirths_[i].rebirth;
      rebirths_.erase(rebirths_.begin() + static_cast<std::ptrdiff_t>(i));
      rebirth();
    }
    if (is_idle && !has_foreground()) schedule_.stop();
  }

  bool is_anybody_left() const {
    return std::ranges::any_of(schedule_.processes(),
                               [](const auto& process) { return process->can_run(); });
  }

  void collect() {
    candidates_.clear();
    for (const auto& process : schedule_.processes())
      if (process->can_run() &&
          (process->stopped_until <= schedule_.now() || schedule_.is_stopping()))
        candidates_.push_back(process.get());
  }

  // All are stopped: time passes only by accesses.
  void wake_next() {
    Process* next = nullptr;
    for (const auto& process : schedule_.processes())
      if (process->can_run() && (!next || process->stopped_until < next->stopped_until))
        next = process.get();
    next->stopped_until = 0;
  }

  bool may_go_on() const {
    return last_ && std::ranges::find(candidates_, last_) != candidates_.end();
  }

  // Null: the one chosen was stopped instead.
  Process* choose() {
    Process* process = candidates_[random_.below(candidates_.size())];
    if (strategy_ == kPriorities) return choose_by_priority();
    if (strategy_ == kBursts) return may_go_on() && !random_.one_in(8) ? last_ : process;
    if (strategy_ < kStops || schedule_.is_stopping() || stops_left_ == 0) return process;
    if (random_.one_in(60)) return stop(*process, 400);
    if (may_go_on() && !random_.one_in(4)) process = last_;
    if (strategy_ != kStops && is_hot(process->site) && random_.one_in(3))
      return stop(*process, random_.one_in(3) ? 6000 : 600);
    return process;
  }

  Process* choose_by_priority() {
    if (std::ranges::find(changes_, schedule_.now()) != std::end(changes_) && last_)
      last_->priority = --lowest_;
    Process* process = *std::ranges::max_element(
        candidates_, {}, [](const Process* candidate) { return candidate->priority; });
    if (process->has_yielded) {
      process->has_yielded = false;
      process->priority = --lowest_;
    }
    return process;
  }

  Process* stop(Process& process, uint64_t steps_max) {
    --stops_left_;
    process.stopped_until = schedule_.now() + 20 + random_.below(steps_max);
    process.site = {};  // not at the same place again at once
    return nullptr;
  }

  // A few kinds of places, other ones in each run.
  bool is_hot(const Site& site) const {
    uint64_t kind;
    if (site.kind == Site::Kind::fault) {
      kind = 10'000 + static_cast<uint64_t>(site.fault);
    } else if (site.kind == Site::Kind::cas) {
      kind = 2 * arena_.kind_of(site.address) + 1;
    } else if (site.kind == Site::Kind::access && strategy_ == kStopAtAny) {
      kind = 2 * arena_.kind_of(site.address);
    } else {
      return false;
    }
    return Random(kind ^ salt_).one_in(6);
  }

  void maybe_kill(Process& process) {
    if (kills_ >= options_.kills_max || !process.rebirth || !process.can_run()) return;
    if (schedule_.now() < next_kill_ || !random_.one_in(10)) return;
    schedule_.kill(process);
    ++kills_;
    next_kill_ = schedule_.now() + random_.below(400);
    rebirths_.push_back({schedule_.now() + random_.below(400), process.rebirth});
  }

  Schedule& schedule_;
  const MemoryArena& arena_;
  const RandomOptions& options_;
  Random& random_;
  uint64_t strategy_;
  uint64_t salt_;
  uint64_t changes_[6];
  uint64_t next_kill_;
  uint64_t stops_left_ = 60;  // a bound, since background processes go on meanwhile
  uint32_t kills_ = 0;
  int64_t lowest_ = 0;
  Process* last_ = nullptr;
  std::vector<Process*> candidates_;
  std::vector<Rebirth> rebirths_;
};

}  // namespace

uint32_t run_random(Schedule& schedule, const MemoryArena& arena, const RandomOptions& options) {
  return Runner(schedule, arena, options).run();
}

}  // namespace casbook::test
