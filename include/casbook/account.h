// Ledgers and accounts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <casbook/types.h>

namespace casbook {

// A ledger: one currency or unit with a decimal scale. Each ledger sums to zero.
struct LedgerInfo {
  uint32_t index = 0;
  std::string name;   // 1 to 16 bytes
  uint32_t scale = 0; // decimals of a major unit, 0 to 18
  Position position{};  // at which it was opened
};

// Bounds on what is available, in minor units. Absent: none. A debit may not take what is available
// below `min_available`, a credit may not raise it above `max_available`.
struct AccountLimits {
  std::optional<Amount> min_available{}, max_available{};
  bool operator==(const AccountLimits&) const = default;
};

struct AccountOptions {
  std::string ledger{};  // name of an open ledger
  AccountLimits limits{};
  uint32_t code = 0;
  std::array<uint64_t, 2> user_data{};
};

struct AccountInfo {
  AccountId id;
  Account account;
  std::string ledger;
  uint32_t scale = 0;
  AccountLimits limits;
  uint32_t code = 0;
  std::array<uint64_t, 2> user_data{};
  int64_t opened_ms = 0;
  bool closed = false;
  Position position{};  // as of which all this holds
};

// What an account holds, and the position as of which it does.
struct Balance {
  Amount available = 0, held = 0;
  Position position;
};

}  // namespace casbook
