// A caller of a design in a process of its own, as a client of a payment system behaves: it asks
// until it has an answer that says what became of the payment, each time under the same id, and
// takes another connection when one has failed. It can be told to strike itself with a real signal:
// at a step of the payment, or at a moment that a timer picks.
#pragma once

#include <memory>
#include <optional>

#include "support/child_process.h"
#include "torture/diary.h"

namespace casbook::torture {

struct Strike {
  int signal = 0;  // 0: none
  std::optional<peers::Step> step{};
  int64_t after_ns = 0;  // without a step: from the first call on
};

// The payments first to last of a bout, in that order.
struct Task {
  std::array<peers::Transfer, kPaymentsMax> transfers{};
  uint32_t first = 0, last = 0;
  bool is_look = false;  // pays nothing: sees what became of them all
  uint32_t times = 1;    // each is asked so often, as if the answers before had been lost
  Strike strike{};       // in the first of them
  int64_t patience_ms = 0;
};

class Player {
 public:
  // `ahead_ns`: how far CLOCK_MONOTONIC and CLOCK_BOOTTIME of its time namespace are ahead of ours.
  explicit Player(peers::Design& design, int64_t ahead_ns = 0);
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  // False: no connection, or no time namespace.
  bool is_ready() const { return is_ready_; }
  void order(const Task& task);
  // Whether the task came to its end by then; in our clock.
  bool await_done(int64_t until_ns);
  // Whether each of its payments got an answer that says what became of it. After await_done().
  bool is_settled() const { return said_ == 's'; }
  // Whether it is stopped or dead by then; false: it got through its task.
  bool await_struck(int64_t until_ns);
  // Whether it has come to the step where it strikes itself by then.
  bool await_strike(int64_t until_ns);
  void signal(int number) const { child_->signal(number); }
  // Kills it. Its diary stays.
  void end() { child_->kill_and_wait(); }

  Diary& diary() { return *diary_; }
  const Diary& diary() const { return *diary_; }

 private:
  struct Pipe {
    int read_end = -1, write_end = -1;
    Pipe();
    ~Pipe();
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
  };

  void serve(peers::Design& design, int64_t ahead_ns);
  bool hear(int timeout_ms);

  test_support::Shared<Diary> diary_;
  Pipe orders_, answers_;
  std::optional<test_support::Child> child_;
  char said_ = 0;
  bool is_ready_ = false;
};

}  // namespace casbook::torture
