#include "cli/stop_signals.h"

#include <time.h>

namespace casbook::cli {

StopSignals::StopSignals() {
  sigemptyset(&awaited_);
  for (const int number : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&awaited_, number);
  sigprocmask(SIG_BLOCK, &awaited_, &before_);
}

StopSignals::~StopSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

StopSignals::Woken StopSignals::wait(std::chrono::milliseconds at_most) {
  const timespec limit{.tv_sec = at_most.count() / 1000,
                       .tv_nsec = at_most.count() % 1000 * 1'000'000};
  const int number = sigtimedwait(&awaited_, nullptr, &limit);
  if (number == SIGCHLD) return Woken::child;
  return number > 0 ? Woken::stop : Woken::time_over;
}

}  // namespace casbook::cli
