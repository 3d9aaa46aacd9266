#include "cli/demo/progress.h"

#include <cstdio>

#include <unistd.h>

#include "cli/demo/clock.h"
#include "cli/demo/number_text.h"

namespace casbook::cli::demo {

namespace {

constexpr int64_t kDrawEveryNs = 200 * kMs, kPrintEveryNs = kSecond;

uint64_t payouts_made(const Board& board) {
  uint64_t sum = 0;
  for (const WorkerBoard& worker : board.workers) sum += worker.vitals.executed.load_relaxed();
  return sum;
}

}  // namespace

Progress::Progress(const Board& board, bool is_silent)
    : board_(board), is_silent_(is_silent), is_terminal_(isatty(STDOUT_FILENO)) {}

void Progress::say(const std::string& text) {
  if (is_silent_) return;
  finish();
  if (start_ns_ != 0) std::printf("%5.1f s  ", static_cast<double>(now_ns() - start_ns_) / kSecond);
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void Progress::start() { start_ns_ = drawn_ns_ = now_ns(); }

std::string Progress::line(int64_t now) {
  const uint64_t paid = board_.gateway.executed.load_relaxed();
  const double seconds = static_cast<double>(now - drawn_ns_) / kSecond;
  const auto rate = static_cast<uint64_t>(static_cast<double>(paid - paid_drawn_) / seconds);
  paid_drawn_ = paid;
  return with_commas(paid) + " payments, " + with_commas(rate) + "/s, p99 " +
         ns_text(board_.gateway.latency.quantile_ns(0.99)) + "; " +
         count_text(payouts_made(board_), "payout", "payouts") + "; " +
         count_text(board_.risk.snapshots.load_relaxed(), "snapshot", "snapshots");
}

void Progress::draw() {
  const int64_t now = now_ns();
  if (is_silent_ || now - drawn_ns_ < (is_terminal_ ? kDrawEveryNs : kPrintEveryNs)) return;
  std::printf("%s%5.1f s  %s%s", is_terminal_ ? "\r" : "",
              static_cast<double>(now - start_ns_) / kSecond, line(now).c_str(),
              is_terminal_ ? "\033[K" : "\n");
  drawn_ns_ = now;
  is_line_open_ = is_terminal_;
  std::fflush(stdout);
}

void Progress::finish() {
  if (is_line_open_) std::printf("\r\033[K");
  is_line_open_ = false;
}

}  // namespace casbook::cli::demo
