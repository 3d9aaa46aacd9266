#include "torture/player.h"

#include <cstdio>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include "harness.h"
#include "torture/standstill.h"
#include "torture/time_namespace.h"

namespace casbook::torture {
namespace {

using peers::Answer;
using peers::Caller;
using peers::Design;
using peers::Transfer;

constexpr int64_t kConnectNs = 20'000'000'000;
constexpr int64_t kAgainUs = 300;  // between two tries

// A timer that sends a signal to this process.
class Timer {
 public:
  explicit Timer(const Strike& strike) {
    if (strike.signal == 0 || strike.step) return;
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = strike.signal;
    const itimerspec when{.it_interval = {},
                          .it_value = {.tv_sec = strike.after_ns / 1'000'000'000,
                                       .tv_nsec = 1 + strike.after_ns % 1'000'000'000}};
    is_set_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0 &&
              timer_settime(timer_, 0, &when, nullptr) == 0;
  }
  ~Timer() {
    if (is_set_) timer_delete(timer_);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  timer_t timer_{};
  bool is_set_ = false;
};

// The body of a player's process.
class Client {
 public:
  Client(Design& design, Diary& diary, int64_t ahead_ns)
      : design_(design), diary_(diary), ahead_ns_(ahead_ns), caller_(design.connect()) {}

  bool is_connected() const { return caller_ != nullptr; }
  // Whether each payment got its answer.
  bool run(const Task& task) {
    until_ns_ = now_ns() + task.patience_ms * 1'000'000;
    if (task.is_look) return look(task);
    strike_ = task.strike;
    if (!strike_.step && strike_.signal != 0)
      diary_.struck_ns.store_relaxed(static_cast<uint64_t>(now_ns() + strike_.after_ns));
    const Timer timer(task.strike);
    bool is_settled = true;
    for (uint32_t i = task.first; i <= task.last; ++i)
      for (uint32_t time = 0; time < task.times; ++time)
        is_settled = ask(i, task.transfers[i]) && is_settled;
    return is_settled;
  }

 private:
  // As all others have it, whatever this process's namespace adds.
  int64_t now_ns() const { return bench::now_ns() - ahead_ns_; }
  bool is_over() const { return now_ns() >= until_ns_; }

  // Asks until the answer says what became of it. False: there was no time for that.
  bool ask(uint32_t index, const Transfer& transfer) {
    Diary::Line* line = nullptr;
    do {
      if (!line) line = diary_.begin(index, now_ns());
      if (!line) return false;
      const Answer answer = caller_ ? caller_->pay(transfer, hook()) : Answer::busy;
      if (answer == Answer::failed) {
        line = nullptr;  // stays without an answer
        caller_.reset();
      } else if (answer != Answer::busy) {
        Diary::end(*line, answer, now_ns());
        return true;
      }
      if (!caller_) caller_ = design_.connect();
      test_support::sleep_us(kAgainUs);
    } while (!is_over());
    if (line) Diary::leave_out(*line);
    return false;
  }
  bool look(const Task& task) {
    if (!caller_) caller_ = design_.connect();
    if (!caller_) return false;
    uint64_t noted = 0;
    for (uint32_t i = 0; i < kPaymentsMax; ++i)
      if (caller_->is_noted(task.transfers[i].id)) noted |= uint64_t{1} << i;
    const auto funds = [&](uint32_t account) {
      return static_cast<uint64_t>(caller_->funds(account));
    };
    diary_.noted.store_relaxed(noted);
    diary_.payer_funds.store_relaxed(funds(task.transfers[0].from));
    diary_.payee_funds.store_relaxed(funds(task.transfers[0].to));
    return true;
  }
  peers::StepHook hook() { return {&Client::at_step, this}; }
  static void at_step(void* client, peers::Step step) { static_cast<Client*>(client)->at(step); }
  void at(peers::Step step) {
    if (strike_.step != step) return;
    diary_.struck_ns.store_relaxed(static_cast<uint64_t>(now_ns()));
    const int signal = strike_.signal;
    strike_ = {};
    kill(getpid(), signal);
  }

  Design& design_;
  Diary& diary_;
  int64_t ahead_ns_, until_ns_ = 0;
  std::unique_ptr<Caller> caller_;
  Strike strike_;
};

}  // namespace

Player::Pipe::Pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  read_end = ends[0], write_end = ends[1];
}
Player::Pipe::~Pipe() {
  close(read_end);
  close(write_end);
}

Player::Player(Design& design, int64_t ahead_ns) {
  child_.emplace([&] { serve(design, ahead_ns); });
  is_ready_ = await_done(bench::now_ns() + kConnectNs) && said_ == 'y';
}

// It is not asked to end: it may be stopped, or wait for ever.
Player::~Player() = default;

// In the child.
void Player::serve(Design& design, int64_t ahead_ns) {
  const auto say = [&](char word) { return write(answers_.write_end, &word, 1) == 1; };
  if (ahead_ns != 0 && !enter_time_namespace(ahead_ns)) {
    say('n');
    return;
  }
  Client client(design, *diary_, ahead_ns);
  if (!say(client.is_connected() ? 'y' : 'n')) return;
  for (Task task; read(orders_.read_end, &task, sizeof(task)) == sizeof(task);)
    if (!say(client.run(task) ? 's' : 'u')) return;
}

void Player::order(const Task& task) {
  said_ = 0;
  if (write(orders_.write_end, &task, sizeof(task)) != sizeof(task)) std::abort();
}

bool Player::hear(int timeout_ms) {
  Standstill::look();
  if (said_ != 0) return true;
  pollfd answer{.fd = answers_.read_end, .events = POLLIN};
  const int ready = poll(&answer, 1, timeout_ms);
  Standstill::look();
  return ready > 0 && read(answers_.read_end, &said_, 1) == 1;
}

bool Player::await_done(int64_t until_ns) {
  do {
    const int64_t left_ms = (until_ns - bench::now_ns()) / 1'000'000;
    if (hear(static_cast<int>(std::clamp<int64_t>(left_ms, 0, 100)))) return true;
  } while (bench::now_ns() < until_ns);
  return false;
}

bool Player::await_struck(int64_t until_ns) {
  do {
    siginfo_t about{};
    // WNOWAIT: whoever owns the child sees its end too.
    if (waitid(P_PID, static_cast<id_t>(child_->pid()), &about,
               WSTOPPED | WEXITED | WNOHANG | WNOWAIT) == 0 &&
        about.si_pid != 0)
      return true;
    if (hear(0)) return false;
    test_support::sleep_us(50);
  } while (bench::now_ns() < until_ns);
  return false;
}

bool Player::await_strike(int64_t until_ns) {
  while (diary_->struck_ns.load_relaxed() == 0) {
    if (bench::now_ns() >= until_ns || hear(0)) return false;
    test_support::sleep_us(20);
  }
  return true;
}

}  // namespace casbook::torture
