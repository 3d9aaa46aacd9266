// Processes that pay with Level::durable and write down, outside the book, what they were told;
// and the check that all of it is there, each once.
//
// Payer i moves 1 from "world" to its own account under the ids (i, 1), (i, 2), ...; it goes on to
// the next when one was reported durable, and to a book that was made anew when its own dies.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <casbook/casbook.h>

#include "base/atomic.h"
#include "support/child_process.h"

namespace casbook::test_support {

constexpr uint32_t kPayersMax = 8;

struct PayerTruth {
  base::AtomicU64 begun;     // payments 1 .. begun were sent
  base::AtomicU64 durable;   // payments 1 .. durable were reported durable
  base::AtomicU64 position;  // of the last of these
  base::AtomicU64 slowest_ns;
};

struct PayersTruth {
  PayerTruth payers[kPayersMax];
  base::AtomicU64 must_stop;
};

// What open_payers_accounts() opens in a new book; idempotent. False: not now.
bool open_payers_accounts(Session& session);

class DurablePayers {
 public:
  DurablePayers(std::string book, std::string shm, uint32_t count);
  ~DurablePayers();

  void start();
  // Each ends what it is at; needs a book that is served.
  void stop();
  void kill_one(uint32_t payer);
  void kill_all();
  void signal_one(uint32_t payer, int number) const;
  void restart_the_dead();
  // One that ended by itself met an answer that it may not get.
  bool have_failed() const { return failures_ != 0; }

  uint64_t durable_count() const;
  uint64_t begun_count() const;
  // Nobody pays meanwhile. Expectations of gtest: everything told is there, nothing twice.
  void check(const Book& book) const;

 private:
  void pay(uint32_t payer) const;
  std::optional<Error> pay_into(Book& book, uint32_t payer) const;

  const std::string book_, shm_;
  Shared<PayersTruth> truth_;
  std::vector<std::optional<Child>> payers_;
  uint32_t failures_ = 0;
};

}  // namespace casbook::test_support
