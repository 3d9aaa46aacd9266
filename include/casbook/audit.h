// What reading the whole book gives.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <casbook/account.h>
#include <casbook/payment.h>

namespace casbook {

struct AccountBalance {
  Account account;
  Amount available = 0, held = 0;
};

// All accounts at one position.
struct BookSnapshot {
  Position position;
  std::vector<AccountBalance> accounts;  // by index
};

struct HistoryLine {
  PaymentInfo payment;
  Amount change = 0;           // of this account, netted
  Amount available_after = 0;  // of this account
};

struct AuditReport {
  bool ok = false;
  uint64_t accounts = 0;        // audited
  uint64_t records = 0;         // of the ring, whose chain was followed
  Position position;            // as of which everything holds
  std::vector<std::string> problems;
};

struct CheckReport {
  bool ok = false;
  Position position;                  // of the last commit, when the check began
  std::vector<std::string> problems;  // at most 100, each naming its place
};

}  // namespace casbook
