// SIGTERM and SIGINT, as answers to a wait. Blocked while one of these lives, in this thread and
// those that it starts; one may live inside another.
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
  // Asked to stop twice is asked once: the second does not end by a signal what has just ended well.
  ~StopSignal() {
    while (has_come_within(0)) continue;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
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
