// Processes of a test, and what they share with it.
//
// Children are told things through shared words, not pipes: some tests close every descriptor.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <utility>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace casbook::test_support {

inline int64_t monotonic_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

inline void sleep_us(int64_t us) {
  const timespec t{.tv_sec = us / 1'000'000, .tv_nsec = us % 1'000'000 * 1000};
  nanosleep(&t, nullptr);
}

// Looks every 0.2 ms for at most `seconds`. The default is generous: machines are busy.
inline bool await(const std::function<bool()>& condition, int seconds = 20) {
  const int64_t end_ns = monotonic_ns() + seconds * int64_t{1'000'000'000};
  while (!condition()) {
    if (monotonic_ns() > end_ns) return false;
    sleep_us(200);
  }
  return true;
}

// A zeroed T that children forked later share.
template <class T>
class Shared {
 public:
  Shared() {
    void* memory =
        mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    value_ = new (memory) T;  // no initialiser: the pages are zero
  }
  ~Shared() { munmap(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

 private:
  T* value_;
};

// In a child: a failed expectation ends it with exit status 1, which `Child::succeeded` reports.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "child %d: %s\n", getpid(), what);
  _exit(1);
}

// Never to a group and never to everybody, which is what kill() makes of a pid that is none: after
// a failed fork, or of a child waited for.
inline void signal_process(pid_t pid, int number) {
  if (pid > 1) ::kill(pid, number);
}

// In a fork of `parent`, first of all: it dies with the thread that forked it, also with one that
// has died already.
inline void die_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

class Child {
 public:
  // Runs `body` in a fork, then exits with 0. It dies with the test.
  explicit Child(const std::function<void()>& body) {
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) std::abort();
    if (pid_ > 0) return;
    die_with(parent);
    body();
    _exit(0);
  }
  ~Child() { kill_and_wait(); }
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), status_(std::exchange(other.status_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(status_, other.status_);
    return *this;
  }

  pid_t pid() const { return pid_; }
  void signal(int number) const { signal_process(pid_, number); }
  void kill_and_wait() {
    if (pid_ < 0) return;
    signal(SIGKILL);
    wait();
  }
  int wait() {
    if (pid_ >= 0) waitpid(std::exchange(pid_, -1), &status_, 0);
    return status_;
  }
  // Without waiting.
  bool has_ended() {
    if (pid_ < 0) return true;
    if (waitpid(pid_, &status_, WNOHANG) != pid_) return false;
    pid_ = -1;
    return true;
  }
  // Until a SIGSTOP has taken effect, sent by itself or by others. False: it ended.
  bool await_stopped() {
    int status = 0;
    if (waitpid(pid_, &status, WUNTRACED) != pid_) return false;
    if (WIFSTOPPED(status)) return true;
    pid_ = -1;
    status_ = status;
    return false;
  }
  bool succeeded() { return WIFEXITED(wait()) && WEXITSTATUS(status_) == 0; }
  bool was_killed_by(int number) { return WIFSIGNALED(wait()) && WTERMSIG(status_) == number; }

 private:
  pid_t pid_ = -1;
  int status_ = -1;
};

// For the body of a child that is to be killed or to be ended by the test.
[[noreturn]] inline void sleep_forever() {
  for (;;) pause();
}

}  // namespace casbook::test_support
