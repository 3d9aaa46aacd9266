// The processes of the demo: who runs, who was killed or stopped, who answers no more.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "cli/demo/board.h"

namespace casbook::cli::demo {

// A child runs `role` and exits with what it returns. It dies with the supervisor, and leaves
// signals from the terminal to it.
class Crew {
 public:
  using Role = std::function<int()>;

  Crew() = default;
  ~Crew() { kill_all(); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Adds a member and starts it; `pulse` moves while it is not blocked. Returns its index.
  uint32_t add(std::string name, const base::AtomicU64& pulse, Role role);

  // SIGKILL, and reaps it. False: it had ended by itself.
  bool kill(uint32_t member);
  void respawn(uint32_t member) { start(members_[member]); }
  // SIGSTOP, and waits until it stands still. False: it ended instead.
  bool stop(uint32_t member);
  void resume(uint32_t member);

  // Whether every member was heard of since it started.
  bool all_heard() const;
  // Called often: notices who ended, and for how long nobody's pulse was seen.
  void watch();
  // Waits at most this long for all to end by themselves, then kills. False: some had to be killed.
  bool join(int64_t timeout_ns);
  void kill_all();

  // Of those that ended with another status than 0, or by a signal that was not ours: who, and how.
  const std::vector<std::string>& failures() const { return failures_; }
  // The longest time in which a running member showed no pulse, and whose it was. Time in which it
  // waited for a processor is taken off, where the kernel tells: a busy machine blocks nobody.
  int64_t silence_ns() const { return silence_ns_; }
  const std::string& silent_name() const { return silent_name_; }

 private:
  struct Member {
    std::string name;
    const base::AtomicU64* pulse;
    Role role;
    pid_t pid = -1;  // -1: does not run
    bool is_stopped = false;
    uint64_t pulse_seen = 0;
    int64_t pulse_ns = 0;   // 0: not heard of since it started; attaching takes its time
    int64_t silent_ns = 0;  // when the pulse was last seen to stand still; 0: it moves
    int64_t queued_ns = 0;  // when the silence began
  };

  void start(Member& member);
  void reap(Member& member, int flags);
  void listen(Member& member, int64_t now);

  std::vector<Member> members_;
  std::vector<std::string> failures_;
  int64_t silence_ns_ = 0;
  std::string silent_name_ = "nobody";
};

}  // namespace casbook::cli::demo
