// What processes on all hosts were told, and when, held against the log as witness.
//
//   H1  a call that was answered with a position is in the log there, as the call says, once
//   H2  real time: what had been answered before a call began lies before what that call did, and
//       before what it saw when it was a linearizable read
//   H3  a read says what the log says up to its position
//   H4  grants of a lease have tokens that grow along the log, each given out once
//   H5  a call that was refused without a record left none
//
// Times are CLOCK_MONOTONIC, which all processes and namespaces of a machine share.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace casbook::test_support {

enum class CallKind : uint32_t {
  pay,          // id, account, amount: so much was credited
  read_latest,  // linearizable: account, amount, position
  read_at,      // on any host, as of a position: account, amount, position
  acquire,      // position: the token
  release,
};
enum class CallEnd : uint32_t {
  unknown,  // no answer, or outcome_unknown
  done,
  refused,  // without a record: another host leads, the lease is held
};

// Fixed words: it is written into memory that processes share.
struct HistoryCall {
  CallKind kind = CallKind::pay;
  CallEnd end = CallEnd::unknown;
  uint32_t process = 0, account = 0;
  int64_t called_ns = 0, returned_ns = 0;
  uint64_t id = 0;  // of a payment
  int64_t amount = 0;
  uint64_t position = 0;
  bool is_replayed = false;  // it had been done under an earlier call with this id
};

// A record of the log, as far as histories know it.
struct WitnessRecord {
  enum class Kind : uint32_t { other, pay, acquire, release };
  uint64_t position = 0;
  Kind kind = Kind::other;
  uint32_t account = 0;
  uint64_t id = 0;
  int64_t amount = 0;
};

// The first contradictions, in words; none: the history can have been, and that log is what was.
std::vector<std::string> check_history(const std::vector<HistoryCall>& calls,
                                       const std::vector<WitnessRecord>& log);

}  // namespace casbook::test_support
