#include "cli/progress_bar.h"

#include <cstdio>
#include <string>

#include <unistd.h>

namespace casbook::cli {

namespace {

constexpr uint64_t kBarColumns = 30;

}  // namespace

ProgressBar::ProgressBar(uint64_t total)
    : total_(total),
      is_shown_(total > 0 && isatty(STDERR_FILENO)),
      start_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() {
  if (is_shown_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(uint64_t done) {
  if (!is_shown_) return;
  const uint64_t filled = done * kBarColumns / total_;
  const std::string bar = std::string(filled, '#') + std::string(kBarColumns - filled, '.');
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  const double rate = elapsed.count() > 0 ? static_cast<double>(done) / elapsed.count() : 0;
  std::fprintf(stderr, "\r\033[K[%s] %3lu%%  %lu of %lu  %.0f per second", bar.c_str(),
               done * 100 / total_, done, total_, rate);
  std::fflush(stderr);
}

}  // namespace casbook::cli
