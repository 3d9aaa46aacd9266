#include "cli/demo/demo.h"

#include <algorithm>
#include <optional>

#include <unistd.h>

#include "arena/available_memory.h"
#include "cli/demo/economy.h"
#include "cli/demo/gateway.h"
#include "cli/demo/number_text.h"
#include "cli/demo/progress.h"
#include "cli/demo/report.h"
#include "cli/demo/risk.h"
#include "cli/demo/settlement.h"
#include "cli/demo/signal_delay.h"
#include "cli/output.h"

namespace casbook::cli::demo {

namespace {

constexpr EconomySize kSize;
// An id in a table a quarter full, and the journal's word for it.
constexpr uint64_t kBytesPerPaymentPlanned = 400;
constexpr uint64_t kPaymentsMin = 100'000;
constexpr uint32_t kNamesTriedMax = 100;
constexpr int64_t kTickUs = 2'000;
constexpr int64_t kJoinNsMax = 10 * kSecond;

// Half of the memory that is available is left to others.
uint64_t affordable_payments(uint64_t wanted) {
  const auto available = arena::available_memory_bytes();
  if (!available) return wanted;
  return std::clamp(*available / 2 / kBytesPerPaymentPlanned, kPaymentsMin,
                    std::max(wanted, kPaymentsMin));
}

// A book under a name of its own, which is gone with this object.
class OwnBook {
 public:
  // Where memory or the directory is too small, with fewer payments.
  static Result<OwnBook> create(const DemoOptions& options) {
    CreateOptions create;
    create.directory = options.directory;
    create.accounts = account_count(kSize);
    create.payments = affordable_payments(options.payments);
    create.leases = kDesks;
    create.sessions = 16;
    for (uint32_t number = 1;; ++number) {
      std::string name = "demo-" + std::to_string(getpid());
      if (number > 1) name += "-" + std::to_string(number);
      auto book = Book::create(name, create);
      if (book) return OwnBook(name, create, std::move(*book));
      const Code code = book.error().code;
      if (code == Code::no_memory && create.payments / 2 >= kPaymentsMin)
        create.payments /= 2;
      else if (code != Code::book_exists || number == kNamesTriedMax)
        return book.error();
    }
  }
  OwnBook(OwnBook&&) = default;
  ~OwnBook() { remove_name(); }

  // The mapping stays.
  void remove_name() {
    if (!name_.empty()) (void)Book::destroy(name_, create_.directory);
    name_.clear();
  }

  const Book& book() const { return *book_; }
  Book& book() { return *book_; }
  const std::string& name() const { return name_; }
  const CreateOptions& options() const { return create_; }

 private:
  OwnBook(std::string name, CreateOptions create, Book book)
      : name_(std::move(name)), create_(std::move(create)), book_(std::move(book)) {}

  std::string name_;
  CreateOptions create_;
  std::optional<Book> book_;
};

Result<Economy> set_up(Book& book) {
  auto session = book.open_session();
  if (!session) return session.error();
  return open_economy(*session, kSize);
}

// The run itself, from the first payment to the last process's end.
class Run {
 public:
  Run(const DemoOptions& options, const Setting& setting, const Book& book, Progress& progress)
      : options_(options), setting_(setting), progress_(progress) {
    const Board& board = setting.records.board();
    crew_.add("gateway", board.gateway.pulse, [this] { return run_gateway(setting_); });
    const uint32_t first = crew_.add("worker 1", board.workers[0].vitals.pulse,
                                     [this] { return run_worker(setting_, 0); });
    crew_.add("worker 2", board.workers[1].vitals.pulse,
              [this] { return run_worker(setting_, 1); });
    crew_.add("risk", board.risk.pulse, [this] { return run_risk(setting_); });
    incidents_.emplace(setting_, book, crew_, first,
                       [this](const std::string& text) { progress_.say(text); });
  }

  // Waits until all are attached: what is measured then is work. Ends early with a signal or a
  // failure, which course() then finds.
  void assemble(const SignalDelay& signals) {
    while (!crew_.all_heard()) {
      if (signals.has_signal() || !crew_.failures().empty()) return;
      crew_.watch();
      sleep_us(kTickUs);
    }
  }

  // Returns when the time is over, the orders are, a process failed, or a signal came.
  Course course(const SignalDelay& signals) {
    const int64_t start = now_ns();
    setting_.records.board().started.store_relaxed(1);
    progress_.start();
    while (!signals.has_signal() && crew_.failures().empty()) {
      const double progress = progress_since(start);
      if (progress >= 1 && incidents_->is_quiet()) break;
      crew_.watch();
      incidents_->step(progress);
      progress_.draw();
      sleep_us(kTickUs);
    }
    Course course;
    course.run_ns = now_ns() - start;
    incidents_->finish();
    setting_.records.board().stopping.store_relaxed(1);
    course.all_ended = crew_.join(kJoinNsMax);
    course.incidents = incidents_->counts();
    course.failures = crew_.failures();
    course.silence_ns = crew_.silence_ns();
    course.silent_name = crew_.silent_name();
    progress_.finish();
    return course;
  }

 private:
  // By time or by orders, whichever is further: the accidents are spread over it.
  double progress_since(int64_t start) const {
    const double seconds = static_cast<double>(now_ns() - start) / kSecond;
    const auto orders = static_cast<double>(setting_.records.board().orders.load_relaxed());
    return std::max(seconds / static_cast<double>(options_.seconds),
                    orders / static_cast<double>(setting_.records.orders.size()));
  }

  const DemoOptions& options_;
  const Setting& setting_;
  Progress& progress_;
  Crew crew_;
  std::optional<Incidents> incidents_;
};

DemoEnd give_up(const Error& error) {
  print_error(error.message());
  return DemoEnd::cannot_run;
}

DemoEnd run_on(OwnBook& own, const DemoOptions& options, const SignalDelay& signals) {
  // A payout takes many orders together: of the ids, a twentieth is for payouts.
  const uint64_t payments = own.options().payments;
  const Records records(payments * 9 / 10, payments / 40);
  Progress progress(records.board(), options.json);
  const BookStatus status = own.book().status();
  progress.say("book " + own.name() + ": " + with_commas(status.bytes >> 20) + " MiB for " +
               with_commas(status.accounts_max) + " accounts and " + with_commas(payments) +
               " payments");
  auto economy = set_up(own.book());
  if (!economy) return give_up(economy.error());
  const Setting setting{own.name(), options.directory, options.seed, *economy, records};
  progress.say("a gateway, two settlement workers and a risk process attach to it");
  Run run(options, setting, own.book(), progress);
  run.assemble(signals);
  const Course course = run.course(signals);
  own.remove_name();
  if (signals.has_signal()) return DemoEnd::cannot_run;
  progress.say("all have ended; comparing the book with every answer given");
  const std::vector<Claim> claims = judge(setting, own.book(), course);
  print_report(setting, course, claims, options.json);
  const bool all_hold =
      std::all_of(claims.begin(), claims.end(), [](const Claim& claim) { return claim.holds; });
  return all_hold ? DemoEnd::every_claim_holds : DemoEnd::a_claim_failed;
}

}  // namespace

DemoEnd run_demo(const DemoOptions& options) {
  const SignalDelay signals;
  auto own = OwnBook::create(options);
  if (!own) return give_up(own.error());
  return run_on(*own, options, signals);
}

}  // namespace casbook::cli::demo
