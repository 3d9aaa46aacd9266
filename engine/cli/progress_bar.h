// A line on the terminal that shows how far a long command got; nothing where stderr is none.
#pragma once

#include <chrono>
#include <cstdint>

namespace casbook::cli {

class ProgressBar {
 public:
  explicit ProgressBar(uint64_t total);
  ~ProgressBar();  // clears the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(uint64_t done);

 private:
  uint64_t total_;
  bool is_shown_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace casbook::cli
