#include "cli/apply_crew.h"

#include <cerrno>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace casbook::cli {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTick{100};
constexpr milliseconds kStopPatience{2000};  // then a worker that was told to stop is killed
constexpr uint32_t kFruitlessDeathsMax = 5;  // in a row: no row of the share was answered between

struct Post {
  pid_t pid = -1;  // -1: nobody works here
  uint64_t answered_at_start = 0;
  uint32_t fruitless_deaths = 0;
};

class Crew {
 public:
  Crew(const ApplySetting& setting, CrewReport& report)
      : setting_(setting), report_(report), posts_(setting.plan.shares.size()) {}

  void start_all() {
    for (uint32_t w = 0; w < posts_.size(); ++w)
      if (!setting_.plan.shares[w].empty()) start(w);
  }
  bool is_working() const {
    for (const Post& post : posts_)
      if (post.pid >= 0) return true;
    return false;
  }
  void reap() {
    for (uint32_t w = 0; w < posts_.size(); ++w) {
      int status = 0;
      if (posts_[w].pid < 0 || waitpid(posts_[w].pid, &status, WNOHANG) != posts_[w].pid) continue;
      posts_[w].pid = -1;
      if (WIFSIGNALED(status))
        replace(w);
      else if (WEXITSTATUS(status) != 0)
        report_.failures.push_back(
            static_cast<Code>(setting_.board.workers[w].failure.load_relaxed()));
    }
  }
  void stop() {
    setting_.board.control[0].stopping.store_relaxed(1);
    if (report_.is_stopped) kill_all();  // asked a second time
    report_.is_stopped = true;
    stop_deadline_ = steady_clock::now() + kStopPatience;
  }
  void hurry() {
    if (report_.is_stopped && steady_clock::now() > stop_deadline_) kill_all();
  }
  uint64_t answered() const {
    uint64_t sum = 0;
    for (uint32_t w = 0; w < posts_.size(); ++w)
      sum += setting_.board.workers[w].answered.load_relaxed();
    return sum;
  }

 private:
  void start(uint32_t w) {
    Post& post = posts_[w];
    post.answered_at_start = setting_.board.workers[w].answered.load_relaxed();
    const pid_t parent = getpid();
    post.pid = fork();
    if (post.pid < 0) report_.failures.push_back(Code::io_error);
    if (post.pid != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // it died before it could be asked to tell
    const auto done = run_apply_worker(setting_, w);
    if (!done)
      setting_.board.workers[w].failure.store_relaxed(static_cast<uint64_t>(done.error().code));
    _exit(done ? 0 : 1);
  }
  void replace(uint32_t w) {
    if (report_.is_stopped) return;  // killed by us, or as good as
    ++report_.killed;
    Post& post = posts_[w];
    const bool is_fruitless =
        setting_.board.workers[w].answered.load_relaxed() == post.answered_at_start;
    post.fruitless_deaths = is_fruitless ? post.fruitless_deaths + 1 : 0;
    if (post.fruitless_deaths < kFruitlessDeathsMax)
      start(w);
    else
      report_.given_up.push_back(w);
  }
  void kill_all() {
    for (const Post& post : posts_)
      if (post.pid >= 0) kill(post.pid, SIGKILL);
  }

  const ApplySetting& setting_;
  CrewReport& report_;
  std::vector<Post> posts_;
  steady_clock::time_point stop_deadline_{};
};

}  // namespace

CrewReport run_crew(const ApplySetting& setting, const std::function<void(uint64_t)>& on_tick) {
  CrewReport report;
  StopSignals signals;
  Crew crew(setting, report);
  const auto start = steady_clock::now();
  auto next_tick = start;
  crew.start_all();
  // Ends: every share ends, or is given up after a bounded number of deaths.
  while (crew.is_working()) {
    if (steady_clock::now() >= next_tick) {
      on_tick(crew.answered());
      next_tick = steady_clock::now() + kTick;
    }
    if (signals.wait(kTick) == StopSignals::Woken::stop) crew.stop();
    crew.reap();
    crew.hurry();
  }
  report.duration = steady_clock::now() - start;
  on_tick(crew.answered());
  return report;
}

}  // namespace casbook::cli
