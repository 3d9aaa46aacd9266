#include "cli/demo/crew.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/demo/clock.h"

namespace casbook::cli::demo {

namespace {

// In the child: ends with the supervisor, whose signals from the terminal it ignores.
void become_member(pid_t supervisor) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != supervisor) _exit(1);  // it had died before
  for (int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);
}

// How long the process has waited for a processor so far; 0 where the kernel does not tell. What it
// is waiting for at this moment is counted when it gets one.
int64_t queued_ns_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
  int64_t ran_ns = 0, queued_ns = 0;
  file >> ran_ns >> queued_ns;
  return queued_ns;
}

std::string describe_end(const std::string& name, int status) {
  if (WIFSIGNALED(status)) return name + " was ended by signal " + std::to_string(WTERMSIG(status));
  return name + " exited with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

uint32_t Crew::add(std::string name, const base::AtomicU64& pulse, Role role) {
  members_.push_back({std::move(name), &pulse, std::move(role)});
  start(members_.back());
  return static_cast<uint32_t>(members_.size() - 1);
}

void Crew::start(Member& member) {
  std::fflush(nullptr);  // else the child would print it again
  const pid_t supervisor = getpid();
  member.pid = fork();
  if (member.pid == 0) {
    become_member(supervisor);
    _exit(member.role());
  }
  if (member.pid < 0) failures_.push_back(member.name + " cannot be forked: " + strerror(errno));
  member.is_stopped = false;
  member.pulse_seen = member.pulse->load_relaxed();
  member.pulse_ns = 0;
  member.silent_ns = 0;
}

void Crew::reap(Member& member, int flags) {
  int status = 0;
  if (member.pid < 0 || waitpid(member.pid, &status, flags) != member.pid) return;
  member.pid = -1;
  if (status != 0) failures_.push_back(describe_end(member.name, status));
}

bool Crew::kill(uint32_t index) {
  Member& member = members_[index];
  if (member.pid < 0) return false;
  ::kill(member.pid, SIGKILL);
  int status = 0;
  waitpid(member.pid, &status, 0);
  member.pid = -1;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
  failures_.push_back(describe_end(member.name, status));
  return false;
}

bool Crew::stop(uint32_t index) {
  Member& member = members_[index];
  if (member.pid < 0) return false;
  ::kill(member.pid, SIGSTOP);
  int status = 0;
  waitpid(member.pid, &status, WUNTRACED);
  member.is_stopped = WIFSTOPPED(status);
  if (member.is_stopped) return true;
  member.pid = -1;
  failures_.push_back(describe_end(member.name, status));
  return false;
}

void Crew::resume(uint32_t index) {
  Member& member = members_[index];
  if (member.pid < 0) return;
  ::kill(member.pid, SIGCONT);
  member.is_stopped = false;
  member.silent_ns = 0;
  if (member.pulse_ns != 0) member.pulse_ns = now_ns();
}

void Crew::listen(Member& member, int64_t now) {
  if (member.is_stopped && member.pulse_ns != 0) return;
  const uint64_t pulse = member.pulse->load_relaxed();
  if (pulse == member.pulse_seen) {
    if (member.silent_ns == 0) member.queued_ns = queued_ns_of(member.pid);
    member.silent_ns = now;
    return;
  }
  // Up to the last look that saw no pulse: the supervisor's own waiting is nobody's silence.
  if (member.silent_ns != 0 && member.pulse_ns != 0) {
    const int64_t queued = queued_ns_of(member.pid) - member.queued_ns;
    const int64_t silence = member.silent_ns - member.pulse_ns - queued;
    if (silence > silence_ns_) silence_ns_ = silence, silent_name_ = member.name;
  }
  member.pulse_seen = pulse;
  member.pulse_ns = now;
  member.silent_ns = 0;
}

bool Crew::all_heard() const {
  for (const Member& member : members_)
    if (member.pid >= 0 && member.pulse_ns == 0) return false;
  return true;
}

void Crew::watch() {
  const int64_t now = now_ns();
  for (Member& member : members_) {
    reap(member, WNOHANG);
    if (member.pid >= 0) listen(member, now);
  }
}

bool Crew::join(int64_t timeout_ns) {
  const int64_t end = now_ns() + timeout_ns;
  for (;;) {
    watch();
    bool all_ended = true;
    for (const Member& member : members_) all_ended &= member.pid < 0;
    if (all_ended) return true;
    if (now_ns() > end) break;
    sleep_us(1'000);
  }
  kill_all();
  return false;
}

void Crew::kill_all() {
  for (uint32_t i = 0; i < members_.size(); ++i)
    if (members_[i].pid >= 0) kill(i);
}

}  // namespace casbook::cli::demo
