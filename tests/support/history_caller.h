// One process's calls to a book, each written down as it is made. Payments are functions of their
// ids, so whoever sends an id sends the same payment.
#pragma once

#include <atomic>
#include <optional>

#include <casbook/casbook.h>

#include "support/history_board.h"
#include "support/random.h"

namespace casbook::test_support {

// What all processes of a run share.
struct HistoryWorld {
  HistoryBoard board;
  std::atomic<uint64_t> shown;       // a position that some answer had
  std::atomic<uint64_t> unexpected;  // answers that must not be
  std::atomic<uint32_t> must_stop;
};

struct CallerOptions {
  uint32_t process = 0;
  Level level = Level::memory;  // that an answer has to reach to count as one
  std::chrono::milliseconds patience{1000};
  bool is_unconfirmed = false;  // a bug of the caller: it does not ask whether its host leads
};

class HistoryCaller {
 public:
  // Accounts: the first has no limits, the others none below 0.
  HistoryCaller(HistoryWorld& world, Book& book, Session session, std::vector<Account> accounts,
                const CallerOptions& options);

  CallEnd pay(uint64_t id, const std::optional<Lease>& guard = {});
  CallEnd read_latest(uint32_t account);
  CallEnd peek(uint32_t account);
  CallEnd read_at(uint32_t account, Position position);
  // Lease `number`; what was granted is held() from then on, whatever becomes of it.
  CallEnd acquire(uint32_t number, std::chrono::milliseconds ttl, bool is_detached);
  // Of what is held, as a precondition. A re-entry that comes too late is a grant.
  CallEnd release();
  CallEnd renew(std::chrono::milliseconds ttl);
  CallEnd reenter(std::chrono::milliseconds ttl);
  const std::optional<Lease>& held() const { return held_; }

  // One of these. `id` of the payment, if it is one.
  CallEnd call_at_random(test::Random& random, uint64_t id, uint32_t lease_number);

  // The last call found the book in no state in which this attachment can go on.
  bool has_to_look_anew() const { return must_look_anew_; }
  bool is_over() const { return world_.board.is_full() || world_.must_stop != 0; }

 private:
  template <class Make>
  CallEnd record(HistoryCall call, Make&& make);
  Payment payment(uint64_t id, HistoryCall& call) const;
  CallEnd end_of(const Error& error);
  CallEnd refusal(HistoryCall& call, const Error& error);
  // `end`, once everything up to there has reached the level.
  // Of a call to a lease that found nothing to do.
  CallEnd lease_refusal(const Error& error);
  CallEnd tend_held(test::Random& random);
  CallEnd once_safe(Position position, CallEnd end);
  Result<Position> latest();
  CallEnd read(HistoryCall& call, Position at);

  HistoryWorld& world_;
  Book& book_;
  Session session_;
  const std::vector<Account> accounts_;
  const CallerOptions options_;
  std::optional<Lease> held_;
  uint32_t held_number_ = 0;
  AcquireOptions held_as_{};
  static inline uint64_t attempts_ = 0;  // of this process, whichever caller made them
  bool must_look_anew_ = false;
};

}  // namespace casbook::test_support
