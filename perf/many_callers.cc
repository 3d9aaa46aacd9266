#include <algorithm>
#include <thread>
#include <vector>

#include "replicated/served_cluster.h"
#include "scenarios.h"
#include "served/place.h"

namespace casbook::perf {
namespace {

using namespace bench;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr uint32_t kPayers = 4;
constexpr uint64_t kInFlight = 1024;

// For whoever reads a profile.
void name_process(pid_t pid, const std::string& name) {
  std::printf("process %d %s\n", pid, name.c_str());
  std::fflush(stdout);
}

// Every payer does the same until the time is over; how often, together.
using Turn = std::function<uint64_t(Session& session, Random& random, uint64_t series)>;
void run_payers(Book& book, uint32_t payers, double seconds, Window& window, const Turn& turn) {
  std::vector<uint64_t> made(payers);
  name_process(getpid(), "payers");
  std::vector<std::thread> threads;
  window.open();
  const int64_t start = now_ns(), until = start + static_cast<int64_t>(seconds * 1e9);
  for (uint32_t i = 0; i < payers; ++i)
    threads.emplace_back([&, i] {
      Session session = must(book.open_session());
      Random random(i + 1);
      while (now_ns() < until) made[i] += turn(session, random, 1000 + i);
    });
  for (std::thread& thread : threads) thread.join();
  const double took = static_cast<double>(now_ns() - start);
  window.close();
  uint64_t sum = 0;
  for (const uint64_t count : made) sum += count;
  std::printf("%.1f ns per operation, %lu operations\n", took / static_cast<double>(sum),
              static_cast<unsigned long>(sum));
  std::fflush(stdout);  // a process on a host ends by _exit()
}

uint64_t next_number() {
  thread_local uint64_t number = 0;
  return ++number;
}

// One payment, waited for.
Turn one_payment(const std::vector<Account>& accounts, Level level) {
  return [&accounts, level](Session& session, Random& random, uint64_t series) -> uint64_t {
    must(session.pay(transfer(accounts, random, series, next_number()), level, kPatience));
    return 1;
  };
}
// Many, and the last of them waited for: what is in flight shares messages and syncs.
Turn many_payments(const Book& book, const std::vector<Account>& accounts, Level level) {
  return [&book, &accounts, level](Session& session, Random& random, uint64_t series) {
    std::vector<Payment> payments;
    payments.reserve(kInFlight);
    std::vector<Result<Receipt>> answers(kInFlight, Receipt{});
    for (uint64_t i = 0; i < kInFlight; ++i)
      payments.push_back(transfer(accounts, random, series, next_number()));
    session.pay_batch(payments, answers);
    Position last{};
    for (auto& answer : answers)
      if (answer) last = answer->position;  // one that was refused found the ring full
    if (last.value != 0) must(book.wait(last, level, kPatience));
    return static_cast<uint64_t>(
        std::count_if(answers.begin(), answers.end(), [](auto& answer) { return bool(answer); }));
  };
}

// With 16 accounts, for several sessions.
struct SharedBook {
  explicit SharedBook(uint64_t payments)
      : maker(own_name(), 16, payments), book(must(Book::attach(maker.name()))) {
    (void)Book::destroy(maker.name());
  }
  OwnBook maker;
  Book book;
  const std::vector<Account>& accounts = maker.accounts();
};

// 4 payers, each with a session of its own, on 16 accounts.
void run_hot(double seconds, bool, Window& window) {
  SharedBook own(4'000'000);
  run_payers(own.book, kPayers, seconds, window, one_payment(own.accounts, Level::memory));
}

// 4 holders of one lease in turn, who pay under it.
void run_turns(double seconds, bool, Window& window) {
  SharedBook own(400'000);
  run_payers(
      own.book, kPayers, seconds, window,
      [&own](Session& session, Random& random, uint64_t series) -> uint64_t {
        const Grant grant =
            must(session.wait_acquire("turn", {.owner_id = series, .wait = kPatience}));
        must(session.pay(transfer(own.accounts, random, series, next_number()).guard(grant.lease)));
        must(session.release(grant.lease));
        return 1;
      });
}

ServedShape shape(bool is_tiny) {
  return {.accounts = is_tiny ? 64u : 10'000u, .payments = is_tiny ? 20'000u : 1'000'000u};
}

void give_up(const std::string& why) {
  if (why.empty()) return;
  std::fprintf(stderr, "perf_driver: %s\n", why.c_str());
  std::exit(1);
}

// A daemon with a journal on a disk.
template <bool kIsGroup>
void run_durable(double seconds, bool is_tiny, Window& window) {
  static const Place place("perf");  // removed by exit() too
  static ServedBook served(place.folder("durable"), shape(is_tiny));
  give_up(served.serve());
  served.fill();
  name_process(served.daemon(), "daemon");
  run_payers(served.book(), kIsGroup ? kPayers : 1, seconds, window,
             kIsGroup ? many_payments(served.book(), served.accounts(), Level::durable)
                      : one_payment(served.accounts(), Level::durable));
}

// Three of them, on hosts of their own; whoever pays is on the leader's.
template <bool kIsGroup>
void run_replicated(Level level, double seconds, bool is_tiny, Window& window) {
  static const Place place("perf");
  const test_support::Hosts hosts(
      {.wire = test_support::Wire::bridge, .folder = place.folder("hosts")});
  give_up(hosts.are_there() ? "" : "three hosts: " + hosts.why_not());
  ServedCluster cluster(hosts, shape(is_tiny));
  give_up(cluster.serve());
  give_up(cluster.is_whole_within(60) ? "" : "the hosts do not follow");
  const uint32_t leader = cluster.find_leader();
  for (uint32_t host = 1; host <= cluster.hosts(); ++host)
    name_process(cluster.daemon(host), host == leader ? "leader's daemon" : "a follower's daemon");
  const bool is_done = cluster.run_on(leader, [&] {
    Book book = must(Book::attach(cluster.name()));
    const std::vector<Account> accounts = accounts_of(book, cluster.accounts());
    run_payers(book, kIsGroup ? kPayers : 1, seconds, window,
               kIsGroup ? many_payments(book, accounts, level) : one_payment(accounts, level));
  });
  give_up(is_done ? "" : "a payer failed");
}

template <bool kIsGroup, Level kLevel>
void run_replicated_at(double seconds, bool is_tiny, Window& window) {
  run_replicated<kIsGroup>(kLevel, seconds, is_tiny, window);
}

}  // namespace

const std::map<std::string, Crowd>& scenarios_of_many() {
  static const std::map<std::string, Crowd> all = {
      {"hot-16", run_hot},
      {"turns", run_turns},
      {"durable", run_durable<false>},
      {"durable-group", run_durable<true>},
      {"quorum", run_replicated_at<false, Level::quorum>},
      {"quorum-group", run_replicated_at<true, Level::quorum>},
      {"replicated", run_replicated_at<false, Level::durable>},
      {"replicated-group", run_replicated_at<true, Level::durable>},
  };
  return all;
}

}  // namespace casbook::perf
