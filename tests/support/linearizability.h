// Whether a small history of payments, balance reads and lease operations could have been: whether
// there is an order of the calls, each somewhere between its call and its return, in which every
// answer is right. Knows nothing of logs and positions: the answers alone.
//
// Wing and Gong's search (1993) with Lowe's memory of what was tried (2017).
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace casbook::test_support {

struct LinearCall {
  enum class Kind { pay, read, acquire, release, lapse, renew, reenter };
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  Kind kind = Kind::pay;
  int64_t called_ns = 0;
  int64_t returned_ns = kNever;  // kNever: what became of it is not known
  // pay: `amount` from account `from` to account `to`, once for an id, if there is as much. An
  // account below 0 has no limit: the world.
  uint32_t id = 0;  // below 64
  int32_t from = -1, to = -1;
  int64_t amount = 0;
  // read: account `to` has `amount`.
  // acquire: the lease, with this token. release, renew, reenter: of this token; a re-entry without
  // an answer may be a grant as well. pay: only while this holds the
  // lease; 0: whoever does.
  uint64_t token = 0;
  // release, reenter: the entries that there are then.
  uint32_t count = 0;
  // acquire, renew, reenter: its number from 1 on, for lapses. lapse: no call, and never returns:
  // from its time on others may take the lease from who has it by that grant, for its TTL is over
  // or its owner is dead.
  uint32_t grant = 0;
  bool is_refused = false;  // too little there; held by another; not held under that token
  bool is_stale = false;    // pay: refused since the token does not hold the lease
};
constexpr size_t kLinearCallsMax = 64;
constexpr size_t kLinearAccounts = 2;

// Empty: there is such an order. Else what is left when no order goes on. Precondition: at most
// kLinearCallsMax calls.
std::string check_linearizable(const std::vector<LinearCall>& calls);

}  // namespace casbook::test_support
