// Acquire, renew, release. Each is one commit on one cell (two for a name's first grant).
//
//   free --acquire--> held --release--> free
//                      | deadline over, or the bound owner dead
//                      +--acquire by another--> held (another token)
//
// L1  The token is the position of the grant: the version of the holder's word. Re-entry and
//     renewal write other words, so they keep it.
// L2  Only the commit decides: a holder whose lease was taken finds another token, whatever its
//     clock says. The deadline and the death of the owner only allow the taking.
// L3  A bound owner is declared dead only by the arena in which it is attached (same incarnation);
//     anywhere else its lease lives by the TTL alone.
#pragma once

#include <string_view>
#include <vector>

#include <casbook/lease.h>

#include "arena/attachment.h"
#include "lease/table.h"
#include "log/log_writer.h"

namespace casbook::lease {

class Leases {
 public:
  Leases(const commit::Store& store, arena::AttachmentRef self);

  // One try. Errors: bad_argument, lease_held, book_full, book_closed, backpressure.
  Result<Grant> try_acquire(log::LogWriter& writer, std::string_view name,
                            const AcquireOptions& options, int64_t book_time_ms);
  // Tries until options.wait is over or options.stop asks; sleeps in the kernel in between, at most
  // 10 ms at a time, since a death raises no event. Also: wait_timeout, wait_cancelled.
  Result<Grant> acquire(log::LogWriter& writer, std::string_view name,
                        const AcquireOptions& options);
  // Errors: lease_missing (nobody holds it), lease_superseded, lease_expired: an expired lease
  // cannot be renewed even if nobody took it. Never shortens the deadline.
  Result<Grant> renew(log::LogWriter& writer, const Lease& lease, std::chrono::milliseconds ttl,
                      int64_t book_time_ms);
  // A stale release changes nothing and answers lease_superseded or lease_missing.
  Result<Released> release(log::LogWriter& writer, const Lease& lease, uint64_t operation_id,
                           int64_t book_time_ms);

  // After a recovery, before anybody sees the book: every lease that is held has its whole TTL again,
  // since the clock of its deadline was another machine's, or another boot's. Some are renewed by one
  // commit. `first`: where to go on, 0 to begin; returns the next such place, 0 when all are done.
  // Errors: backpressure, book_closed; call again with the same `first`.
  Result<uint64_t> restart_ttls(log::LogWriter& writer, uint64_t first, int64_t book_time_ms);

  // Reading; for observers too.
  Result<LeaseInfo> info(std::string_view name) const;
  std::vector<LeaseInfo> list() const;
  const Table& table() const { return table_; }

 private:
  enum class Holding { free, ours, expired, dead, held };
  Holding holding_of(const commit::CellImage& image, const AcquireOptions& options,
                     int64_t now_ns) const;
  bool is_of_this_arena(const commit::CellImage& image) const;
  // Holds it under these options: same attachment or detached, same owner id.
  bool is_owner(const commit::CellImage& image, const AcquireOptions& options) const;
  void find_lost_slot(log::LogWriter& writer, const AcquireOptions& options, int64_t now_ns,
                      Found& found) const;
  Result<Grant> grant(log::LogWriter& writer, std::string_view name, const Found& found,
                      const AcquireOptions& options, int64_t now_ns, int64_t book_time_ms,
                      bool& conflict);
  Result<Grant> re_enter(log::LogWriter& writer, const Found& found,
                         const AcquireOptions& options, int64_t now_ns, int64_t book_time_ms,
                         bool& conflict);
  // Reads the lease's cell; an error when `lease` does not hold it.
  Result<void> read_held(log::LogWriter& writer, const Lease& lease, commit::CellImage& image);
  uint32_t waiters_of(Unit unit) const;
  LeaseInfo info_of(Unit unit, const commit::CellImage& image) const;
  uint64_t next_operation() { return ++operations_; }

  const commit::Store& store_;
  Table table_;
  arena::AttachmentRef self_;
  uint64_t operations_;  // operation ids for callers that bring none
};

}  // namespace casbook::lease
