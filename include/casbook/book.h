// A book: creating, attaching, observing, reading.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <casbook/account.h>
#include <casbook/audit.h>
#include <casbook/cluster.h>
#include <casbook/export.h>
#include <casbook/journal.h>
#include <casbook/lease.h>
#include <casbook/log.h>
#include <casbook/payment.h>

namespace casbook {

class Session;

// Limits are fixed at creation; everything is allocated then.
struct CreateOptions {
  std::string directory = "/dev/shm";
  uint64_t accounts = 1024;
  // Payment ids held within the window. A text of more than 16 bytes that is no ULID counts as three.
  uint64_t payments = 100'000;
  std::chrono::milliseconds window = std::chrono::hours(24);  // 1 s to 366 days
  uint64_t leases = 256;               // held at one time
  uint64_t ledgers = 64;
  uint32_t sessions = 64;              // at one time, over all processes; up to 1024
  uint64_t records = 65'536;           // kept in the record ring, at least
  std::optional<uid_t> owner{};
  std::optional<gid_t> group{};
  mode_t mode = 0600;                  // every writer is trusted with the money
};

struct SessionStatus {
  uint32_t index = 0, attachment = 0;
  int64_t pid = 0;                     // for people only
  bool alive = false;
  uint64_t commits = 0, conflicts = 0, refusals = 0, helps = 0;
};

struct BookStatus {
  std::string name, path;
  uint64_t bytes = 0;
  uint64_t accounts = 0, accounts_max = 0, ledgers = 0, ledgers_max = 0;
  uint64_t payment_entries = 0, payment_entries_max = 0;
  uint64_t payments_max = 0;           // as asked for at creation
  std::chrono::milliseconds window{};
  double payments_per_second_sustained = 0;  // payments_max / window
  // When the window is full if payments go on as fast as in the records held, at the earliest;
  // nothing: it does not fill at that rate.
  std::optional<std::chrono::milliseconds> payments_full_in{};
  uint64_t leases_max = 0, leases_held = 0;
  uint32_t sessions_max = 0;
  uint64_t records_held = 0, records_max = 0;
  Position position;                   // of the last commit
  // Of one executed payment, without waiting for a level, by sample of one in some 250: right within
  // a factor of two. 0: none was sampled yet.
  std::chrono::nanoseconds payment_p50{}, payment_p99{}, payment_max{};
  uint64_t payments_sampled = 0;
  uint64_t term = 0;
  bool open = false, quarantined = false;
  uint64_t takeovers = 0;
  std::vector<SessionStatus> sessions;
  std::vector<FollowerStatus> followers;
  JournalStatus journal{};
  ClusterStatus cluster{};
};

// Counters since the book was created, over all sessions, and what holds right now. The difference
// of two looks is what happened between them; a look races with the counting, so the last few
// commits may be in one counter and not yet in another.
struct BookActivity {
  Position position;          // of the last commit
  Position durable;           // up to where the journal is synced; {} where there is none
  uint64_t payments = 0;      // executed
  uint64_t denials = 0;       // refused, and recorded so under their ids
  uint64_t commits = 0;       // of every kind
  uint64_t conflicts = 0;     // attempts aborted because another commit came first
  uint64_t helps = 0;         // commits of others brought to their end
  uint64_t slow_lane = 0;     // payments made with any-version entries
  uint64_t takeovers = 0;
  uint64_t leases_held = 0;
  uint32_t sessions = 0;      // in use
  uint64_t records_held = 0, records_max = 0;
  std::vector<FollowerStatus> followers;
  ClusterStatus cluster{};
};

// A mapping of a book in this process. Thread-safe. Must outlive its sessions and readers.
// After fork() the child's copy answers `forked`; attach anew there.
//
// Where a cluster keeps the book, its host may have to build a new file of it when it stops leading:
// book and sessions go there by themselves, at the first call for which they need it (that call
// attaches: half a second per GiB). Until the new file is there, reads are answered from the old one
// and what would commit answers not_leader. Log readers and followers stay, see <casbook/log.h>.
class CASBOOK_EXPORT Book {
 public:
  // Creates and attaches. Errors: bad_argument (which limit), book_exists, no_memory (what is
  // needed, what is available), no_permission, io_error.
  static Result<Book> create(std::string_view name, const CreateOptions& options = {});
  // Errors, each leaving the file as it was: book_missing, foreign_file, format_older,
  // format_newer, truncated, damaged, no_permission, attachments_full, io_error.
  static Result<Book> attach(std::string_view name, const std::string& directory = "/dev/shm");
  // Read-only (PROT_READ really): everything below but open_session() and follow().
  static Result<Book> observe(std::string_view name, const std::string& directory = "/dev/shm");
  // Removes the name. Attached processes keep their mapping and their memory. book_missing.
  static Result<void> destroy(std::string_view name, const std::string& directory = "/dev/shm");

  Book(Book&&) noexcept;
  Book& operator=(Book&&) noexcept;
  ~Book();

  // Errors: sessions_full (after taking the dead over), read_only, forked.
  Result<Session> open_session();

  // Ledgers and accounts. Errors: ledger_missing; account_missing. In a cluster also
  // outcome_unknown: a majority does not have the opening yet (after 5 s), so it may be undone, and
  // its handle come to be another account's. No handle is given out before.
  Result<LedgerInfo> find_ledger(std::string_view name) const;
  std::vector<LedgerInfo> ledgers() const;
  Result<Account> find_account(const AccountId& id) const;
  Result<AccountInfo> account_info(Account account) const;

  // One balance: a few nanoseconds, no write to the arena.
  Result<Balance> balance(Account account) const;
  // Several at one position; `at` {}: now. Errors: account_missing; for the past overrun, undone.
  Result<std::vector<Balance>> balances(std::span<const Account> accounts, Position at = {}) const;
  // All accounts at one position, while writers run. Errors: overrun.
  Result<BookSnapshot> snapshot(Position at = {}) const;
  // The payments of an account that the ring holds, oldest first.
  Result<std::vector<HistoryLine>> history(Account account, Position from = {},
                                           uint32_t count_max = 1000) const;
  // What became of a payment id. payment_missing: not in the window.
  Result<PaymentInfo> lookup(const PaymentId& id) const;
  // Conservation at one position, and the chain of the records in the ring: of the newest, where
  // writers overwrite the oldest before they are read. Errors: overrun: try again.
  Result<AuditReport> audit() const;

  // Looks for damage in everything the arena holds, the audit included; writes nothing, and the book
  // may be in use. A finding counts only when several looks agree.
  CheckReport check() const;

  // On: no commit is claimed any more once this returns, by anybody: every writing call answers
  // `quarantined`, reading goes on. Off: the book is open again. Each On ends a term, of which there
  // are 32,767. Idempotent. A crash inside leaves the book open or quarantined. Errors: read_only;
  // off also backpressure, book_full (the last term is over).
  Result<void> set_quarantine(bool on);

  // A reader from the oldest record (`from` {}) or from a position, to the durable position where
  // there is a journal, else to the end. Errors: overrun, undone; bad_argument: after the end.
  Result<LogReader> read_log(Position from = {}) const;
  // To the end of what has reached `level`. With `memory` it shows records that a recovery may undo
  // yet. Also: level_unavailable.
  Result<LogReader> read_log(Position from, Level level) const;
  // Registers or resumes a follower. Errors: bad_argument, followers_full, read_only.
  Result<LogFollower> follow(std::string_view name, FullPolicy policy, bool from_oldest = false);

  // lease_missing: nobody holds it.
  Result<LeaseInfo> lease(std::string_view name) const;
  std::vector<LeaseInfo> leases() const;

  // The position of the last commit. Where an answer carries none (a handle, a change of limits), read
  // it after the answer: everything that the answer shows stands at or before it.
  Position position() const;
  // Everything up to here is on disk; {} where there is no journal.
  Position durable_position() const;
  // Waits until `position` has reached `level`: success means reached. Errors: undone (this book
  // has another commit there, or never had that term), outcome_unknown (the time is over, or the
  // term ended more than 64 terms ago; at once where the journal has failed or stopped, for it will
  // not get there, but not where its daemon was killed: another goes on from there),
  // level_unavailable: only `memory` without a journal; `quorum` only in a cluster, where `durable` is
  // the disks of a majority. Works on every host of it.
  Result<void> wait(Position position, Level level, std::chrono::milliseconds timeout) const;
  // That this host leads the cluster at some moment during the call, and a position: everything that
  // was acknowledged before the call, on any host, is at or before it, and a majority has it. So a
  // balance as of that position is linearizable, and never undone. Asks a majority; without a
  // cluster answers at once. Errors: read_only, not_leader, wait_timeout.
  Result<Position> confirm_leading(std::chrono::milliseconds timeout);
  // Has the daemon take a checkpoint now, and waits until it is synced; its position. Errors:
  // read_only, not_served, wait_timeout (it may be taken yet), io_error (it failed: the daemon's log
  // says why). Blocking.
  Result<Position> request_checkpoint(std::chrono::milliseconds timeout);
  BookStatus status() const;
  // As status(), but cheap enough for every second: it does not scan the table of payment ids.
  BookActivity activity() const;
  // Takes over what dead processes left. Happens by itself when slots run out. Returns how many.
  Result<uint32_t> take_over_the_dead();

 private:
  struct Impl;
  explicit Book(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
  friend class Session;
  friend class LogReader;
  friend class LogFollower;
  friend struct BookAccess;  // of the daemon
};

}  // namespace casbook
