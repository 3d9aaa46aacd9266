// A book of the program's own: its name is gone as soon as it is mapped, so nothing is left behind
// however the program ends.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include <unistd.h>

#include <casbook/casbook.h>

#include "first_touch.h"
#include "harness.h"

namespace casbook::bench {

// Benchmarks have nobody to return an error to.
inline void must(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "benchmark: %s\n", result.error().message().c_str());
  std::exit(1);
}
template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "benchmark: %s\n", result.error().message().c_str());
  std::exit(1);
}

inline std::string own_name() {
  static int books = 0;
  return "bench-" + std::to_string(getpid()) + "-" + std::to_string(++books);
}

// Ids are kept for one second only: a long run goes on for ever in a table of fixed size, and pays
// for the eviction of old ids as a long-lived book does.
inline CreateOptions book_options(uint64_t accounts, uint64_t payments) {
  CreateOptions options;
  options.accounts = accounts;
  options.payments = payments;
  options.window = std::chrono::seconds(1);
  options.leases = 64;
  options.sessions = 16;
  return options;
}

// Opened and funded so that no account ever runs dry: never below zero, a debit is judged.
class OwnBook {
 public:
  static constexpr uint64_t kAccountsMore = 2;  // the bank, and a poor one

  OwnBook(uint64_t accounts, uint64_t payments) : OwnBook(own_name(), accounts, payments) {
    touch_book(name_);
    (void)Book::destroy(name_);
  }
  // Under a name that stays, for other processes to attach by.
  OwnBook(std::string name, uint64_t accounts, uint64_t payments)
      : OwnBook(std::move(name), accounts, book_options(accounts + kAccountsMore, payments)) {}
  // With room for `accounts` and kAccountsMore.
  OwnBook(std::string name, uint64_t accounts, const CreateOptions& options)
      : name_(std::move(name)),
        directory_(options.directory),
        book_(must(Book::create(name_, options))) {
    accounts_.reserve(accounts);
    session_.emplace(must(book_.open_session()));
    must(session_->open_ledger("EUR", 2));
    bank_ = must(session_->open_account({id("bank")}, {.ledger = "EUR"}));
    for (uint64_t i = 0; i < accounts; ++i) accounts_.push_back(open(ExternalId::of_number(i + 1)));
    poor_ = open(id("poor"));
    for (uint64_t i = 0; i < accounts; i += kFundedTogether) fund(i);
  }

  const Book& book() const { return book_; }
  Session& session() { return *session_; }
  const std::string& name() const { return name_; }
  const std::string& directory() const { return directory_; }
  const std::vector<Account>& accounts() const { return accounts_; }
  Account poor() const { return poor_; }  // has nothing

  // A payment of 1 between two accounts, under an id never used before. A process that shares the
  // book takes ids of its own by a `series` of its own.
  Payment payment(Random& random, uint64_t series = 0) {
    return payment_of(random, accounts_.size(), series);
  }
  // Between two of the first so many.
  Payment payment_of(Random& random, uint64_t accounts, uint64_t series = 0) {
    const auto [from, to] = random.two_below(accounts);
    return Payment(fresh_id(series)).debit(accounts_[from], 1).credit(accounts_[to], 1);
  }
  PaymentId fresh_id(uint64_t series = 0) { return {ExternalId::of_number(series + 1, ++ids_)}; }

 private:
  static constexpr uint64_t kFundedTogether = kPaymentPostingsMax - 1;
  static constexpr Amount kFundsMax = 1'000'000'000'000;
  static constexpr Amount kFundsOfAll = 4'000'000'000'000'000'000;  // the bank owes them

  static ExternalId id(const char* text) { return must(ExternalId::parse(text)); }
  Account open(const ExternalId& id) {
    return must(session_->open_account({id}, {.ledger = "EUR", .limits = {.min_available = 0}}));
  }
  void fund(uint64_t first) {
    const uint64_t end = std::min(first + kFundedTogether, accounts_.size());
    Payment payment(fresh_id());
    const Amount funds = std::min(kFundsMax, kFundsOfAll / static_cast<Amount>(accounts_.size()));
    payment.debit(bank_, funds * static_cast<Amount>(end - first));
    for (uint64_t i = first; i < end; ++i) payment.credit(accounts_[i], funds);
    must(session_->pay(payment));
  }

  std::string name_, directory_;
  Book book_;
  std::optional<Session> session_;
  Account bank_, poor_;
  std::vector<Account> accounts_;
  uint64_t ids_ = 0;
};

// One for each number of accounts, made when it is first asked for.
inline OwnBook& shared_book(uint64_t accounts, const Sizes& sizes) {
  static std::vector<std::unique_ptr<OwnBook>> books;
  for (const auto& book : books)
    if (book->accounts().size() == accounts) return *book;
  books.push_back(std::make_unique<OwnBook>(accounts, sizes.payments));
  return *books.back();
}

}  // namespace casbook::bench
