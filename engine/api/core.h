// What Book, Session and the log readers share: one process's view of one book.
#pragma once

#include <memory>

#include <casbook/book.h>

#include "arena/arena.h"
#include "arena/attachment.h"
#include "book/accounts.h"
#include "book/payment_ids.h"
#include "lease/leases.h"

namespace casbook::api {

struct Core {
  explicit Core(std::unique_ptr<arena::Mapping> mapped);

  bool is_forked() const { return mapping->is_forked(); }
  // Another file has, or is about to have, this book's name.
  bool has_retired() const { return store.replication().retired.load_relaxed() != 0; }
  // This book was found to be another than the cluster's.
  bool has_diverged() const { return store.replication().diverged.load_relaxed() != 0; }

  std::unique_ptr<arena::Mapping> mapping;
  commit::Store store;
  book::Tables tables;
  book::Accounts accounts;
  book::PaymentIds ids;                           // for look-ups; sessions have their own
  mutable base::AtomicU64 daemon_seen_ns{};       // monotonic; when its daemon was seen alive
  std::unique_ptr<arena::Attachment> attachment;  // null: read-only. Last: freed first.
};

// Book::attach() and observe().
Result<std::shared_ptr<Core>> open_core(const std::string& directory, std::string_view name,
                                        arena::Access access);

// level_unavailable, and why, where this book cannot give that level, or not any more, or not now:
// a daemon's death shows within 10 ms.
Result<void> check_level(const Core& core, Level level);
// Of that only what stands in the way until a daemon is started again: no journal, or one that has
// failed or was closed. Where its daemon was killed the next one goes on with what it finds.
Result<void> check_journal(const Core& core);
// Book::wait(), for sessions too. Also book_moved: this file has retired, ask in the next one.
Result<void> wait(const Core& core, Position position, Level level,
                  std::chrono::milliseconds timeout);
// The same for a position that was read from this book just now, so that it is known to be held,
// however long ago its term ended.
Result<void> wait_held(const Core& core, Position position, Level level,
                       std::chrono::milliseconds timeout);
// Where no cluster keeps the book, or this host leads it as of now: nothing. Else why nothing can
// be committed here.
Result<void> check_leading(const Core& core);
// not_leader, with who leads.
Error not_leader(const Core& core);
// In a cluster: until a majority has what was opened at `opened`, so that no handle of an opening
// that is undone is given out. outcome_unknown.
Result<void> wait_for_opening(const Core& core, Position opened);
Position opening_of(const Core& core, Account account);
Position opening_of(const Core& core, const LedgerInfo& ledger);
// What was found or opened, when wait_for_opening() allows it.
template <class T>
Result<T> once_covered(const Core& core, Result<T> found) {
  if (!found || !core.store.is_replicated()) return found;
  if (auto covered = wait_for_opening(core, opening_of(core, *found)); !covered)
    return covered.error();
  return found;
}
// That this host leads, and that a majority has `position`. not_leader, wait_timeout.
Result<void> confirm(const Core& core, Position position, std::chrono::milliseconds timeout);
// Whether the daemon that keeps the journal lives. Costs system calls.
bool is_daemon_alive(const Core& core);
BookStatus read_status(const Core& core);
ClusterStatus read_cluster_status(const Core& core);
BookActivity read_activity(const Core& core);
JournalStatus read_journal_status(const Core& core, std::span<const FollowerStatus> followers);

}  // namespace casbook::api
