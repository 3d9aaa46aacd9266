// Payment ids that carry their time.
#pragma once

#include <cstdint>
#include <string>

#include <casbook/types.h>

namespace casbook::test_support {

inline PaymentId uuid_v7(int64_t time_ms, uint64_t number) {
  const uint64_t high = static_cast<uint64_t>(time_ms) << 16 | 0x7000;
  return {ExternalId::of_uuid(high, uint64_t{2} << 62 | number)};
}

// 26 characters of Crockford's base 32: 10 of time, 16 of number.
inline PaymentId ulid(int64_t time_ms, uint64_t number) {
  constexpr char kDigits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  std::string text(26, '0');
  for (int i = 25; i >= 10; --i, number >>= 5) text[static_cast<size_t>(i)] = kDigits[number & 31];
  auto time = static_cast<uint64_t>(time_ms);
  for (int i = 9; i >= 0; --i, time >>= 5) text[static_cast<size_t>(i)] = kDigits[time & 31];
  return {*ExternalId::parse(text)};
}

}  // namespace casbook::test_support
