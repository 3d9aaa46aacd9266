// Threads, each with its session, over two attachments of one book, as processes have it, and over
// one, where ThreadSanitizer sees every access (what goes through another mapping is another
// address to it).
#include <atomic>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/child_process.h"
#include "support/lanes.h"
#include "support/random.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;
using test::Random;

constexpr int64_t kRunNs = 700'000'000;
constexpr int kPayers = 4;
constexpr uint32_t kSlow = 5,
                   kWidest = 8;  // accounts of payments in the slow lane; in the fast one

class Threads : public testing::TestWithParam<bool> {
 protected:
  Threads() { begin_slow({kSlow}); }

  static CreateOptions options() {
    CreateOptions options = small_options();
    options.payments = 250'000;
    options.accounts = 4096;
    options.sessions = 16;
    options.records = 2048;
    return options;
  }

  Book& mapping(int thread) { return GetParam() && thread % 2 ? second_ : book_.book; }

  // What a call throws in a thread is a failure of the test, not its end.
  void run_in_thread(std::function<void()> body) {
    threads_.emplace_back([body = std::move(body)] {
      try {
        body();
      } catch (const std::exception& failure) {
        ADD_FAILURE() << failure.what();
      }
    });
  }
  // `work` again and again in a thread of its own, until the time is over.
  void start(int thread, std::function<void(Session& session, Random& random)> work) {
    run_in_thread([this, thread, work = std::move(work)] {
      Session session = must(mapping(thread).open_session());
      Random random(static_cast<uint64_t>(thread) + 1);
      while (monotonic_ns() < end_ns_) work(session, random);
    });
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  PaymentId next_id() { return payment_id(ids_.fetch_add(1)); }

  // Between the pool's accounts: two of them, five in the slow lane, or all eight. Counts what was
  // executed, by accounts.
  void pay_somebody(Session& session, Random& random) {
    Payment payment(next_id());
    const auto amount = static_cast<Amount>(1 + random.below(30));
    if (random.one_in(8)) {
      payment.debit(pool_[random.below(4)], 4 * amount);
      for (size_t to = 4; to < 8; ++to) payment.credit(pool_[to], amount);
    } else if (random.one_in(8)) {
      const size_t from = random.below(8);
      payment.debit(pool_[from], 7 * amount);
      for (size_t step = 1; step < 8; ++step) payment.credit(pool_[(from + step) % 8], amount);
    } else {
      const size_t from = random.below(8);
      payment.debit(pool_[from], amount).credit(pool_[(from + 1 + random.below(7)) % 8], amount);
    }
    const Code code = code_of(session.pay(payment));
    if (code == kDone) executed_.fetch_add(1), of_width_[payment.posting_count()].fetch_add(1);
    if (code != kDone && code != Code::insufficient_available && code != Code::ceiling_exceeded &&
        code != Code::backpressure && code != Code::payment_window_full) {
      unexpected_.fetch_add(1);
      ADD_FAILURE() << code_name(code) << " " << payment.id().value.text();
    }
  }

  // Nobody negative, and together what was there at the beginning.
  void expect_all_of_the_money(const std::vector<Amount>& available) {
    Amount sum = 0;
    for (const Amount amount : available) {
      if (amount < 0) unexpected_.fetch_add(1);
      sum += amount;
    }
    if (sum != 8 * 1000) unexpected_.fetch_add(1);
  }

  void expect_both_lanes() {
    EXPECT_GT(of_width_[kSlow].load(), 0u);
    EXPECT_GT(of_width_[kWidest].load(), 0u);
    EXPECT_GE(made_slow(book_.book), of_width_[kSlow].load());
  }

  void expect_sound() {
    EXPECT_EQ(unexpected_.load(), 0u);
    for (Book* book : {&book_.book, &second_}) {
      const AuditReport report = must(book->audit());
      EXPECT_TRUE(report.ok) << (report.problems.empty() ? "" : report.problems[0]);
    }
  }

  SmallBook book_{options()};
  Book second_ = book_.attach();
  std::vector<Account> pool_ = [this] {
    std::vector<Account> pool;
    for (int i = 0; i < 8; ++i) pool.push_back(book_.open_with("pool " + std::to_string(i), 1000));
    return pool;
  }();
  std::atomic<uint64_t> ids_{1'000'000'000}, executed_{0}, unexpected_{0};
  std::atomic<uint64_t> of_width_[kWidest + 1] = {};
  std::vector<std::thread> threads_;
  int64_t end_ns_ = monotonic_ns() + kRunNs;
};

TEST_P(Threads, ConserveMoneyWhileOthersRead) {
  for (int i = 0; i < kPayers; ++i)
    start(i, [this](Session& session, Random& random) { pay_somebody(session, random); });
  start(4, [this](Session&, Random&) {
    const auto balances = mapping(1).balances(pool_);
    if (!balances) return;  // overrun
    std::vector<Amount> amounts;
    for (const Balance& balance : *balances) amounts.push_back(balance.available);
    expect_all_of_the_money(amounts);
  });
  start(5, [this](Session&, Random&) {
    const auto snapshot = mapping(0).snapshot();
    if (!snapshot) return;
    Amount sum = 0;
    for (const AccountBalance& line : snapshot->accounts) sum += line.available + line.held;
    if (sum != 0) unexpected_.fetch_add(1);
  });
  join();
  EXPECT_GT(executed_.load(), 100u);
  expect_both_lanes();
  expect_sound();
}

TEST_P(Threads, ExecuteAnIdOnce) {
  constexpr uint64_t kIds = 2000;
  std::vector<std::vector<uint64_t>> positions(kPayers);
  std::atomic<uint64_t> firsts{0};
  for (int i = 0; i < kPayers; ++i)
    run_in_thread([this, i, &positions, &firsts] {
      Session session = must(mapping(i).open_session());
      for (uint64_t id = 0; id < kIds; ++id) {
        const Receipt receipt = must(session.pay(
            Payment(payment_id(5'000'000 + id)).debit(book_.world, 1).credit(pool_[id % 8], 1)));
        positions[static_cast<size_t>(i)].push_back(receipt.position.value);
        firsts.fetch_add(!receipt.replayed);
      }
    });
  join();
  EXPECT_EQ(firsts.load(), kIds);
  for (const auto& list : positions) EXPECT_EQ(list, positions[0]);
  EXPECT_EQ(book_.available(book_.world), -static_cast<Amount>(8 * 1000 + kIds));
  expect_sound();
}

TEST_P(Threads, HoldALeaseOneAtATime) {
  std::atomic<int> holders{0};
  std::atomic<uint64_t> grants{0};
  for (int i = 0; i < kPayers; ++i)
    start(i, [this, i, &holders, &grants](Session& session, Random& random) {
      const AcquireOptions options{
          .ttl = 60s, .owner_id = static_cast<uint64_t>(i) + 1, .wait = 20ms};
      const std::string name = "lease " + std::to_string(random.below(2));
      const bool is_first = name.back() == '0';
      const auto grant = session.wait_acquire(name, options);
      if (!grant) return;
      grants.fetch_add(1);
      if (is_first && holders.fetch_add(1) != 0) unexpected_.fetch_add(1);
      Payment payment(next_id());
      payment.debit(book_.world, 1).credit(pool_[0], 1).guard(grant->lease);
      if (code_of(session.pay(payment)) != kDone) unexpected_.fetch_add(1);
      if (is_first) holders.fetch_sub(1);
      if (must(session.release(grant->lease)).count != 0) unexpected_.fetch_add(1);
      if (code_of(session.release(grant->lease)) == kDone) unexpected_.fetch_add(1);
    });
  start(4, [this](Session&, Random&) {
    for (const LeaseInfo& info : mapping(1).leases())
      if (info.count != 1 || info.owner_id == 0 || info.owner_id > kPayers)
        unexpected_.fetch_add(1);
  });
  join();
  EXPECT_GT(grants.load(), 20u);
  EXPECT_TRUE(book_.book.leases().empty());
  expect_sound();
}

TEST_P(Threads, AreFollowedWithoutAGap) {
  LogFollower follower = must(mapping(1).follow("auditor", FullPolicy::refuse_payments));
  for (int i = 0; i < kPayers; ++i)
    start(i, [this](Session& session, Random& random) { pay_somebody(session, random); });
  uint64_t last = 0, read = 0;
  const auto follow = [&] {
    for (auto record = must(follower.next()); record; record = must(follower.next())) {
      if (last != 0 && record->position.lsn() != last + 1) {
        unexpected_.fetch_add(1);
        ADD_FAILURE() << record->position.lsn() << " follows " << last;
      }
      last = record->position.lsn();
      ++read;
    }
    follower.release();
  };
  while (monotonic_ns() < end_ns_) follow();
  join();
  follow();
  EXPECT_EQ(last, book_.book.position().lsn());
  EXPECT_GE(read, executed_.load());
  expect_both_lanes();
  expect_sound();
}

TEST_P(Threads, ReadTheLogOrAreToldThatTheyAreTooSlow) {
  for (int i = 0; i < kPayers; ++i)
    start(i, [this](Session& session, Random& random) { pay_somebody(session, random); });
  LogReader reader = must(mapping(1).read_log());
  uint64_t last = 0, read = 0;
  while (monotonic_ns() < end_ns_) {
    const auto next = reader.next();
    if (!next) {
      EXPECT_EQ(code_of(next), Code::overrun);
      reader.skip_to_oldest();
      last = 0;
    } else if (next->has_value()) {
      if (last != 0 && (*next)->position.lsn() != last + 1) unexpected_.fetch_add(1);
      last = (*next)->position.lsn();
      ++read;
    }
  }
  join();
  EXPECT_GT(read, 100u);
  expect_sound();
}

TEST_P(Threads, PayUnderLimitsThatChange) {
  const AccountLimits two[] = {{.min_available = 0}, {.min_available = 0, .max_available = 5000}};
  for (int i = 0; i < 3; ++i)
    start(i, [this](Session& session, Random& random) { pay_somebody(session, random); });
  start(3, [this, &two](Session& session, Random& random) {
    must(session.set_limits(pool_[random.below(8)], two[random.below(2)]));
  });
  start(4, [this, &two](Session&, Random& random) {
    const AccountLimits limits = must(mapping(0).account_info(pool_[random.below(8)])).limits;
    if (limits != two[0] && limits != two[1]) unexpected_.fetch_add(1);
  });
  join();
  for (const Account account : pool_) EXPECT_GE(book_.available(account), 0);
  expect_both_lanes();
  expect_sound();
}

TEST_P(Threads, OpenAccountsWhileTheBookIsAudited) {
  std::atomic<uint64_t> names{0};
  for (int i = 0; i < 2; ++i)
    start(i, [this, &names](Session& session, Random&) {
      // The second of two openings of one name finds the first.
      const std::string name = "new " + std::to_string(names.fetch_add(1) / 2);
      const auto opened = session.open_account(account_id(name), {.ledger = "EUR"});
      if (!opened) return;  // full in the end
      must(session.pay(Payment(next_id())
                           .debit(pool_[0], 1)
                           .credit(*opened, 1)
                           .debit(*opened, 1)
                           .credit(pool_[0], 1)));
    });
  start(2, [this](Session&, Random&) {
    const auto report = mapping(1).audit();
    if (report && !report->ok) unexpected_.fetch_add(1);
  });
  join();
  std::set<std::string> ids;
  const uint64_t opened = book_.book.status().accounts;
  for (uint32_t index = 0; index < opened; ++index)
    ids.insert(must(book_.book.account_info({index, 0})).id.value.text());
  EXPECT_EQ(ids.size(), opened);
  expect_sound();
}

INSTANTIATE_TEST_SUITE_P(Over, Threads, testing::Bool(), [](const auto& over) {
  return std::string(over.param ? "TwoMappings" : "OneMapping");
});

}  // namespace
}  // namespace casbook
