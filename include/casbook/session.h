// A session: one thread's place in a book, from which it commits.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string_view>

#include <casbook/account.h>
#include <casbook/export.h>
#include <casbook/lease.h>
#include <casbook/payment.h>

namespace casbook {

// Used by one thread at a time; may move between threads. Many sessions per process are fine. The
// destructor gives the slot back; a session that is lost with its thread is given back when its
// process ends.
//
// Every call is lock-free unless its name says wait; a killed or stopped process delays nobody. All
// can answer book_closed, backpressure and forked beside what is listed; in a cluster also not_leader
// with the leader's address, in place of book_closed, and where a daemon had to move the book,
// what Book::attach() answers.
class CASBOOK_EXPORT Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Opening what is open with the same properties answers the same. Errors: bad_argument,
  // ledger_exists, book_full. In a cluster both wait until a majority has the opening, up to 5 s, and
  // else answer outcome_unknown (open it again): a handle is an index, and that of an opening which
  // was undone might be another account's later.
  Result<LedgerInfo> open_ledger(std::string_view name, uint32_t scale);
  // Errors: bad_argument, ledger_missing, account_exists, book_full.
  Result<Account> open_account(const AccountId& id, const AccountOptions& options);
  // Errors: bad_argument, account_missing, account_closed.
  Result<void> set_limits(Account account, const AccountLimits& limits);
  // Errors: account_missing, account_not_empty. Closing twice is no error.
  Result<void> close_account(Account account);

  // Executes a payment, all or nothing, once per id. A receipt means that the money moved (now, or
  // under an earlier call with this id: `replayed`); every refusal is an Error.
  // Errors, in this order: bad_argument; book_closed; payment_conflict; payment_too_old,
  // payment_from_future; lease_missing, lease_superseded; account_missing, ledger_mismatch,
  // account_closed*; amount_overflow; insufficient_available*, ceiling_exceeded*;
  // payment_window_full, backpressure. Those with * are recorded: the id keeps this answer.
  // Crash: the payment happened or not; sending the same id again gives the answer.
  // Cost: two accounts about 0.4 us while cached; no allocation, no system call.
  Result<Receipt> pay(const Payment& payment);
  // As pay(), and then waits until the answer is as safe as `level`: the payment, or what a refusal
  // saw. Also: level_unavailable (nothing was done; at once when no daemon serves the book, 10 ms
  // after its death), outcome_unknown (the time is over; it may get there yet), undone.
  Result<Receipt> pay(const Payment& payment, Level level, std::chrono::milliseconds timeout);
  // As pay() of each in turn, with what the next ones touch brought near meanwhile: on many accounts
  // several times as fast. Each stands for itself; answers[i] is that of payments[i]. Precondition:
  // as many answers as payments; asserted.
  void pay_batch(std::span<const Payment> payments, std::span<Result<Receipt>> answers);
  // Brings what `payment` will touch near; call it some payments ahead.
  void prefetch(const Payment& payment) const;

  // One try. Errors: bad_argument, lease_held, book_full.
  Result<Grant> try_acquire(std::string_view lease, const AcquireOptions& options = {});
  // Sleeps in the kernel up to options.wait. Also: wait_timeout, wait_cancelled.
  Result<Grant> wait_acquire(std::string_view lease, const AcquireOptions& options);
  // Errors: lease_missing, lease_superseded, lease_expired (also if nobody took it).
  Result<Grant> renew(const Lease& lease, std::chrono::milliseconds ttl);
  // Errors: lease_missing, lease_superseded: nothing was changed.
  Result<Released> release(const Lease& lease, uint64_t operation_id = 0);

 private:
  friend class Book;
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace casbook
