// SIGTERM and SIGINT, as answers to a wait. Blocked while it lives, in this thread and those that
// it starts.
#pragma once

#include <signal.h>
#include <time.h>

namespace casbook::daemon {

class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~StopSignal() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool has_come_within(long ns) const {
    const timespec limit{0, ns};
    return sigtimedwait(&signals_, nullptr, &limit) > 0;
  }

 private:
  sigset_t signals_, before_;
};

}  // namespace casbook::daemon
