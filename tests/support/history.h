// What processes on all hosts were told, and when, held against the log as witness.
//
//   H1  a call that was answered with a position is in the log there, as the call says, once
//   H2  real time: what had been answered before a call began lies before what that call did, and
//       before what it saw when it was a linearizable read
//   H3  a read says what the log says up to its position
//   H4  grants of a lease have tokens that grow along the log, each given out once; one that is not
//       bound to its process is not taken over before its TTL is over
//   H5  a call that was refused without a record left none
//   H6  the log has nothing that nobody asked for, nor before it was asked for
//   H7  a payment under a guard, and a release, stand in the log while that token holds the lease;
//       who was refused for a lease's sake was so at some moment of the call
//   H8  a payment was denied where the log says that there was too little, and done where there was
//       enough
//   H9  a renewal and a re-entry stand in the log while their token holds the lease, and add to the
//       time for which nobody takes it over; they are refused only when that token did not hold it,
//       or its time may have been over; entries are counted, and the last release frees
//
// Times are CLOCK_MONOTONIC, which all processes and namespaces of a machine share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace casbook::test_support {

enum class CallKind : uint32_t {
  pay,          // id, from, account, amount: so much from the one to the other; lease, token: guard
  read_latest,  // linearizable: account, amount, position
  read_at,      // on any host, as of a position: account, amount, position
  peek,         // linearizable, and the position is that of the account's last change
  acquire,      // lease; position: the token
  release,      // lease, token; count: entries that are left
  renew,        // lease, token
  reenter,      // lease, token, count: again by who holds it. Without an answer it may be a grant
};
enum class CallEnd : uint32_t {
  unknown,  // no answer, or outcome_unknown
  done,
  denied,       // a payment, recorded so under its id at `position`
  refused,      // without a record: the lease is held; it is not held under that token, or expired
  turned_away,  // nothing was looked at: another host leads, the ring is full
};
constexpr uint32_t kNobody = UINT32_MAX;  // as account: what it has is not looked at

// Fixed words: it is written into memory that processes share.
struct HistoryCall {
  CallKind kind = CallKind::pay;
  CallEnd end = CallEnd::unknown;
  uint32_t process = 0, account = 0, from = kNobody;
  int64_t called_ns = 0, returned_ns = 0;
  uint64_t id = 0;  // of a payment
  int64_t amount = 0;
  uint64_t position = 0;
  uint32_t lease = 0;        // its number
  uint64_t token = 0;        // 0: no guard
  uint32_t count = 0;        // entries, of re-entries and releases
  int64_t ttl_ns = 0;        // of a grant, a renewal, a re-entry
  bool is_bound = false;     // a grant that ends with its process
  bool is_replayed = false;  // it had been done under an earlier call with this id
};

// A record of the log, as far as histories know it.
struct WitnessRecord {
  // leave: a release that leaves entries.
  enum class Kind : uint32_t { other, pay, deny, acquire, release, renew, reenter, leave };
  uint64_t position = 0;
  Kind kind = Kind::other;
  uint32_t account = 0, from = kNobody;
  uint64_t id = 0;
  int64_t amount = 0;
  uint32_t lease = 0;
  uint64_t token = 0;  // the guard's; 0: none
  uint32_t count = 0;  // entries, of reenter and leave
  bool operator==(const WitnessRecord&) const = default;
};

// The first contradictions, in words; none: the history can have been, and that log is what was.
// `world`: the account without a limit, while the others have none below 0; nothing: no account has
// one that is looked at.
std::vector<std::string> check_history(const std::vector<HistoryCall>& calls,
                                       const std::vector<WitnessRecord>& log,
                                       std::optional<uint32_t> world = std::nullopt);

}  // namespace casbook::test_support
