// Puts off the signals that end a program, until what has to be put in order is.
#pragma once

#include <signal.h>

namespace casbook::cli::demo {

// SIGINT, SIGTERM and SIGHUP wait while one of these exists, and take effect after. One thread.
class SignalDelay {
 public:
  SignalDelay() {
    sigset_t ending = ending_signals();
    sigprocmask(SIG_BLOCK, &ending, &before_);
  }
  ~SignalDelay() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalDelay(const SignalDelay&) = delete;
  SignalDelay& operator=(const SignalDelay&) = delete;

  // Whether one of them waits.
  bool has_signal() const {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
           sigismember(&pending, SIGHUP);
  }

 private:
  static sigset_t ending_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    return set;
  }

  sigset_t before_;
};

}  // namespace casbook::cli::demo
