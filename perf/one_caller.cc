#include <memory>
#include <optional>
#include <vector>

#include "cells.h"
#include "scenarios.h"

namespace casbook::perf {
namespace {

using bench::must;

// A book whose name is gone as soon as it is mapped.
class Bench {
 public:
  Bench(uint64_t accounts, uint64_t payments, std::chrono::seconds window)
      : book_(make(accounts, payments, window)) {
    session_.emplace(must(book_.open_session()));
    must(session_->open_ledger("EUR", 2));
    bank_ = must(session_->open_account({ExternalId::of_number(0)}, {.ledger = "EUR"}));
    for (uint64_t i = 1; i <= accounts; ++i)
      accounts_.push_back(must(session_->open_account(
          {ExternalId::of_number(i)}, {.ledger = "EUR", .limits = {.min_available = 0}})));
    poor_ = accounts_.back();
    accounts_.pop_back();
    for (uint64_t i = 0; i < accounts_.size(); i += kTogether) fund(i);
    lease_ = must(session_->try_acquire("guard", {.ttl = std::chrono::hours(1)})).lease;
  }

  PaymentId fresh_id() { return {ExternalId::of_number(7, ++ids_)}; }
  Account any() {
    random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;
    return accounts_[(random_ >> 32) * accounts_.size() >> 32];
  }
  Payment payment() {
    const Account from = any();
    Account to = any();
    while (to.index == from.index) to = any();
    return Payment(fresh_id()).debit(from, 1).credit(to, 1);
  }
  // The payment is one of so many that are made together, when the last of them is there.
  void pay_in_batches(uint64_t count) {
    batch_.push_back(payment());
    if (batch_.size() < count) return;
    answers_.assign(count, Receipt{});
    session_->pay_batch(batch_, answers_);
    for (auto& answer : answers_) must(answer);
    batch_.clear();
  }

  Session& session() { return *session_; }
  const Book& book() const { return book_; }
  const Lease& lease() const { return lease_; }
  const std::vector<Account>& accounts() const { return accounts_; }
  Account poor() const { return poor_; }

 private:
  static constexpr uint64_t kTogether = kPaymentPostingsMax - 1;

  static Book make(uint64_t accounts, uint64_t payments, std::chrono::seconds window) {
    const std::string name = "perf-" + std::to_string(getpid());
    CreateOptions options;
    options.accounts = accounts + 1;
    options.payments = payments;
    options.window = window;
    Book book = must(Book::create(name, options));
    if (auto gone = Book::destroy(name); !gone) std::exit(1);
    return book;
  }
  void fund(uint64_t first) {
    const uint64_t end = std::min<uint64_t>(first + kTogether, accounts_.size());
    Payment payment(fresh_id());
    payment.debit(bank_, kFunds * static_cast<Amount>(end - first));
    for (uint64_t i = first; i < end; ++i) payment.credit(accounts_[i], kFunds);
    must(session_->pay(payment));
  }
  static constexpr Amount kFunds = 1'000'000'000'000;

  Book book_;
  std::optional<Session> session_;
  Account bank_, poor_;
  std::vector<Account> accounts_;
  Lease lease_;
  std::vector<Payment> batch_;
  std::vector<Result<Receipt>> answers_;
  uint64_t ids_ = 0, random_ = 88172645463325252;
};

// Ids are held for a second, so that a long run goes on in a table of fixed size.
template <class Body>
OneCaller in_book(uint64_t accounts, Body body, uint64_t together = 1,
                  std::chrono::seconds window = std::chrono::seconds(1)) {
  return {accounts,
          [accounts, body, window](uint64_t payments) -> Operation {
            return [bench = std::make_shared<Bench>(accounts, payments, window), body] {
              body(*bench);
            };
          },
          together};
}

// The layer below: two cells, a record, no payment around them.
OneCaller commit_of_two_cells() {
  struct Work {
    bench::OwnArena arena{16};
    bench::Transfers<log::LogWriter> transfers{arena, arena.open_session()};
    bench::Random random{7};
  };
  return {16, [](uint64_t) -> Operation {
            return [work = std::make_shared<Work>()] {
              if (!work->transfers.transfer(work->random.two_below(16))) std::abort();
            };
          }};
}

void expect(bool is_right, const char* what) {
  if (is_right) return;
  std::fprintf(stderr, "perf_driver: %s\n", what);
  std::exit(1);
}

}  // namespace

const std::map<std::string, OneCaller>& scenarios_of_one() {
  constexpr uint64_t kFew = 17, kMany = 1'000'001, kBatch = 64;
  const auto pay = [](Bench& b) { expect(bool(b.session().pay(b.payment())), "refused"); };
  const auto guarded = [](Bench& b) {
    expect(bool(b.session().pay(b.payment().guard(b.lease()))), "refused");
  };
  const auto refusal = [](Bench& b) {
    const auto answer =
        b.session().pay(Payment(b.fresh_id()).debit(b.poor(), 1).credit(b.any(), 1));
    expect(!answer && answer.error().code == Code::insufficient_available, "not refused");
  };
  const auto replay = [](Bench& b) {
    static const Payment first = b.payment();
    expect(bool(b.session().pay(first)), "refused");
  };
  const auto lease = [](Bench& b) {
    const Grant grant = must(b.session().try_acquire("turn"));
    must(b.session().release(grant.lease));
  };
  const auto balance = [](Bench& b) { expect(bool(b.book().balance(b.any())), "no balance"); };
  const auto snapshot = [](Bench& b) {
    expect(bool(b.book().balances(b.accounts())), "no snapshot");
  };
  static const std::map<std::string, OneCaller> all = {
      {"commit-2", commit_of_two_cells()},
      {"pay-16", in_book(kFew, pay)},
      {"pay-1m", in_book(kMany, pay)},
      {"guarded-16", in_book(kFew, guarded)},
      {"guarded-1m", in_book(kMany, guarded)},
      {"batch-16", in_book(
                       kFew, [](Bench& b) { b.pay_in_batches(kBatch); }, kBatch)},
      {"refusal", in_book(kFew, refusal)},
      // Held as long as any run lasts, a slow one under valgrind too: else it is paid again.
      {"replay", in_book(kFew, replay, 1, std::chrono::hours(1))},
      {"lease", in_book(kFew, lease)},
      {"balance", in_book(kFew, balance)},
      {"snapshot-16", in_book(kFew, snapshot)},
  };
  return all;
}

}  // namespace casbook::perf
