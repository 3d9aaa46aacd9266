#include "cli/demo/reconciliation.h"

#include <vector>

#include "cli/demo/settlement.h"
#include "cli/demo/traffic.h"

namespace casbook::cli::demo {

namespace {

class Reconciler {
 public:
  Reconciler(const Setting& setting, const Book& book)
      : setting_(setting), book_(book), traffic_(setting.economy, setting.seed) {}

  Reconciliation run() {
    pay_opening_amounts();
    const uint64_t orders = setting_.records.board().orders.load_relaxed();
    for (uint64_t number = 0; number < orders; ++number)
      take(payment_of(traffic_.order(number)), setting_.records.orders[number].load_relaxed());
    for (uint32_t worker = 0; worker < kWorkers; ++worker) take_payouts(worker);
    compare_balances();
    return result_;
  }

 private:
  void pay_opening_amounts() {
    for (const Account& customer : setting_.economy.customers) {
      balance_of(setting_.economy.bank) -= kOpeningAmount;
      balance_of(customer) += kOpeningAmount;
    }
  }

  void take_payouts(uint32_t worker) {
    const uint64_t count = setting_.records.board().workers[worker].payouts.load_relaxed();
    for (uint64_t number = 0; number < count; ++number)
      take(payout_payment(setting_, worker, number),
           setting_.records.payouts[worker][number].answer.load_relaxed());
  }

  void take(const Payment& payment, uint64_t answer) {
    const Result<PaymentInfo> found = book_.lookup(payment.id());
    if (answer == kUnanswered) {
      ++result_.unanswered;
      if (found && found->executed) apply(payment);
    } else if (answer == kStale) {
      ++result_.stale;
      if (!found) return;
      ++result_.stale_in_book;
      complain(payment, "was refused as stale and is in the book");
    } else {
      take_answered(payment, answer, found);
    }
  }

  void take_answered(const Payment& payment, uint64_t answer, const Result<PaymentInfo>& found) {
    const bool executed = is_executed(answer);
    ++(executed ? result_.acknowledged : result_.refused);
    if (executed) apply(payment);
    const bool agrees =
        found && found->executed == executed && found->position.value == (answer & ~kRefusedBit);
    if (agrees) return;
    ++result_.wrong_lookups;
    complain(payment, found ? "is in the book with another answer" : "is not in the book");
  }

  void apply(const Payment& payment) {
    for (uint32_t i = 0; i < payment.posting_count(); ++i) {
      const Posting& posting = payment.postings()[i];
      const bool is_credit = posting.side == Side::credit;
      balance_of(posting.account) += is_credit ? posting.amount : -posting.amount;
    }
  }

  void compare_balances() {
    const Result<BookSnapshot> snapshot = book_.snapshot();
    if (!snapshot) return count_wrong_balance("unreadable: " + snapshot.error().message());
    for (const AccountBalance& is : snapshot->accounts) {
      const Amount expected = balance_of(is.account);
      if (is.available == expected && is.held == 0) continue;
      count_wrong_balance("account " + std::to_string(is.account.index) + " has " +
                          format_amount(is.available, kScale) + ", its answers sum to " +
                          format_amount(expected, kScale));
    }
    if (snapshot->accounts.size() < balances_.size()) count_wrong_balance("accounts are missing");
  }

  Amount& balance_of(Account account) {
    if (account.index >= balances_.size()) balances_.resize(account.index + 1);
    return balances_[account.index];
  }
  void count_wrong_balance(const std::string& text) {
    ++result_.wrong_balances;
    note(text);
  }
  void complain(const Payment& payment, const char* what) {
    note("payment " + payment.id().value.text() + " " + what);
  }
  void note(const std::string& text) {
    if (result_.first_problem.empty()) result_.first_problem = text;
  }

  const Setting& setting_;
  const Book& book_;
  const Traffic traffic_;
  std::vector<Amount> balances_;  // by account index, from the answers alone
  Reconciliation result_;
};

}  // namespace

Reconciliation reconcile(const Setting& setting, const Book& book) {
  return Reconciler(setting, book).run();
}

}  // namespace casbook::cli::demo
