// Runs one scenario, for the scripts in this folder.
//
//   perf_driver SCENARIO --operations N             the operations, nothing else: for callgrind
//   perf_driver SCENARIO --seconds S                as fast as it goes: for sampling
//   perf_driver SCENARIO --seconds S --rate R       R operations per second, begun when they are due:
//                                                   prints two histograms, "ns count" per line, of
//                                                   the time since an operation was due and of the
//                                                   time it took
//   perf_driver --list
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <time.h>
#include <unistd.h>

#include <casbook/casbook.h>

#include "cli/demo/histogram.h"

namespace {

using namespace casbook;
using Histogram = cli::demo::Histogram;
using Scale = cli::demo::HistogramScale;

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "perf_driver: %s\n", result.error().message().c_str());
  std::exit(1);
}

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

// A book whose name is gone as soon as it is mapped.
class Bench {
 public:
  Bench(uint64_t accounts, uint64_t payments) : book_(make(accounts, payments)) {
    session_.emplace(must(book_.open_session()));
    must(session_->open_ledger("EUR", 2));
    bank_ = must(session_->open_account({ExternalId::of_number(0)}, {.ledger = "EUR"}));
    for (uint64_t i = 1; i <= accounts; ++i)
      accounts_.push_back(must(session_->open_account(
          {ExternalId::of_number(i)}, {.ledger = "EUR", .limits = {.min_available = 0}})));
    poor_ = accounts_.back();
    accounts_.pop_back();
    for (uint64_t i = 0; i < accounts_.size(); i += kTogether) fund(i);
    lease_ = must(session_->try_acquire("guard", {.ttl = std::chrono::hours(1)})).lease;
  }

  PaymentId fresh_id() { return {ExternalId::of_number(7, ++ids_)}; }
  Account any() {
    random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;
    return accounts_[(random_ >> 32) * accounts_.size() >> 32];
  }
  Payment payment() {
    const Account from = any();
    Account to = any();
    while (to.index == from.index) to = any();
    return Payment(fresh_id()).debit(from, 1).credit(to, 1);
  }

  Session& session() { return *session_; }
  const Book& book() const { return book_; }
  const Lease& lease() const { return lease_; }
  const std::vector<Account>& accounts() const { return accounts_; }
  Account poor() const { return poor_; }

 private:
  static constexpr uint64_t kTogether = kPaymentPostingsMax - 1;

  static Book make(uint64_t accounts, uint64_t payments) {
    const std::string name = "perf-" + std::to_string(getpid());
    CreateOptions options;
    options.accounts = accounts + 1;
    options.payments = payments;
    options.window = std::chrono::seconds(1);
    Book book = must(Book::create(name, options));
    if (auto gone = Book::destroy(name); !gone) std::exit(1);
    return book;
  }
  void fund(uint64_t first) {
    const uint64_t end = std::min<uint64_t>(first + kTogether, accounts_.size());
    Payment payment(fresh_id());
    payment.debit(bank_, kFunds * static_cast<Amount>(end - first));
    for (uint64_t i = first; i < end; ++i) payment.credit(accounts_[i], kFunds);
    must(session_->pay(payment));
  }
  static constexpr Amount kFunds = 1'000'000'000'000;

  Book book_;
  std::optional<Session> session_;
  Account bank_, poor_;
  std::vector<Account> accounts_;
  Lease lease_;
  uint64_t ids_ = 0, random_ = 88172645463325252;
};

using Operation = std::function<void(Bench&)>;

struct Scenario {
  uint64_t accounts;
  Operation run;
};

void expect(bool is_right, const char* what) {
  if (is_right) return;
  std::fprintf(stderr, "perf_driver: %s\n", what);
  std::exit(1);
}

const std::map<std::string, Scenario>& scenarios() {
  static const Operation pay = [](Bench& b) {
    expect(bool(b.session().pay(b.payment())), "refused");
  };
  static const Operation guarded = [](Bench& b) {
    expect(bool(b.session().pay(b.payment().guard(b.lease()))), "refused");
  };
  static const std::map<std::string, Scenario> all = {
      {"pay-16", {17, pay}},
      {"pay-1m", {1'000'001, pay}},
      {"guarded-16", {17, guarded}},
      {"guarded-1m", {1'000'001, guarded}},
      {"refusal",
       {17,
        [](Bench& b) {
          const auto answer =
              b.session().pay(Payment(b.fresh_id()).debit(b.poor(), 1).credit(b.any(), 1));
          expect(!answer && answer.error().code == Code::insufficient_available, "not refused");
        }}},
      {"replay",
       {17,
        [](Bench& b) {
          static const Payment first = b.payment();
          expect(bool(b.session().pay(first)), "refused");
        }}},
      {"lease",
       {17,
        [](Bench& b) {
          const Grant grant = must(b.session().try_acquire("turn"));
          must(b.session().release(grant.lease));
        }}},
      {"balance", {17, [](Bench& b) { must(b.book().balance(b.any())); }}},
      {"snapshot-16", {17, [](Bench& b) { must(b.book().balances(b.accounts())); }}},
  };
  return all;
}

void run_count(Bench& bench, const Operation& operation, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) operation(bench);
}

void run_for(Bench& bench, const Operation& operation, double seconds) {
  const int64_t begin = now_ns(), end = begin + static_cast<int64_t>(seconds * 1e9);
  uint64_t done = 0;
  for (; now_ns() < end; done += 64) run_count(bench, operation, 64);
  std::printf("%.1f ns per operation, %lu operations\n",
              static_cast<double>(now_ns() - begin) / static_cast<double>(done),
              static_cast<unsigned long>(done));
}

void print(const char* name, const Histogram& histogram) {
  std::printf("%s\n", name);
  // Each bucket by the quantile that reaches it: the histogram shows no more.
  const uint64_t total = histogram.count();
  uint64_t before = 0;
  for (const double q : {0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995,
                         0.9999, 0.99999, 1.0}) {
    const uint64_t ns = histogram.quantile_ns(q);
    if (ns < before) continue;
    std::printf("%.5f %lu\n", q, static_cast<unsigned long>(ns));
    before = ns;
  }
  std::printf("count %lu\n", static_cast<unsigned long>(total));
}

// An operation that had to wait for the one before counts from when it was due: what a caller in an
// open system sees. Else one stall would hide all the waiting that it caused.
void run_at_rate(Bench& bench, const Operation& operation, double seconds, double rate) {
  static Histogram since_due{}, taken{};
  const int64_t begin = now_ns();
  const auto count = static_cast<uint64_t>(seconds * rate);
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t due = begin + static_cast<int64_t>(static_cast<double>(i) * 1e9 / rate);
    int64_t start = now_ns();
    while (start < due) start = now_ns();
    operation(bench);
    const int64_t end = now_ns();
    since_due.record(static_cast<uint64_t>(end - due));
    taken.record(static_cast<uint64_t>(end - start));
  }
  print("since_due", since_due);
  print("taken", taken);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && words[0] == "--list") {
    for (const auto& [name, scenario] : scenarios()) std::printf("%s\n", name.c_str());
    return 0;
  }
  std::map<std::string, double> options;
  for (size_t i = 1; i + 1 < words.size(); i += 2)
    options[words[i]] = std::strtod(words[i + 1].c_str(), nullptr);
  if (words.empty() || !scenarios().contains(words[0]) || options.empty()) {
    std::fprintf(stderr, "perf_driver: expected SCENARIO (see --list) and --operations N or "
                         "--seconds S [--rate R]\n");
    return 2;
  }
  const Scenario& scenario = scenarios().at(words[0]);
  const auto count = static_cast<uint64_t>(options["--operations"]);
  const uint64_t payments = count > 0 ? count + scenario.accounts : 4'000'000;
  Bench bench(scenario.accounts, std::max<uint64_t>(payments, 10'000));
  if (count > 0)
    run_count(bench, scenario.run, count);
  else if (options["--rate"] > 0)
    run_at_rate(bench, scenario.run, options["--seconds"], options["--rate"]);
  else
    run_for(bench, scenario.run, options["--seconds"]);
  return 0;
}
