#include "cli/apply_worker.h"

#include <chrono>
#include <thread>

#include <casbook/session.h>

#include "cli/exit_code.h"

namespace casbook::cli {

namespace {

using std::chrono::milliseconds;

// A follower that holds the ring is waited for, but not for ever: past that, in one worker, rows
// are refused with `backpressure`.
constexpr milliseconds kBackpressureWaitMax{10'000};
constexpr milliseconds kBackpressurePause{1};

class Worker {
 public:
  Worker(const ApplySetting& setting, uint32_t worker, const Book& book, Session session)
      : plan_(setting.plan),
        board_(setting.board),
        mine_(setting.board.workers[worker]),
        share_(setting.plan.shares[worker]),
        book_(book),
        session_(std::move(session)),
        handles_(setting.plan.accounts.size()) {}

  Result<void> run() {
    for (const uint32_t place : share_) {
      if (board_.control[0].stopping.load_relaxed()) return {};
      RowAnswer& answer = board_.answers[place];
      if (answer.answer() != Answer::none) continue;
      if (auto sent = send(plan_.orders[place], answer); !sent) return sent.error();
      mine_.answered.store_relaxed(mine_.answered.load_relaxed() + 1);
    }
    return {};
  }

 private:
  Result<void> send(const PlannedOrder& planned, RowAnswer& answer) {
    const LedgerInfo& ledger = plan_.ledgers[planned.ledger];
    const Payment payment = payment_of(planned.order, handle_of(find(planned.debit), ledger),
                                       handle_of(find(planned.credit), ledger));
    const auto receipt = pay(payment);
    if (receipt) {
      answer.put(receipt->replayed ? Answer::replayed : Answer::executed);
      return {};
    }
    const Error& error = receipt.error();
    if (exit_code_of(error.code) == ExitCode::environment) return error;
    answer.put(Answer::refused, error.code, detail_of(error, planned));
    return {};
  }

  Result<Receipt> pay(const Payment& payment) {
    for (;;) {
      auto receipt = session_.pay(payment);
      const bool is_held_up = !receipt && receipt.error().code == Code::backpressure;
      if (!is_held_up || waited_ >= kBackpressureWaitMax) return receipt;
      std::this_thread::sleep_for(kBackpressurePause);
      waited_ += kBackpressurePause;
    }
  }

  // Only what was found is remembered: an account that is missing may be opened by others.
  Result<Account> find(uint32_t place) {
    Account& known = handles_[place];
    if (known != Account{}) return known;
    auto found = book_.find_account(plan_.accounts[place].id);
    if (found) known = *found;
    return found;
  }

  std::string detail_of(const Error& error, const PlannedOrder& planned) {
    if (!error.detail.empty() || error.code != Code::account_missing) return error.detail;
    return find(planned.debit) ? "credit account" : "debit account";
  }

  const Plan& plan_;
  const ApplyBoard& board_;
  WorkerBoard& mine_;
  const std::vector<uint32_t>& share_;
  const Book& book_;
  Session session_;
  std::vector<Account> handles_;  // by place in the plan; no account: not found yet
  milliseconds waited_{0};
};

}  // namespace

Result<void> run_apply_worker(const ApplySetting& setting, uint32_t worker) {
  auto book = Book::attach(setting.book, setting.directory);
  if (!book) return book.error();
  auto session = book->open_session();
  if (!session) return session.error();
  return Worker(setting, worker, *book, std::move(*session)).run();
}

}  // namespace casbook::cli
