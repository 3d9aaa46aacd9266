// Wakes one thread that sleeps for want of work.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace casbook::daemon {

// A ring before the wait ends it at once; several are one.
class Bell {
 public:
  void ring() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(is_rung_, true)) return;
    }
    sleeper_.notify_one();
  }
  void wait_for(std::chrono::nanoseconds time) {
    std::unique_lock lock(mutex_);
    sleeper_.wait_for(lock, time, [this] { return is_rung_; });
    is_rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable sleeper_;
  bool is_rung_ = false;
};

}  // namespace casbook::daemon
