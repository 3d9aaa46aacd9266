#include "replicated/cluster_payers.h"

#include <csignal>
#include <thread>
#include <utility>

#include <sys/wait.h>

#include "replicated/rows.h"

namespace casbook::bench {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

// Never used before in this run, whoever asks.
uint64_t next_series() {
  static uint64_t series = 1000;
  return series += 16;
}

struct Payer {
  explicit Payer(const ServedCluster& cluster)
      : book(must(Book::attach(cluster.name()))), accounts(accounts_of(book, cluster.accounts())) {}
  Book book;
  std::vector<Account> accounts;
};

uint64_t pay_batches(Payer& payer, uint64_t series, int64_t until_ns, Level level) {
  Session session = must(payer.book.open_session());
  Random random(series);
  std::vector<Payment> payments(kInFlight, Payment(PaymentId{}));
  std::vector<Result<Receipt>> answers(kInFlight, Receipt{});
  uint64_t made = 0;
  while (now_ns() < until_ns) {
    for (Payment& payment : payments) payment = transfer(payer.accounts, random, series, ++made);
    session.pay_batch(payments, answers);
    Position last{};
    for (auto& answer : answers) last = must(answer).position;
    must(payer.book.wait(last, level, kPatience));
  }
  return made;
}

// What the payers of a failover and the benchmark share.
struct FailoverLines {
  base::AtomicU64 ready;      // payers that have attached the book
  base::AtomicU64 paid;       // durable payments
  base::AtomicU64 killed_ns;  // 0: not yet
  base::AtomicU64 first_ns;   // a payment that was answered after it, elsewhere
};

// Pays where and when this host leads, until it is killed.
[[noreturn]] void pay_for_ever(const ServedCluster& cluster, uint64_t series, bool is_of_the_killed,
                               FailoverLines& lines) {
  const timespec nap{.tv_sec = 0, .tv_nsec = 500'000};
  bool is_ready = false;
  for (uint64_t number = 0;; nanosleep(&nap, nullptr)) {
    auto book = Book::attach(cluster.name());
    if (!book) continue;
    auto session = book->open_session();
    const auto from = book->find_account({ExternalId::of_number(1)});
    const auto to = book->find_account({ExternalId::of_number(2)});
    if (!session || !from || !to) continue;
    if (!std::exchange(is_ready, true)) lines.ready.add_relaxed(1);
    for (;; nanosleep(&nap, nullptr)) {
      Payment payment({ExternalId::of_number(series, number + 1)});
      payment.debit(*from, 1).credit(*to, 1);
      const auto receipt = session->pay(payment, Level::durable, std::chrono::milliseconds(200));
      if (!receipt && receipt.error().code == Code::book_moved) break;
      if (!receipt) continue;
      ++number;
      lines.paid.add_relaxed(1);
      if (!is_of_the_killed && lines.killed_ns.load_relaxed() != 0)
        lines.first_ns.cas_acq_rel(0, static_cast<uint64_t>(now_ns()));
    }
  }
}

template <class Condition>
bool wait_until(Condition&& condition) {
  for (const int64_t until = now_ns() + 10'000'000'000; now_ns() < until;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return false;
}

}  // namespace

OneCaller pay_one_by_one(const ServedCluster& cluster, uint32_t host, const Effort& effort,
                         Level level, NetworkFloor* floor) {
  const uint64_t calls = uint64_t{effort.blocks} * effort.rounds, series = next_series();
  const Lines<int64_t> ns(2 * calls);
  const bool ok = cluster.run_on(host, [&] {
    const Pinned pinned(kCallerCore);
    Payer payer(cluster);
    Session session = must(payer.book.open_session());
    Random random(series);
    const auto time = [](int64_t& took, auto&& call) {
      const int64_t start = now_ns();
      call();
      took = now_ns() - start;
    };
    for (uint64_t at = 0; at < calls;) {
      const uint64_t end = at + effort.rounds;
      for (uint64_t i = at; floor && i < end; ++i) time(ns[calls + i], [&] { floor->round(); });
      for (; at < end; ++at)
        time(ns[at], [&] {
          must(session.pay(transfer(payer.accounts, random, series, at + 1), level, kPatience));
        });
    }
  });
  OneCaller times;
  for (uint64_t i = 0; ok && i < calls; ++i) {
    times.subject.add(ns[i]);
    if (floor) times.floor.add(ns[calls + i]);
  }
  return times;
}

pid_t start_paying(const ServedCluster& cluster, uint32_t host, uint64_t per_second) {
  constexpr uint64_t kTogether = 32;
  return cluster.start_on(host, [&, series = next_series()] {
    Payer payer(cluster);
    Session session = must(payer.book.open_session());
    Random random(series);
    std::vector<Payment> payments(kTogether, Payment(PaymentId{}));
    std::vector<Result<Receipt>> answers(kTogether, Receipt{});
    const int64_t start = now_ns();
    for (uint64_t made = 0;;) {
      for (Payment& payment : payments) payment = transfer(payer.accounts, random, series, ++made);
      session.pay_batch(payments, answers);
      const int64_t due = start + static_cast<int64_t>(made * 1'000'000'000 / per_second);
      if (const int64_t left = due - now_ns(); left > 0)
        std::this_thread::sleep_for(std::chrono::nanoseconds(left));
    }
  });
}

double pay_together(const ServedCluster& cluster, uint32_t host, double seconds, uint64_t* paid,
                    Level level) {
  struct Sum {
    uint64_t made;
    double seconds;
  };
  const Lines<Sum> sum(1);
  const uint64_t first = next_series();
  const bool ok = cluster.run_on(host, [&] {
    Payer payer(cluster);
    uint64_t made[kCallers] = {};
    const int64_t start = now_ns();
    const int64_t until = start + static_cast<int64_t>(seconds * 1e9);
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kCallers; ++i)
      threads.emplace_back([&, i] { made[i] = pay_batches(payer, first + i, until, level); });
    for (std::thread& thread : threads) thread.join();
    for (const uint64_t count : made) sum[0].made += count;
    sum[0].seconds = static_cast<double>(now_ns() - start) / 1e9;
  });
  if (!ok) return 0;
  if (paid) *paid = sum[0].made;
  return static_cast<double>(sum[0].made) / sum[0].seconds;
}

double time_failover(ServedCluster& cluster) {
  const Lines<FailoverLines> lines(1);
  constexpr double kWholeSeconds = 60;
  if (!cluster.is_whole_within(kWholeSeconds)) return 0;
  const uint32_t leader = cluster.find_leader();
  if (leader == 0) return 0;
  std::vector<pid_t> payers;
  for (uint32_t host = 1; host <= cluster.hosts(); ++host)
    payers.push_back(cluster.start_on(host, [&, series = next_series()] {
      pay_for_ever(cluster, series, host == leader, lines[0]);
    }));
  // A large book takes a payer longer to attach than a failover lasts.
  const bool is_paid = wait_until([&] {
    return lines[0].ready.load_relaxed() == cluster.hosts() && lines[0].paid.load_relaxed() > 100;
  });
  lines[0].killed_ns.store_relaxed(static_cast<uint64_t>(now_ns()));
  cluster.kill_daemon(leader);
  const bool is_over = wait_until([&] { return lines[0].first_ns.load_relaxed() != 0; });
  for (const pid_t payer : payers) kill(payer, SIGKILL), waitpid(payer, nullptr, 0);
  cluster.start_daemon(leader);
  if (!is_paid || !is_over) return 0;
  return static_cast<double>(lines[0].first_ns.load_relaxed() - lines[0].killed_ns.load_relaxed()) /
         1e6;
}

}  // namespace casbook::bench
