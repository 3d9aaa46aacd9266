#include "cli/demo/risk.h"

#include <cstdio>

#include "cli/demo/clock.h"
#include "cli/demo/economy.h"

namespace casbook::cli::demo {

namespace {

constexpr int64_t kPauseUs = 5'000;  // leaves the processors to those who pay

bool has_credit_line(const Economy& economy, Account account) {
  if (account == economy.bank) return true;
  for (const Account& employer : economy.employers)
    if (account == employer) return true;
  return false;
}

// Notes what the snapshot shows. A violation is said once on standard error and counted.
void judge(const Economy& economy, const BookSnapshot& snapshot, RiskBoard& board) {
  std::string violation = find_violation(economy, snapshot);
  if (snapshot.position.value < board.position.load_relaxed())
    violation = "the snapshot is older than the one before";
  if (!violation.empty()) {
    if (board.violations.load_relaxed() == 0)
      std::fprintf(stderr, "risk: at position %llu: %s\n",
                   static_cast<unsigned long long>(snapshot.position.value), violation.c_str());
    increment(board.violations);
  }
  board.position.store_relaxed(snapshot.position.value);
  increment(board.snapshots);
}

}  // namespace

std::string find_violation(const Economy& economy, const BookSnapshot& snapshot) {
  __extension__ __int128 sum = 0;
  for (const AccountBalance& balance : snapshot.accounts) {
    sum += balance.available;
    sum += balance.held;
    if (balance.available < 0 && !has_credit_line(economy, balance.account))
      return "account " + std::to_string(balance.account.index) + " is at " +
             format_amount(balance.available, kScale);
  }
  if (sum == 0) return {};
  return "the accounts sum to " + std::to_string(static_cast<int64_t>(sum)) + " cents, not to 0";
}

int run_risk(const Setting& setting) {
  auto book = Book::observe(setting.book, setting.directory);
  if (!book) {
    std::fprintf(stderr, "risk: %s\n", book.error().message().c_str());
    return 1;
  }
  RiskBoard& board = setting.records.board().risk;
  wait_for_start(setting.records.board(), board.pulse);
  // Relaxed: the flag is all there is to know.
  while (!setting.records.board().stopping.load_relaxed()) {
    auto snapshot = book->snapshot();
    increment(board.pulse);
    if (snapshot) {
      judge(setting.economy, *snapshot, board);
    } else if (snapshot.error().code == Code::overrun) {
      increment(board.overruns);
    } else {
      std::fprintf(stderr, "risk: %s\n", snapshot.error().message().c_str());
      return 1;
    }
    sleep_us(kPauseUs);
  }
  return 0;
}

}  // namespace casbook::cli::demo
