// A mutex that whoever waits for gets before whoever had it gets it again.
#pragma once

#include <mutex>

namespace casbook::daemon {

class FairMutex {
 public:
  // The one who waits holds the door, so that a thread that comes back stands behind it.
  void lock() {
    const std::lock_guard door(door_);
    room_.lock();
  }
  void unlock() { room_.unlock(); }

 private:
  std::mutex door_, room_;
};

}  // namespace casbook::daemon
