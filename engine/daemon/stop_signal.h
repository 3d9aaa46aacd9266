// SIGTERM, SIGINT and SIGHUP, as answers to a wait. Blocked while one of these lives, in this thread and
// those that it starts; one may live inside another.
#pragma once

#include <initializer_list>

#include <signal.h>
#include <time.h>

namespace casbook::daemon {

enum class Told { nothing, stop, reload };

class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals_, number);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  // Asked to stop twice is asked once: the second does not end by a signal what has just ended well.
  ~StopSignal() {
    while (wait(0) != Told::nothing) continue;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // One of those that came, or that will within that time.
  Told wait(long ns) const {
    const timespec limit{0, ns};
    const int number = sigtimedwait(&signals_, nullptr, &limit);
    if (number == SIGHUP) return Told::reload;
    return number > 0 ? Told::stop : Told::nothing;
  }

  // Told to stop. What else comes meanwhile is done with.
  bool has_come_within(long ns) const { return wait(ns) == Told::stop; }

 private:
  sigset_t signals_, before_;
};

}  // namespace casbook::daemon
