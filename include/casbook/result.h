// Answers. Every call of casbook returns a Result: a value, or an Error with a code of one table.
//
//  outcome   a business answer: the book works and says no          (codes 10 to 199)
//  failure   the environment: the call could not be carried out      (codes 200 to 299)
//  defect    a broken rule of our own: asserted, never returned
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include <casbook/export.h>

namespace casbook {

// Numbers are never reused. The refusals of a payment stand in their order of precedence: of
// several that apply, the first is answered.
// CASBOOK_CODE(name, number, final, text). `final`: the same request will get the same answer.
#define CASBOOK_CODES(CASBOOK_CODE)                                                              \
  CASBOOK_CODE(bad_argument, 10, true, "bad argument")                                           \
  CASBOOK_CODE(quarantined, 20, false, "the book is quarantined")                                \
  CASBOOK_CODE(book_closed, 21, false, "the book is closed")                                     \
  CASBOOK_CODE(not_leader, 22, false, "another host leads this book")                            \
  CASBOOK_CODE(payment_conflict, 31, true, "the payment id was used for another payment")        \
  CASBOOK_CODE(payment_too_old, 40, true, "the payment id is dated before the window")           \
  CASBOOK_CODE(payment_from_future, 41, false, "the payment id is dated in the future")          \
  CASBOOK_CODE(lease_missing, 50, false, "no such lease is held")                                \
  CASBOOK_CODE(lease_superseded, 51, false, "the lease has another token now")                   \
  CASBOOK_CODE(account_missing, 60, false, "no such account")                                    \
  CASBOOK_CODE(ledger_mismatch, 61, false,                                                       \
               "an account is of another ledger than its handle says")                           \
  CASBOOK_CODE(account_closed, 62, true, "an account is closed")                                 \
  CASBOOK_CODE(amount_overflow, 70, false, "a sum exceeds 63 bits")                              \
  CASBOOK_CODE(insufficient_available, 80, true, "too little is available")                      \
  CASBOOK_CODE(ceiling_exceeded, 81, true, "the ceiling of an account would be exceeded")        \
  CASBOOK_CODE(payment_window_full, 100, false,                                                  \
               "no room for another payment id in the window: send it again later, or create the " \
               "book with more payments")                                                        \
  CASBOOK_CODE(backpressure, 101, false,                                                         \
               "a follower holds the record ring: let it go on, or take its registration back")  \
  CASBOOK_CODE(book_full, 102, false, "a table of the book is full")                             \
  CASBOOK_CODE(lease_held, 120, false, "the lease is held by another owner")                     \
  CASBOOK_CODE(lease_expired, 121, false, "the lease has expired")                               \
  CASBOOK_CODE(wait_timeout, 122, false, "the time to wait is over")                             \
  CASBOOK_CODE(wait_cancelled, 123, false, "the wait was cancelled")                             \
  CASBOOK_CODE(account_exists, 130, true, "the account exists with other properties")            \
  CASBOOK_CODE(ledger_exists, 131, true, "the ledger exists with another scale")                 \
  CASBOOK_CODE(ledger_missing, 132, false, "no such ledger")                                     \
  CASBOOK_CODE(account_not_empty, 133, false, "the account is not empty")                        \
  CASBOOK_CODE(payment_missing, 140, false, "no payment with this id in the window")             \
  CASBOOK_CODE(overrun, 150, false, "the record has left the ring")                              \
  CASBOOK_CODE(undone, 151, true, "that position was undone")                                    \
  CASBOOK_CODE(outcome_unknown, 152, false, "the outcome is unknown: send the same id again")    \
  CASBOOK_CODE(level_unavailable, 153, false, "this book cannot give that level")                \
  CASBOOK_CODE(book_missing, 200, false, "no such book")                                         \
  CASBOOK_CODE(book_exists, 201, false, "the book exists")                                       \
  CASBOOK_CODE(foreign_file, 202, false, "the file is no book")                                  \
  CASBOOK_CODE(format_older, 203, false, "the format is older than this program knows")          \
  CASBOOK_CODE(format_newer, 204, false, "the format is newer than this program knows")          \
  CASBOOK_CODE(truncated, 205, false, "the file of the book is truncated")                       \
  CASBOOK_CODE(damaged, 206, false, "what was read is damaged")                                  \
  CASBOOK_CODE(no_memory, 207, false, "not enough memory is available")                          \
  CASBOOK_CODE(no_permission, 208, false, "permission denied")                                   \
  CASBOOK_CODE(io_error, 209, false, "the system call failed")                                   \
  CASBOOK_CODE(attachments_full, 210, false,                                                     \
               "every attachment slot is taken by a live process: end one; observing needs none") \
  CASBOOK_CODE(sessions_full, 211, false,                                                        \
               "every session slot is taken by a live process: close one, or create the book "   \
               "with more sessions")                                                             \
  CASBOOK_CODE(forked, 212, false, "this process was forked from the one that attached")         \
  CASBOOK_CODE(read_only, 213, false, "the book is attached read-only")                          \
  CASBOOK_CODE(followers_full, 214, false,                                                       \
               "every follower slot is taken: take the registration of one back")                \
  CASBOOK_CODE(no_space, 215, false, "no space is left on the disk")                             \
  CASBOOK_CODE(already_served, 216, false, "another daemon serves this book")                    \
  CASBOOK_CODE(foreign_journal, 217, false, "the journal is of another book")                    \
  CASBOOK_CODE(not_served, 218, false, "no daemon serves this book (casbook serve)")             \
  CASBOOK_CODE(book_moved, 219, false, "the book goes on in another file: open it again")        \
  CASBOOK_CODE(file_exists, 220, false, "the file exists")

enum class Code : uint16_t {
#define CASBOOK_CODE(name, number, final, text) name = number,
  CASBOOK_CODES(CASBOOK_CODE)
#undef CASBOOK_CODE
};

// The name as written above ("insufficient_available"), its sentence, and whether sending the same
// request again is pointless. Static strings; "unknown" and not final for a number outside the
// table, as a newer book may send it. Wait-free, never allocate.
CASBOOK_EXPORT const char* code_name(Code code);
CASBOOK_EXPORT const char* code_text(Code code);
CASBOOK_EXPORT bool code_is_final(Code code);

// A refusal or failure. An answer may leave the system only when what it saw is as safe as it is told
// to be, a refusal too, so a refusal says up to where it looked: wait(position, level) before telling
// it on. 0: it was judged without the book's content (bad_argument, book_closed, backpressure, ...).
struct CASBOOK_EXPORT Error {
  Code code;
  bool replayed = false;
  // Where it is recorded; else the last commit when it was judged, or the one that it was judged by.
  uint64_t position = 0;
  int64_t time_ms = 0;    // book time of the record, where there is one
  std::string detail;     // which argument, what was expected; empty on the hot path
  // Recorded under the payment id at `position`: a retry gets it again, with `replayed` true.
  bool recorded = false;

  bool is_final() const { return code_is_final(code); }
  bool is_recorded() const { return recorded; }
  // "insufficient_available: too little is available (account 17)"; "unknown code 999" for a number
  // outside the table. Allocates.
  std::string message() const;
};

// A value or an Error; test it before reading. Reading the one that is not there throws
// std::bad_variant_access, which is a defect of the reader: nothing in casbook catches it. A Result
// of a bare Code does not allocate.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}
  Result(Error error) : content_(std::move(error)) {}
  Result(Code code) : content_(Error{.code = code, .detail = {}}) {}

  explicit operator bool() const { return std::holds_alternative<T>(content_); }
  T& operator*() & { return std::get<T>(content_); }
  const T& operator*() const& { return std::get<T>(content_); }
  T&& operator*() && { return std::get<T>(std::move(content_)); }
  T* operator->() { return &std::get<T>(content_); }
  const T* operator->() const { return &std::get<T>(content_); }
  const Error& error() const { return std::get<Error>(content_); }

 private:
  std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : content_(std::move(error)) {}
  Result(Code code) : content_(Error{.code = code, .detail = {}}) {}

  explicit operator bool() const { return std::holds_alternative<std::monostate>(content_); }
  const Error& error() const { return std::get<Error>(content_); }

 private:
  std::variant<std::monostate, Error> content_;
};

}  // namespace casbook
