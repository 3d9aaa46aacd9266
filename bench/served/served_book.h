// A book served by a daemon of its own, `casbook serve`, which is a child of the benchmark.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "own_book.h"
#include "served/process.h"

#include "arena/layout.h"

namespace casbook::bench {

constexpr Amount kFundsEach = 1'000'000'000'000;  // of an account at the start

struct ServedShape {
  uint64_t accounts = 100'000;
  uint64_t payments = 4'000'000;  // ids held
  std::string window = "1s";      // each for so long
  uint64_t records = 65'536;      // in the ring
  uint64_t checkpoint_bytes = 0;  // of journal between checkpoints; 0: only when asked for
};

class ServedBook {
 public:
  // Its journal goes into `folder`. Nothing is started yet.
  ServedBook(std::string folder, const ServedShape& shape);
  ~ServedBook();  // removes the arena too
  ServedBook(const ServedBook&) = delete;
  ServedBook& operator=(const ServedBook&) = delete;

  // Starts the daemon and waits until the book is served. What is in the way; empty: nothing.
  std::string serve();
  // When the daemon said so, by now_ns().
  int64_t ready_ns() const { return ready_ns_; }
  // Opens and funds the accounts. Once, while it is served.
  void fill();
  // Attaches, and takes up the accounts that are there.
  void attach();
  // Lets go of the book, kills the daemon, removes the arena: the journal alone is left.
  void lose_arena();
  // As SIGTERM from the service manager. The exit status.
  int stop();

  pid_t daemon() const { return daemon_.pid(); }
  const std::string& name() const { return name_; }
  const Book& book() const { return *book_; }
  Book& book() { return *book_; }
  const std::vector<Account>& accounts() const { return accounts_; }
  // What the daemon says of itself.
  const arena::JournalLines& journal() const;
  // What it wrote to its output last.
  std::string said() const { return last_line(folder_ + "/daemon.log"); }
  // casbook SUBCOMMAND BOOK.
  Command command(const char* subcommand) const;
  // Bytes of the record that a payment between two accounts leaves, for the floor.
  uint64_t record_bytes(Position payment) const;

 private:
  struct View;

  std::string folder_, name_;
  ServedShape shape_;
  Process daemon_;
  int64_t ready_ns_ = 0;
  std::unique_ptr<View> view_;
  std::optional<Book> book_;
  std::vector<Account> accounts_;
};

// A payment of 1 between two of the accounts, under an id of this series.
inline Payment transfer(const std::vector<Account>& accounts, Random& random, uint64_t series,
                        uint64_t number) {
  const auto [from, to] = random.two_below(accounts.size());
  return Payment({ExternalId::of_number(series, number)})
      .debit(accounts[from], 1)
      .credit(accounts[to], 1);
}

// Opens accounts 1 to `count` in a new ledger, none below zero, and funds them with kFundsEach.
std::vector<Account> open_accounts(Session& session, uint64_t count);

// pay(), again and again while the ring is full: the daemon's disk is slower than the payers.
// Counts how often.
Result<Receipt> pay_patiently(Session& session, const Payment& payment, uint64_t& refused);

}  // namespace casbook::bench
