// Ids of callers: which of the three kinds a text is, and the way back.
//
// Each id has one form: a number has no leading zero, a UUID is kept as bits, a text that could be
// read as either is never kept as text. So equal ids are equal words, and nothing is normalised
// later.
#include <casbook/types.h>

#include <bit>
#include <cstring>
#include <type_traits>

#include "base/limits.h"
#include "base/quote.h"

namespace casbook {
namespace {

__extension__ using Wide = unsigned __int128;
using Words = std::array<uint64_t, 5>;

constexpr size_t kNumberDigitsMax = 38;
constexpr size_t kHalfDigits = 19;                                   // what 64 bits hold whole
constexpr uint64_t kHalfEnd = 10'000'000'000'000'000'000u;           // 10^19
constexpr Wide kNumberEnd = static_cast<Wide>(kHalfEnd) * kHalfEnd;  // 10^38
constexpr uint8_t kBinaryBytes = 16;                                 // a number or a UUID
constexpr size_t kUuidTextBytes = 36;
constexpr size_t kUlidTextBytes = 26;
constexpr size_t kUlidTimeBytes = 10;
constexpr char kHexDigits[] = "0123456789abcdef";
constexpr std::string_view kUlidDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static_assert(kNumberEnd < ~Wide{0} && kNumberEnd / kHalfEnd == kHalfEnd, "38 digits fit 128 bits");
static_assert(kNumberDigitsMax == 2 * kHalfDigits);
static_assert(sizeof(Words) == kIdBytesMax);
static_assert(std::endian::native == std::endian::little, "words hold a text's bytes in order");
static_assert(sizeof(ExternalId) == 48 && std::is_trivially_copyable_v<ExternalId>);
static_assert(sizeof(PaymentId) == sizeof(ExternalId) && sizeof(AccountId) == sizeof(ExternalId));
static_assert(sizeof(Position) == 8 && std::is_trivially_copyable_v<Position>);

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_number(std::string_view text) {
  if (text.empty() || text.size() > kNumberDigitsMax) return false;
  if (text[0] == '0' && text.size() > 1) return false;
  for (const char c : text) {
    if (!is_digit(c)) return false;
  }
  return true;
}

ExternalId number_of(std::string_view digits) {
  Wide value = 0;
  for (const char c : digits) value = value * 10 + static_cast<unsigned>(c - '0');
  return ExternalId::of_number(static_cast<uint64_t>(value >> 64), static_cast<uint64_t>(value));
}

// 0 to 15, or -1.
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_uuid_hyphen(size_t index) {
  return index == 8 || index == 13 || index == 18 || index == 23;
}

// The empty id when the text is not of the form 8-4-4-4-12.
ExternalId uuid_of(std::string_view text) {
  if (text.size() != kUuidTextBytes) return {};
  Wide value = 0;
  for (size_t i = 0; i < kUuidTextBytes; ++i) {
    if (is_uuid_hyphen(i)) {
      if (text[i] != '-') return {};
      continue;
    }
    const int digit = hex_value(text[i]);
    if (digit < 0) return {};
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return ExternalId::of_uuid(static_cast<uint64_t>(value >> 64), static_cast<uint64_t>(value));
}

bool is_plain_text(std::string_view text) {
  if (text.empty() || text.size() > kIdBytesMax) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return false;
  }
  return true;
}

// A view into the words: they have to live as long.
std::string_view bytes_of(const Words& words, size_t size) {
  return {reinterpret_cast<const char*>(words.data()), size};
}

std::string number_text(Wide value) {
  const auto upper = static_cast<uint64_t>(value / kHalfEnd);
  const auto lower = static_cast<uint64_t>(value % kHalfEnd);
  if (upper == 0) return std::to_string(lower);
  const std::string tail = std::to_string(lower);
  return std::to_string(upper) + std::string(kHalfDigits - tail.size(), '0') + tail;
}

std::string uuid_text(Wide value) {
  std::string out(kUuidTextBytes, '-');
  for (size_t i = kUuidTextBytes; i-- > 0;) {
    if (is_uuid_hyphen(i)) continue;
    out[i] = kHexDigits[static_cast<unsigned>(value) & 15];
    value >>= 4;
  }
  return out;
}

// RFC 9562, section 5.7: 48 bits of time, the version 7, 12 bits, the variant 10, 62 bits.
int64_t uuid_time_ms(uint64_t high, uint64_t low) {
  const bool is_version_7 = (high >> 12 & 15) == 7 && low >> 62 == 2;
  return is_version_7 ? static_cast<int64_t>(high >> 16) : -1;
}

// 26 characters of Crockford's base 32, 130 bits: the first one is at most 7. The first ten hold
// the time. A ULID begins with 0 until the year 3084, so it is never taken for a number.
int64_t ulid_time_ms(std::string_view text) {
  if (text.size() != kUlidTextBytes || text[0] > '7') return -1;
  int64_t time_ms = 0;
  for (size_t i = 0; i < kUlidTextBytes; ++i) {
    const size_t digit = kUlidDigits.find(text[i]);
    if (digit == std::string_view::npos) return -1;
    if (i < kUlidTimeBytes) time_ms = time_ms << 5 | static_cast<int64_t>(digit);
  }
  return time_ms;
}

}  // namespace

// The empty id when the text is none.
ExternalId ExternalId::classify(std::string_view text) {
  if (is_number(text)) return number_of(text);
  if (const ExternalId uuid = uuid_of(text); uuid.kind_ == Kind::uuid) return uuid;
  if (!is_plain_text(text)) return {};
  ExternalId id;
  std::memcpy(id.words_.data(), text.data(), text.size());
  id.kind_ = Kind::text;
  id.size_ = static_cast<uint8_t>(text.size());
  return id;
}

Result<ExternalId> ExternalId::parse(std::string_view text) {
  const ExternalId id = classify(text);
  if (id.kind_ != Kind::none) return id;
  return Error{.code = Code::bad_argument,
               .detail = "id " + base::quoted(text) + ": expected 1 to " +
                         std::to_string(kIdBytesMax) + " bytes without control characters"};
}

ExternalId ExternalId::of_number(uint64_t high, uint64_t low) {
  if ((static_cast<Wide>(high) << 64 | low) >= kNumberEnd) return {};
  ExternalId id;
  id.words_ = {low, high, 0, 0, 0};
  id.kind_ = Kind::number;
  id.size_ = kBinaryBytes;
  return id;
}

ExternalId ExternalId::of_uuid(uint64_t high, uint64_t low) {
  ExternalId id;
  id.words_ = {low, high, 0, 0, 0};
  id.kind_ = Kind::uuid;
  id.size_ = kBinaryBytes;
  return id;
}

ExternalId ExternalId::of_words(Kind kind, uint8_t size, const Words& words) {
  ExternalId id;
  if (kind == Kind::number && size == kBinaryBytes) id = of_number(words[1], words[0]);
  if (kind == Kind::uuid && size == kBinaryBytes) id = of_uuid(words[1], words[0]);
  if (kind == Kind::text && size <= kIdBytesMax) id = classify(bytes_of(words, size));
  // Bytes behind the text, high words of a number, a text that is a number: none of ours.
  return id.kind_ == kind && id.words_ == words ? id : ExternalId{};
}

int64_t ExternalId::own_time_ms() const {
  if (kind_ == Kind::uuid) return uuid_time_ms(words_[1], words_[0]);
  if (kind_ == Kind::text) return ulid_time_ms(bytes_of(words_, size_));
  return -1;
}

std::string ExternalId::text() const {
  const Wide value = static_cast<Wide>(words_[1]) << 64 | words_[0];
  switch (kind_) {
    case Kind::none:
      return {};
    case Kind::number:
      return number_text(value);
    case Kind::uuid:
      return uuid_text(value);
    case Kind::text:
      return std::string(bytes_of(words_, size_));
  }
  return {};
}

}  // namespace casbook
