// A small book for crash tests, seen by the process that survives: it knows what every account must
// hold, retries what a dead process had begun, and checks the whole after each death.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <casbook/casbook.h>

#include "support/scratch_directory.h"

namespace casbook::test_support {

// No operation of a survivor may take longer. Generous, since machines are busy: what waits for a
// dead or stopped process would wait for ever.
constexpr std::chrono::seconds kBlockedAfter{3};

// Fails the test when the calls made while it lives take longer than kBlockedAfter in sum; ends the
// process when they do not return at all.
class BoundedTime {
 public:
  explicit BoundedTime(const char* what, std::chrono::seconds bound = kBlockedAfter);
  ~BoundedTime();
  BoundedTime(const BoundedTime&) = delete;
  BoundedTime& operator=(const BoundedTime&) = delete;

 private:
  const char* what_;
  std::chrono::seconds bound_;
  int64_t start_ns_;
};

class CrashBook {
 public:
  static constexpr uint32_t kAccounts = 10;  // after the one that money comes from
  static constexpr Amount kFunds = 1'000'000;
  static constexpr uint32_t kSessions = 8;
  static constexpr uint32_t kSlow = 5;  // accounts of a payment in the slow lane
  static constexpr const char* kName = "book";

  // With room for that many payments within the window.
  explicit CrashBook(uint64_t payments, std::chrono::milliseconds window = std::chrono::hours(24));

  Book attach() const;  // of the calling process
  Book& book() { return *book_; }
  Session& session() { return *session_; }
  const std::string& directory() const { return scratch_.path(); }
  std::set<std::string> files() const { return scratch_.entries(); }
  Account account(uint32_t index) const { return accounts_[index]; }

  // From now on the same numbers are other payments: two scenarios in one book.
  void begin_series(uint64_t series) { series_ = series; }
  // The payment of that number: always the same content. Narrow ones move 1 from account 0 to 1;
  // wide ones 4 from account 0 to 1, 2, 3 and 4, in the slow lane, which begin_slow() says to the
  // engine and settle() demands; the widest 7 from account 0 to 1 up to 7, in the fast lane.
  Payment narrow(uint64_t number) const;
  Payment wide(uint64_t number) const;
  Payment widest(uint64_t number) const;
  // Between two others of its accounts.
  Payment narrow(uint64_t number, uint32_t from, uint32_t to) const;

  // Sends a payment that another process may have executed, or not: it has to be executed after
  // this, and counts once. Returns whether it had been.
  bool settle(const Payment& payment);
  // A lease that a dead process may have held is free at once.
  void expect_free(std::string_view lease);
  // Frees what the dead left, then: sessions, balances, audit, log. Everything within its time.
  void check();

 private:
  void check_balances();
  void check_log();
  void check_sessions();
  void apply(const Payment& payment);
  Payment spread(uint64_t number, uint32_t accounts) const;
  PaymentId id_of(uint64_t number) const;

  ScratchDirectory scratch_;
  std::optional<Book> book_;
  std::optional<Session> session_;
  std::vector<Account> accounts_;  // the last is where money comes from
  std::vector<Amount> expected_;
  uint64_t series_ = 0;
  uint64_t own_payments_ = uint64_t{1} << 40;
};

}  // namespace casbook::test_support
