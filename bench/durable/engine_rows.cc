#include "durable/engine_rows.h"

#include <algorithm>
#include <thread>

#include "durable/disk_floor.h"
#include "durable/one_caller.h"

namespace casbook::bench {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);
// Of a payment between two accounts; a book that is there is asked.
constexpr uint64_t kRecordBytesAbout = 424;

// Never used before in this run, whoever asks.
uint64_t next_series() {
  static uint64_t series = 100;
  return ++series;
}

void pin_daemon(const ServedBook& book, int core) { pin_process(book.daemon(), core); }

std::string per_second(double rate) { return figure(rate / 1e3) + " k/s"; }
std::string microseconds(double us) { return figure(us) + " us"; }

void add_compared(Table& table, const std::string& what, const std::string& floor,
                  const std::string& subject, double ratio, const Aim* aim = nullptr) {
  table.add({what, floor, subject, figure(ratio), aim ? aim->text() : "",
             aim ? aim->verdict(ratio) : ""});
}

// Commits a batch, then waits for its last position where a level is asked for.
uint64_t pay_batches(Book& book, const std::vector<Account>& accounts, uint64_t series,
                     int64_t until_ns, Level level) {
  Session session = must(book.open_session());
  Random random(series);
  std::vector<Payment> payments(kInFlight, Payment(PaymentId{}));
  std::vector<Result<Receipt>> answers(kInFlight, Receipt{});
  uint64_t made = 0;
  while (now_ns() < until_ns) {
    for (Payment& payment : payments) payment = transfer(accounts, random, series, ++made);
    session.pay_batch(payments, answers);
    Position last{};
    for (auto& answer : answers) last = must(answer).position;
    if (level != Level::memory) must(book.wait(last, level, kPatience));
  }
  return made;
}

// Payments per second of all callers.
double run_group(Book& book, const std::vector<Account>& accounts, double seconds, Level level) {
  uint64_t made[kCallers] = {};
  const int64_t start = now_ns();
  const int64_t until = start + static_cast<int64_t>(seconds * 1e9);
  std::vector<std::thread> threads;
  for (uint64_t& count : made)
    threads.emplace_back(
        [&, series = next_series()] { count = pay_batches(book, accounts, series, until, level); });
  for (std::thread& thread : threads) thread.join();
  uint64_t sum = 0;
  for (const uint64_t count : made) sum += count;
  return static_cast<double>(sum) * 1e9 / static_cast<double>(now_ns() - start);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// The same shape without a daemon: what `memory` payments cost by themselves.
struct PlainBook {
  explicit PlainBook(const Effort& effort)
      : name(own_name()),
        book(must(Book::create(name, book_options(effort.accounts + 1, effort.payments)))) {
    (void)Book::destroy(name);
    Session session = must(book.open_session());
    accounts = open_accounts(session, effort.accounts);
  }
  std::string name;
  Book book;
  std::vector<Account> accounts;
};

// One caller's payments at a pace, and what each took of the processor while it was made.
class PacedCaller {
 public:
  PacedCaller(Book& book, const std::vector<Account>& accounts)
      : session_(must(book.open_session())),
        accounts_(accounts),
        series_(next_series()),
        random_(series_) {}

  // Bursts until `until_ns`, at most `pace` payments per second; 0: as fast as it goes.
  void run(int64_t until_ns, double pace) {
    constexpr uint32_t kBurst = 32;
    int64_t now = now_ns(), due = now;
    const int64_t between = pace > 0 ? static_cast<int64_t>(kBurst * 1e9 / pace) : 0;
    while (now < until_ns) {
      const int64_t begun = cpu_ns();
      for (uint32_t i = 0; i < kBurst; ++i)
        must(pay_patiently(session_, transfer(accounts_, random_, series_, ++made_), refused_));
      busy_ns_ += cpu_ns() - begun;
      due += between;
      while ((now = now_ns()) < due) base::spin_pause();
    }
  }
  uint64_t made() const { return made_; }
  uint64_t refused() const { return refused_; }
  double busy_ns() const { return static_cast<double>(busy_ns_); }
  double ns_per_payment() const { return busy_ns() / static_cast<double>(made_); }

 private:
  Session session_;
  const std::vector<Account>& accounts_;
  uint64_t series_, made_ = 0, refused_ = 0;
  int64_t busy_ns_ = 0;
  Random random_;
};

int64_t from_now(double seconds) { return now_ns() + static_cast<int64_t>(seconds * 1e9); }

// Payments per second that the daemon's disk keeps up with; 0: all that one caller can make.
double find_pace(const Effort& effort, ServedBook& book) {
  constexpr double kShareOfCarried = 0.8;
  PacedCaller caller(book.book(), book.accounts());
  const double seconds = effort.seconds * 6;
  caller.run(from_now(seconds), 0);
  return caller.refused() == 0 ? 0 : kShareOfCarried * static_cast<double>(caller.made()) / seconds;
}

// What a payment took, by stretches of 10 ms.
struct Windows {
  std::vector<double> ns_per_payment;

  double mean() const {
    double sum = 0;
    for (const double ns : ns_per_payment) sum += ns;
    return sum / static_cast<double>(ns_per_payment.size());
  }
  double worst() const { return *std::max_element(ns_per_payment.begin(), ns_per_payment.end()); }
};

template <class GoesOn>
Windows pay_while(PacedCaller& caller, double pace, GoesOn&& goes_on) {
  constexpr double kWindowSeconds = 0.01;
  Windows windows;
  do {
    const uint64_t made = caller.made();
    const double busy = caller.busy_ns();
    caller.run(from_now(kWindowSeconds), pace);
    windows.ns_per_payment.push_back((caller.busy_ns() - busy) /
                                     static_cast<double>(caller.made() - made));
  } while (goes_on());
  return windows;
}

void add_checkpoint_rows(const Effort& effort, ServedBook& book, double pace, Table& table) {
  PacedCaller caller(book.book(), book.accounts());
  const int64_t until = from_now(effort.seconds * 2);
  const Windows before = pay_while(caller, pace, [&] { return now_ns() < until; });
  Process command(book.command("checkpoint"));
  pin_process(command.pid(), kDaemonCore);
  const uint64_t answered = book.journal().checkpoint_answered.load_relaxed();
  const Windows during = pay_while(caller, pace, [&] { return command.is_running(); });
  if (book.journal().checkpoint_answered.load_relaxed() == answered) {
    table.add({"memory payments while a checkpoint is taken", "", "skipped: no checkpoint"});
    return;
  }
  add_compared(table, "memory payments while a checkpoint is taken",
               per_second(1e9 / before.mean()), per_second(1e9 / during.mean()),
               before.mean() / during.mean());
  add_compared(table, "its worst 10 ms", per_second(1e9 / before.worst()),
               per_second(1e9 / during.worst()), before.worst() / during.worst());
  const double bytes = static_cast<double>(book.journal().checkpoint_bytes.load_relaxed());
  const double ms = static_cast<double>(book.journal().checkpoint_took_ms.load_relaxed());
  table.add({"that checkpoint", "", figure(bytes / 1e6) + " MB in " + figure(ms) + " ms",
             figure(bytes / 1e6 / ms) + " GB/s", "at least 1 GB/s or the disk's limit", ""});
}

}  // namespace

void add_floor_rows(const Place& place, const Effort& effort, Table& table) {
  RoundTripFloor floor(place.path());
  Latencies latencies;
  pin_process(floor.daemon(), kDaemonCore);
  {
    const Pinned pinned(kCallerCore);
    for (uint32_t i = 0; i < effort.blocks * effort.rounds; ++i)
      latencies.time([&] { floor.round(); });
  }
  table.add({"one caller, one durable payment, p50", microseconds(latencies.p50()), "skipped"});
  table.add({"the same, p99", microseconds(latencies.p99()), "skipped"});
  GroupFloor group(
      place.path(),
      {.callers = kCallers, .records_per_batch = kInFlight, .record_bytes = kRecordBytesAbout});
  group.run(effort.seconds);  // the first waits until the file is made
  const double rate = group.run(effort.seconds * 4);
  table.add({"4 callers with 1,024 payments in flight each", per_second(rate), "skipped"});
}

void add_one_caller_rows(const Place& place, const Effort& effort, ServedBook& book, Table& table) {
  constexpr Aim kP50{1.2, true}, kP99{1.5, true};
  RoundTripFloor floor(place.path());
  pin_process(floor.daemon(), kDaemonCore);
  pin_daemon(book, kDaemonCore);
  const Pinned pinned(kCallerCore);
  Session session = must(book.book().open_session());
  Random random(7);
  const uint64_t series = next_series();
  uint64_t number = 0;
  OneCaller times;
  time_one_caller(effort, floor, times, [&] {
    must(session.pay(transfer(book.accounts(), random, series, ++number), Level::durable,
                     kPatience));
    return true;
  });
  pin_daemon(book, -1);
  add_compared(table, "one caller, one durable payment, p50", microseconds(times.floor.p50()),
               microseconds(times.subject.p50()), times.p50_ratio(), &kP50);
  add_compared(table, "the same, p99", microseconds(times.floor.p99()),
               microseconds(times.subject.p99()), times.p99_ratio(), &kP99);
}

void add_group_rows(const Place& place, const Effort& effort, ServedBook& book, Table& table) {
  constexpr Aim kAim{0.6, false};
  uint64_t refused = 0;
  Random random(8);
  Session session = must(book.book().open_session());
  const Receipt sample =
      must(pay_patiently(session, transfer(book.accounts(), random, next_series(), 1), refused));
  GroupFloor floor(place.path(), {.callers = kCallers,
                                  .records_per_batch = kInFlight,
                                  .record_bytes = book.record_bytes(sample.position)});
  floor.run(effort.seconds);  // the first waits until the file is made
  PlainBook plain(effort);
  std::vector<double> floors, rates, memory, ratios;
  for (uint32_t block = 0; block < std::max(2u, effort.blocks / 4); ++block) {
    floors.push_back(floor.run(effort.seconds));
    rates.push_back(run_group(book.book(), book.accounts(), effort.seconds, Level::durable));
    memory.push_back(run_group(plain.book, plain.accounts, effort.seconds, Level::memory));
    ratios.push_back(rates.back() / floors.back());
  }
  add_compared(table, "4 callers with 1,024 payments in flight each", per_second(median(floors)),
               per_second(median(rates)), median(ratios), &kAim);
  add_compared(table, "the same callers without a daemon, in memory", per_second(median(floors)),
               per_second(median(memory)), median(memory) / median(floors));
}

void add_follower_rows(const Effort& effort, ServedBook& book, Table& table) {
  constexpr Aim kAim{0.85, false};
  const Pinned pinned(kCallerCore);
  pin_daemon(book, kDaemonCore);
  const double pace = find_pace(effort, book);
  PlainBook plain(effort);
  PacedCaller alone(plain.book, plain.accounts), followed(book.book(), book.accounts());
  for (uint32_t block = 0; block < effort.blocks / 2; ++block) {
    alone.run(from_now(effort.seconds), pace);
    followed.run(from_now(effort.seconds), pace);
  }
  const std::string rate = pace > 0 ? ", " + per_second(pace) + " in bursts of 32" : "";
  add_compared(table, "memory payments on one core beside a daemon that follows" + rate,
               per_second(1e9 / alone.ns_per_payment()),
               per_second(1e9 / followed.ns_per_payment()),
               alone.ns_per_payment() / followed.ns_per_payment(), &kAim);
  add_checkpoint_rows(effort, book, pace, table);
  pin_daemon(book, -1);
}

}  // namespace casbook::bench
