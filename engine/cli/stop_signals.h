// SIGINT and SIGTERM as a question that is asked between two steps, instead of an interruption.
#pragma once

#include <chrono>

#include <signal.h>

namespace casbook::cli {

// While it lives, the signals are blocked in this thread, and in processes that it forks: a ^C in
// the terminal reaches those too, but only this one answers it. One at a time per process.
class StopSignals {
 public:
  enum class Woken { time_over, stop, child };

  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Sleeps at most so long; ends early when a stop is asked for, or a child changed its state.
  Woken wait(std::chrono::milliseconds at_most);

 private:
  sigset_t awaited_;
  sigset_t before_;
};

}  // namespace casbook::cli
