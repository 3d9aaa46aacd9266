// The strong types of casbook: positions, ids, amounts.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include <casbook/export.h>
#include <casbook/result.h>

namespace casbook {

// Where a commit stands: 16 bits of term, 48 bits of LSN. Positions grow along the log; an LSN
// alone is no identity, since after an undone tail the same LSN comes back with other content.
// 0 is no position. As text: a decimal number.
struct Position {
  uint64_t value = 0;

  static constexpr Position of(uint64_t term, uint64_t lsn) { return {term << 48 | lsn}; }
  constexpr uint64_t term() const { return value >> 48; }
  constexpr uint64_t lsn() const { return value & ((uint64_t{1} << 48) - 1); }
  constexpr auto operator<=>(const Position&) const = default;
};

// An id given by the caller, of one of three kinds that never compare equal:
//
//  number  1 to 38 digits without a leading zero; "0" is one
//  uuid    8-4-4-4-12 hexadecimal digits of either case; shown in lower case
//  text    any other 1 to 40 bytes without control characters (0x00 to 0x1f, 0x7f): kept byte for
//          byte and shown whole, so "007" is not 7. Bytes above 0x7f are not checked to be UTF-8
//
// A UUIDv7 and a ULID carry their time. A plain value: copied freely, no function but text() and a
// failing parse() allocates.
class CASBOOK_EXPORT ExternalId {
 public:
  enum class Kind : uint8_t { none, number, uuid, text };

  // No id: kind none. Calls that need an id refuse it as bad_argument.
  ExternalId() = default;
  // For every id but the empty one, parse(id.text()) is the same id again.
  // bad_argument: empty, longer than 40 bytes, or control characters; the detail quotes the text.
  static Result<ExternalId> parse(std::string_view text);
  // No id when the number has more than 38 digits.
  static ExternalId of_number(uint64_t high, uint64_t low);
  static ExternalId of_number(uint64_t value) { return of_number(0, value); }
  static ExternalId of_uuid(uint64_t high, uint64_t low);  // high: the first 16 digits

  Kind kind() const { return kind_; }
  uint8_t size() const { return size_; }  // bytes: 16 for a number or UUID, the length of a text
  // Numbers and UUIDs: {low, high, 0, 0, 0}. Texts: the bytes, zero-filled, little-endian words.
  const std::array<uint64_t, 5>& words() const { return words_; }
  // For ids read back from a record, which is input: no id unless parse, of_number or of_uuid could
  // have made it, so that damage is seen and equal ids stay equal words.
  static ExternalId of_words(Kind kind, uint8_t size, const std::array<uint64_t, 5>& words);
  // Milliseconds since 1970 that a UUIDv7 or a ULID (26 characters, upper case) carries, below
  // 2^48; -1: none.
  int64_t own_time_ms() const;
  std::string text() const;
  bool operator==(const ExternalId&) const = default;

 private:
  static ExternalId classify(std::string_view text);

  std::array<uint64_t, 5> words_{};
  Kind kind_ = Kind::none;
  uint8_t size_ = 0;
};

// How far an answer is safe. A level that the book cannot give is refused, never downgraded.
enum class Level : uint8_t {
  memory,   // in this arena: survives every process, dies with the host
  quorum,   // in a majority's memory
  durable,  // synced on disk
};

struct AccountId {
  ExternalId value;
  bool operator==(const AccountId&) const = default;
};
struct PaymentId {
  ExternalId value;
  bool operator==(const PaymentId&) const = default;
};

// Amounts are integers in minor units of their ledger: 1 to 2^63-1 in a posting.
using Amount = int64_t;

// The scale is the number of decimals of the ledger, 0 to 18: at scale 2, "12.3" is 1230. Integers
// only, never rounded. Parsing does not allocate unless it refuses.

// Digits, or digits, a point and 1 to `scale` digits: "12", "12.3", "007.50". Leading zeros are
// accepted, for they change no value. bad_argument, naming the text and what was expected: anything
// else (empty, ".5", "1.", signs, blanks, exponents, separators), more decimals than the scale even
// if they are zeros, zero, more than 2^63-1 minor units, a scale above 18.
CASBOOK_EXPORT Result<Amount> parse_amount(std::string_view text, uint32_t scale);
// As parse_amount, but a leading minus and zero are allowed, down to -2^63: limits and balances.
CASBOOK_EXPORT Result<Amount> parse_signed_amount(std::string_view text, uint32_t scale);
// With exactly `scale` decimals: "12.30", "-0.05". parse_signed_amount gives the amount again.
// Precondition: scale is at most 18, as in every ledger; asserted.
CASBOOK_EXPORT std::string format_amount(Amount amount, uint32_t scale);

// A resolved account: where it lives in this book. Valid for every process attached to the book,
// for its whole life. Obtained from Book::find_account or Session::open_account.
struct Account {
  uint32_t index = UINT32_MAX;
  uint32_t ledger = UINT32_MAX;
  bool operator==(const Account&) const = default;
};

}  // namespace casbook
