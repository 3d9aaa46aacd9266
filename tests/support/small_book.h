// A book of about a MiB for one test, with one session, and short ways to say what tests say often.
#pragma once

#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>

#include <casbook/casbook.h>

#include "base/clock.h"
#include "base/probe.h"
#include "support/scratch_directory.h"

namespace casbook {

// For messages of failed expectations.
inline void PrintTo(Code code, std::ostream* out) { *out << code_name(code); }
inline void PrintTo(const Lease& lease, std::ostream* out) {
  *out << "lease " << lease.place << " token " << lease.token.value;
}

namespace test_support {

// The value; an Error ends the test with its message.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

constexpr Code kDone{};

// kDone when there is a value.
template <class T>
Code code_of(const Result<T>& result) {
  return result ? kDone : result.error().code;
}

inline ExternalId text_id(std::string_view text) { return must(ExternalId::parse(text)); }
inline AccountId account_id(std::string_view text) { return {text_id(text)}; }
inline PaymentId payment_id(std::string_view text) { return {text_id(text)}; }
inline PaymentId payment_id(uint64_t number) { return {ExternalId::of_number(number)}; }

inline CreateOptions small_options() {
  return {.accounts = 64,
          .payments = 200,
          .window = std::chrono::hours(24),
          .leases = 16,
          .ledgers = 4,
          .sessions = 8,
          .records = 256};
}

// Puts clocks and probes back, whatever a test did to them.
class Restored {
 public:
  Restored() { restore(); }
  ~Restored() { restore(); }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;
  static void restore() {
    base::injected_clock = {};
    base::probes = {};
    base::tuning = {};
  }
};

inline void step_wall_clock(int64_t ms) { base::injected_clock.wall_offset_ms += ms; }
inline void step_boot_clock(int64_t ms) { base::injected_clock.boot_offset_ns += ms * 1'000'000; }

// Two ledgers, EUR and USD, each with an account without limits named as "world EUR", from which
// the money of the test enters.
class SmallBook {
 public:
  explicit SmallBook(CreateOptions options = small_options())
      : book(create(directory, std::move(options))), session(must(book.open_session())) {
    must(session.open_ledger("EUR", 2));
    must(session.open_ledger("USD", 2));
    world = open("world EUR", {});
    world_usd = open("world USD", {}, "USD");
  }

  Account open(std::string_view id, const AccountLimits& limits = {.min_available = 0},
               const std::string& ledger = "EUR") {
    return must(session.open_account(account_id(id), {.ledger = ledger, .limits = limits}));
  }
  // With money in it.
  Account open_with(std::string_view id, Amount amount,
                    const AccountLimits& limits = {.min_available = 0},
                    const std::string& ledger = "EUR") {
    const Account account = open(id, limits, ledger);
    fund(account, amount);
    return account;
  }
  void fund(Account account, Amount amount) {
    const Account from = account.ledger == world.ledger ? world : world_usd;
    must(session.pay(Payment(fresh_id()).debit(from, amount).credit(account, amount)));
  }
  PaymentId fresh_id() { return payment_id(1'000'000 + ++ids_); }

  Amount available(Account account) const { return must(book.balance(account)).available; }
  bool audit_is_ok() const { return must(book.audit()).ok; }
  Book attach() const { return must(Book::attach("book", directory.path())); }

  Restored restored;
  ScratchDirectory directory;
  Book book;
  Session session;
  Account world, world_usd;

 private:
  static Book create(const ScratchDirectory& directory, CreateOptions options) {
    options.directory = directory.path();
    return must(Book::create("book", options));
  }
  uint64_t ids_ = 0;
};

}  // namespace test_support
}  // namespace casbook
