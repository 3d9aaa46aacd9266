// Leases: mutual exclusion with an owner, a TTL and a fencing token.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include <casbook/types.h>

namespace casbook {

// A lease as its holder knows it: where it lives and the token of its grant. Copyable, and may be
// handed to another process of the same book. Safety is the token, checked inside the commit of the
// payment that it guards; the deadline only allows a takeover.
struct Lease {
  uint64_t place = UINT64_MAX;
  Position token;  // the position of the grant: never repeats, as text a decimal number
  bool operator==(const Lease&) const = default;
};

struct AcquireOptions {
  std::chrono::milliseconds ttl{5000};  // 1 ms to 24 h
  // Who holds it, chosen by the caller, within this attachment: the same owner may acquire again
  // (re-entry: same token, count + 1, never a shorter deadline). Work may move between threads.
  uint64_t owner_id = 0;
  // Bound (the default): free at once when this process dies. Detached: kept by TTL and token
  // alone, for what is handed from process to process. A detached lease re-enters only under an
  // owner_id other than 0.
  bool detached = false;
  // A retry under the same id is the same operation. 0: chosen by the session, so no retry.
  uint64_t operation_id = 0;
  // Wait at most this long; 0: try once.
  std::chrono::milliseconds wait{0};
  // Ends the wait with wait_cancelled within 10 ms.
  std::stop_token stop{};
};

struct Grant {
  Lease lease;
  std::chrono::nanoseconds remaining{};  // always positive when returned
  uint32_t count = 1;                    // re-entries included
  bool replayed = false;                 // this operation id was granted before
  Position position{};                   // of the commit that this answer shows: wait() for it
};

struct Released {
  uint32_t count = 0;       // re-entries left; 0: the lease is free
  bool was_expired = false; // the deadline had passed, but nobody had taken it
  bool replayed = false;
  Position position{};      // of the commit that this answer shows: wait() for it
};

struct LeaseInfo {
  std::string name;
  Lease lease;
  uint64_t owner_id = 0;
  bool detached = false;
  bool owner_alive = true;  // of a bound lease; a dead owner's is free for the next acquire
  uint32_t attachment = 0;  // index of the owner's attachment, of a bound lease
  int64_t pid = 0;          // of the owner, for people only
  uint32_t count = 0, waiters = 0;
  std::chrono::nanoseconds remaining{};  // negative: expired, not taken yet
  Position position{};      // of the last commit to it
};

}  // namespace casbook
