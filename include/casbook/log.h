// Reading the log: the audit trail and the change feed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <casbook/export.h>
#include <casbook/payment.h>

namespace casbook {

enum class RecordKind : uint8_t {
  other = 0,
  open_ledger = 1,
  open_account = 2,
  set_limits = 3,
  close_account = 4,
  payment = 5,
  refusal = 6,
  move_horizon = 7,
  lease_acquire = 8,
  lease_renew = 9,
  lease_release = 10,
  seal = 64,
  open = 65,
};
CASBOOK_EXPORT const char* record_kind_name(RecordKind kind);

// One word that a commit changed: which cell, which word, from what to what. Complete: replaying
// the changes of all records from the first gives the book.
struct WordChange {
  uint64_t cell = 0;
  uint32_t word = 0;
  uint64_t old_value = 0, new_value = 0;
};

// What a payment relied on without changing it: a lease and its token.
struct LogRecord {
  Position position;
  RecordKind kind = RecordKind::other;
  int64_t time_ms = 0;
  PaymentInfo payment;               // of kinds payment and refusal
  Account account;                   // of kinds open_account, set_limits, close_account
  std::string name;                  // of lease_acquire: the lease
  std::vector<Lease> guards;         // of a payment: lease and token it was guarded by
  std::vector<WordChange> changes;
};

// Reads records in order, from a position on, up to what has reached the level that it was opened
// for. Holds nobody back and needs no session: when it is too slow the answer is `overrun`, and
// skip_to_oldest() goes on where the ring still holds records.
class CASBOOK_EXPORT LogReader {
 public:
  LogReader(LogReader&&) noexcept;
  LogReader& operator=(LogReader&&) noexcept;
  ~LogReader();

  // The next record; nothing when the end is reached (call again later). Errors: overrun, damaged,
  // undone (a position asked for is not in this book); book_moved: in place of the end, where a
  // cluster's daemon has put another file in this one's place. What was read there past the quorum
  // position may have been undone: read on from the last position before it, by a new reader.
  Result<std::optional<LogRecord>> next();
  // Returns how many records were skipped.
  uint64_t skip_to_oldest();

 private:
  friend class Book;
  struct Impl;
  explicit LogReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A reader that the ring waits for, registered by name: a journal, an auditor. It holds every record
// from its position on; what a full ring does then is its policy.
enum class FullPolicy : uint8_t { refuse_payments, drop_follower };

class CASBOOK_EXPORT LogFollower {
 public:
  LogFollower(LogFollower&&) noexcept;
  LogFollower& operator=(LogFollower&&) noexcept;
  ~LogFollower();  // stays registered: the name resumes where release() left it

  // As LogReader::next(); overrun: this follower was dropped.
  Result<std::optional<LogRecord>> next();
  // Everything returned so far may leave the ring.
  void release();
  // Takes the registration back.
  void remove();

 private:
  friend class Book;
  struct Impl;
  explicit LogFollower(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct FollowerStatus {
  std::string name;
  uint64_t lag = 0;  // records it still has to take
  FullPolicy policy{};
  bool alive = false;
};

}  // namespace casbook
