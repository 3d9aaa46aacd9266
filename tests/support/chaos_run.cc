#include "support/chaos_run.h"

#include <cstdio>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "arena/arena.h"
#include "commit/store.h"
#include "support/child_process.h"
#include "support/random.h"
#include "support/scratch_directory.h"

namespace casbook::test_support::chaos {
namespace {

template <class T>
T must(Result<T> result, const char* what) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "chaos: %s: %s\n", what, result.error().message().c_str());
  std::exit(1);
}

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) std::abort();
  }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
};

Amount sum_of(const BookSnapshot& snapshot) {
  Amount sum = 0;
  for (const AccountBalance& line : snapshot.accounts) sum += line.available + line.held;
  return sum;
}

// An observer: the whole book at one position, now and a little earlier, and the audit. It may be
// told `overrun`; it may not see money made or lost.
void look_on(Board& board, const std::string& directory) {
  const Book book = must(Book::observe(kName, directory), "observe");
  Position last;
  for (uint64_t i = 0; board.must_stop.load_acquire() == 0; ++i) {
    const Result<BookSnapshot> now = book.snapshot();
    if (now) {
      if (sum_of(*now) != 0) board.report(Problem::reader, "a snapshot does not sum to zero");
      if (now->position < last) board.report(Problem::reader, "the log ran backwards");
      last = now->position;
      const Result<BookSnapshot> again = book.snapshot(now->position);
      if (again && now->accounts.size() == again->accounts.size())
        for (size_t a = 0; a < now->accounts.size(); ++a)
          if (now->accounts[a].available != again->accounts[a].available)
            board.report(Problem::reader, "the past is not what it was");
    }
    board.reads.add_relaxed(1);
    if (i % 64 == 0) {
      const Result<AuditReport> audit = book.audit();
      if (audit && !audit->ok) board.report(Problem::reader, "audit: " + audit->problems[0]);
    }
    sleep_us(1000);
  }
}

void audit_at_rest(Board& board, const std::string& directory) {
  const Book book = must(Book::observe(kName, directory), "observe");
  const Result<AuditReport> audit = book.audit();
  if (!audit || !audit->ok)
    board.report(Problem::reader,
                 "audit: " + (audit ? audit->problems[0] : audit.error().message()));
}

class Run {
 public:
  explicit Run(const RunOptions& options) : options_(options), random_(options.seed) {
    create_book();
    start_checker();
    open_accounts();
    for (uint32_t w = 0; w < options_.workers; ++w) workers_.push_back(start_worker(w, true));
    reader_ = std::make_unique<Child>([&] { look_on(*board_, scratch_.path()); });
  }

  RunReport finish() {
    const int64_t begin_ns = monotonic_ns();
    const int64_t end_ns = begin_ns + std::chrono::nanoseconds(options_.length).count();
    int64_t next_strike_ns = begin_ns, next_wake_ns = begin_ns;
    while (monotonic_ns() < end_ns && !is_hopeless()) {
      sleep_us(1000);
      const int64_t now_ns = monotonic_ns();
      restart_the_dead();
      watch_progress(now_ns);
      if (now_ns >= next_strike_ns) {
        strike_somebody();
        next_strike_ns = now_ns + static_cast<int64_t>(random_.below(30)) * 1'000'000;
      }
      if (now_ns < next_wake_ns) continue;
      wake_everybody();
      next_wake_ns = now_ns + static_cast<int64_t>(10 + random_.below(90)) * 1'000'000;
    }
    report_.seconds = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
    board_->must_stop.store_release(1);
    if (!is_hopeless()) settle();
    sum_up();
    return report_;
  }

 private:
  void create_book() {
    CreateOptions wanted;
    wanted.directory = scratch_.path();
    wanted.accounts = kAccounts + 1;
    wanted.payments = 20'000;
    wanted.window = kWindow;
    wanted.leases = 8;
    wanted.sessions = options_.workers + 4;
    wanted.records = 4096;
    book_ = std::make_unique<Book>(must(Book::create(kName, wanted), "create"));
    mapping_ = must(arena::attach(scratch_.path(), kName, arena::Access::read_only), "attach");
  }

  void start_checker() {
    CheckerContext context{&*board_, scratch_.path(), options_.seed, {}};
    for (uint32_t w = 0; w < kWorkersMax; ++w) context.pipes[w] = pipes_[w].ends[0];
    checker_ = std::make_unique<Child>([context] { check(context); });
    if (!await([&] { return board_->is_following.load_acquire() != 0; })) std::abort();
  }

  void open_accounts() {
    run_clock_fast(start_ns_);
    Session session = must(book_->open_session(), "session");
    must(session.open_ledger("CZK", 2), "ledger");
    std::vector<Account> accounts;
    for (uint32_t i = 0; i <= kAccounts; ++i) {
      AccountOptions wanted;
      wanted.ledger = "CZK";
      if (i < kAccounts) wanted.limits.min_available = 0;
      accounts.push_back(
          must(session.open_account({ExternalId::of_number(i + 1)}, wanted), "account"));
    }
    for (uint32_t i = 0; i < kAccounts; ++i)
      must(session.pay(Payment({ExternalId::of_number(kSetUp << 40 | i)})
                           .debit(accounts[kAccounts], kFunds)
                           .credit(accounts[i], kFunds)),
           "funding");
  }

  Child start_worker(uint32_t w, bool may_be_struck) {
    ++report_.starts;
    const WorkerContext context{&*board_,
                                scratch_.path(),
                                options_.seed,
                                w,
                                start_ns_,
                                pipes_[w].ends[1],
                                options_.mutant,
                                random_.next(),
                                may_be_struck && !random_.one_in(3)};
    return Child([context] { work(context); });
  }

  bool is_hopeless() const {
    return board_->found(Problem::stall) ||
           (options_.wanted != Problem::count && board_->found(options_.wanted));
  }

  // True: it ended as told. A killed one is started again; any other end is a defect.
  bool restart_if_dead(uint32_t w, bool may_be_struck) {
    if (!workers_[w].has_ended()) return false;
    if (workers_[w].succeeded()) return true;
    if (workers_[w].was_killed_by(SIGKILL))
      ++report_.kills;
    else
      board_->report(Problem::defect, "worker " + std::to_string(w) + " ended by itself");
    workers_[w] = start_worker(w, may_be_struck);
    return false;
  }

  void restart_the_dead() {
    for (uint32_t w = 0; w < options_.workers; ++w) restart_if_dead(w, true);
    if (checker_->has_ended()) board_->report(Problem::stall, "the checker is gone");
  }

  void strike_somebody() {
    Child& worker = workers_[random_.below(options_.workers)];
    if (random_.one_in(2)) return worker.signal(SIGKILL);
    worker.signal(SIGSTOP);
    ++report_.stops;
  }

  void wake_everybody() {
    for (const Child& worker : workers_) worker.signal(SIGCONT);
  }

  // Whoever is not struck has to get on.
  void watch_progress(int64_t now_ns) {
    const uint64_t records = board_->records.load_relaxed();
    if (records != last_records_) last_records_ = records, last_progress_ns_ = now_ns;
    if (last_progress_ns_ == 0) last_progress_ns_ = now_ns;
    if (now_ns - last_progress_ns_ > std::chrono::nanoseconds(options_.stall_after).count())
      board_->report(Problem::stall, "no record for seconds");
  }

  // Everybody finishes what it was at, the checker reads to the end.
  void settle() {
    const bool have_stopped = await([&] {
      wake_everybody();
      bool all = true;
      for (uint32_t w = 0; w < options_.workers; ++w) all &= restart_if_dead(w, false);
      return all;
    });
    if (!have_stopped) return board_->report(Problem::stall, "a worker does not stop");
    if (!await([&] { return reader_->has_ended(); }))
      return board_->report(Problem::stall, "the reader does not come to an end");
    if (!reader_->succeeded()) board_->report(Problem::defect, "the reader ended by itself");
    board_->is_over.store_release(1);
    if (!await([&] { return checker_->has_ended(); }))
      return board_->report(Problem::stall, "the checker does not come to an end");
    if (!checker_->succeeded()) board_->report(Problem::defect, "the checker ended by itself");
    Child auditor([&] { audit_at_rest(*board_, scratch_.path()); });
    if (!await([&] { return auditor.has_ended(); }))
      board_->report(Problem::stall, "the audit does not come to an end");
  }

  void sum_up() {
    const Board& board = *board_;
    report_.records = board.records.load_relaxed();
    report_.payments = board.payments.load_relaxed();
    report_.refusals = board.refusals.load_relaxed();
    report_.grants = board.grants.load_relaxed();
    report_.lease_takeovers = board.takeovers.load_relaxed();
    report_.reads = board.reads.load_relaxed();
    report_.session_takeovers = mapping_->control().takeovers.load_relaxed();
    const commit::Store store(*mapping_);
    for (uint32_t i = 0; i < store.sessions(); ++i)
      report_.slow_lane += store.session(i).slow_lane.load_relaxed();
    for (const Board::Worker& worker : board.workers) {
      report_.stale_refused += worker.stale.load_relaxed();
      report_.replays += worker.replays.load_relaxed();
    }
    for (size_t i = 0; i < kProblems; ++i) report_.problems[i] = board.problems[i].load_relaxed();
  }

  const RunOptions options_;
  test::Random random_;
  ScratchDirectory scratch_;
  Shared<Board> board_;
  const int64_t start_ns_ = monotonic_ns();
  Pipe pipes_[kWorkersMax];
  std::unique_ptr<Book> book_;
  std::unique_ptr<arena::Mapping> mapping_;  // to look at a figure where a broken book might hang
  std::unique_ptr<Child> checker_, reader_;
  std::vector<Child> workers_;
  uint64_t last_records_ = 0;
  int64_t last_progress_ns_ = 0;
  RunReport report_;
};

}  // namespace

uint64_t RunReport::problems_found() const {
  uint64_t sum = 0;
  for (const uint64_t count : problems) sum += count;
  return sum;
}

void RunReport::print(std::FILE* out) const {
  const auto line = [out](const char* what, uint64_t count) {
    std::fprintf(out, "  %-34s %12llu\n", what, static_cast<unsigned long long>(count));
  };
  std::fprintf(out, "chaos for %.1f s\n", seconds);
  line("kills survived", kills);
  line("stops", stops);
  line("processes started", starts);
  line("sessions' owners taken over", session_takeovers);
  line("records checked", records);
  line("payments executed", payments);
  line("payments per second", static_cast<uint64_t>(static_cast<double>(payments) / seconds));
  line("made in the slow lane", slow_lane);
  line("payments refused, recorded", refusals);
  line("answered as a replay after a crash", replays);
  line("leases granted", grants);
  line("leases taken from another", lease_takeovers);
  line("payments refused as stale", stale_refused);
  line("snapshots", reads);
  for (size_t i = 0; i < kProblems; ++i)
    if (problems[i] != 0) line(problem_name(static_cast<Problem>(i)), problems[i]);
  line("problems", problems_found());
}

RunReport run(const RunOptions& options) { return Run(options).finish(); }

}  // namespace casbook::test_support::chaos
