// Forked processes that work in rounds, at the same time. Between rounds they sleep in a read, so
// that hundreds may be there and cost nothing.
#pragma once

#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"
#include "histogram.h"

namespace casbook::bench {

struct Round {
  uint32_t processes = 1;  // the first so many
  int64_t ns = 0;
  bool is_timed = false;  // each operation by itself, into the histogram
};

// What one process did in a round.
struct Worked {
  uint64_t operations = 0;
  int64_t ns = 0;         // from its first to the end of its last
  int64_t cpu_ns = 0;     // processor time
  uint64_t switches = 0;  // times that it had to give its core to another
  Histogram latencies{};  // of a timed round
};

struct RoundResult {
  bool is_whole = false;  // false: a process has ended, or an operation failed
  int64_t ns = 0;
  std::vector<Worked> by_process{};

  uint64_t operations() const {
    uint64_t sum = 0;
    for (const Worked& worked : by_process) sum += worked.operations;
    return sum;
  }
  // Of all together; 0: it is not whole. Where each has a core, by the time that each had; else by
  // the time of the round, in which they took turns.
  double per_s() const {
    if (!is_whole) return 0;
    const bool have_cores = by_process.size() <= std::thread::hardware_concurrency();
    double rate = 0;
    for (const Worked& worked : by_process)
      rate += static_cast<double>(worked.operations) * 1e9 /
              static_cast<double>(have_cores ? worked.ns : ns);
    return rate;
  }
  double cpu_ns_each() const {
    double sum = 0;
    for (const Worked& worked : by_process) sum += static_cast<double>(worked.cpu_ns);
    return sum / static_cast<double>(std::max<uint64_t>(1, operations()));
  }
};

class Team {
 public:
  // False: it failed, and so does the round.
  using Operation = std::function<bool()>;
  // Called in the child, after the fork; returns what it is to do.
  using Prepare = std::function<Operation(uint32_t process)>;

  Team(Prepare prepare, uint32_t processes_max)
      : prepare_(std::move(prepare)), reports_(processes_max) {
    if (pipe(answers_) != 0) std::abort();
  }
  ~Team() {
    for (const Member& member : members_) {
      kill(member.pid, SIGKILL);
      waitpid(member.pid, nullptr, 0);
      close(member.orders);
    }
    close(answers_[0]), close(answers_[1]);
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // Until there are so many. False: one could not get ready.
  bool grow_to(uint32_t processes) {
    const auto before = static_cast<uint32_t>(members_.size());
    while (members_.size() < processes) add_member();
    return are_answered(static_cast<uint32_t>(members_.size()) - before);
  }

  // Lets go of what prepared them: nobody is to come any more.
  void end_growing() { prepare_ = nullptr; }

  RoundResult run(const Round& round) {
    RoundResult result{.is_whole = begin(round) && are_answered(round.processes), .ns = round.ns};
    for (uint32_t i = 0; i < round.processes; ++i) {
      const Report& report = reports_[i];
      result.is_whole &= report.is_failed == 0;
      result.by_process.push_back(report.worked);
    }
    return result;
  }

  // Without waiting for its end: nothing else can be asked for after that. False: one has ended.
  bool begin(const Round& round) {
    constexpr int64_t kGetReadyNs = 1'000'000, kEachNs = 20'000;  // from the order to the start
    const Order order{round, now_ns() + kGetReadyNs + round.processes * kEachNs};
    bool is_begun = true;
    for (uint32_t i = 0; i < round.processes; ++i)
      is_begun &= write(members_[i].orders, &order, sizeof(order)) == sizeof(order);
    return is_begun;
  }

 private:
  struct Order {
    Round round;
    int64_t start_ns;
  };
  // In memory that is shared with the children; written by one of them before it answers.
  struct alignas(64) Report {
    Worked worked;
    uint64_t is_failed;
  };
  struct Member {
    pid_t pid;
    int orders;  // to it
  };

  void add_member() {
    int orders[2];
    if (pipe(orders) != 0) std::abort();
    const auto number = static_cast<uint32_t>(members_.size());
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid < 0) std::abort();
    if (pid == 0) {
      close(orders[1]);
      serve(number, orders[0]);
    }
    close(orders[0]);
    members_.push_back({pid, orders[1]});
  }

  bool are_answered(uint32_t count) {
    constexpr int kPatience = 600, kPatienceMs = 100;
    pollfd answer{.fd = answers_[0], .events = POLLIN, .revents = 0};
    for (int tries = 0; count > 0 && tries < kPatience;) {
      char text;
      if (poll(&answer, 1, kPatienceMs) > 0 && read(answers_[0], &text, 1) == 1) {
        --count;
        continue;
      }
      ++tries;
      for (const Member& member : members_)  // looked at, not reaped
        if (siginfo_t info{};
            waitid(P_PID, static_cast<id_t>(member.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == member.pid)
          return false;
    }
    return count == 0;
  }

  [[noreturn]] void serve(uint32_t number, int orders) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    reports_.touch_pages();
    const Operation operation = prepare_(number);
    char text = 'y';
    for (Order order;;) {
      if (write(answers_[1], &text, 1) != 1) _exit(1);
      if (read(orders, &order, sizeof(order)) != sizeof(order)) _exit(0);
      work(operation, order, reports_[number]);
    }
  }

  static uint64_t switches() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<uint64_t>(usage.ru_nivcsw);
  }

  static void work(const Operation& operation, const Order& order, Report& report) {
    constexpr uint64_t kBetweenLooksMax = 64;  // at the clock
    constexpr int64_t kWakeNs = 100'000;
    timespec wake{};
    wake.tv_sec = (order.start_ns - kWakeNs) / 1'000'000'000;
    wake.tv_nsec = (order.start_ns - kWakeNs) % 1'000'000'000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);
    report.worked = {};
    report.is_failed = 0;
    int64_t now = 0;
    while ((now = now_ns()) < order.start_ns) base::spin_pause();
    const int64_t end = order.start_ns + order.round.ns, cpu_before = bench::cpu_ns();
    const uint64_t switches_before = switches();
    const uint64_t between_looks = order.round.is_timed ? 1 : kBetweenLooksMax;
    const int64_t begun = now;
    do {
      const int64_t before = now;
      uint64_t failed = 0;
      for (uint64_t i = 0; i < between_looks; ++i) failed += !operation();
      now = now_ns();
      report.worked.operations += between_looks;
      report.is_failed = failed;
      if (order.round.is_timed) report.worked.latencies.add(now - before);
    } while (now < end && report.is_failed == 0);
    report.worked.ns = now - begun;
    report.worked.cpu_ns = bench::cpu_ns() - cpu_before;
    report.worked.switches = switches() - switches_before;
  }

  Prepare prepare_;
  Lines<Report> reports_;
  std::vector<Member> members_;
  int answers_[2];
};

}  // namespace casbook::bench
