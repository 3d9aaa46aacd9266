// 256 processes on whatever processors there are, all on the same few accounts; every eighth is
// killed at some access to shared memory, every eighth stopped there. Nobody waits for them, and
// nothing is lost or doubled.
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/atomic.h"
#include "support/child_process.h"
#include "support/lanes.h"
#include "support/random.h"
#include "support/small_book.h"
#include "support/strike.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr uint32_t kProcesses = 256;
constexpr uint32_t kAccounts = 12, kSlow = 5;
constexpr uint64_t kPaymentsEach = 1000;
constexpr Amount kFunds = 100'000;

struct Board {
  base::AtomicU64 is_open;
  base::AtomicU64 done[kProcesses];  // payments answered
};

CreateOptions options() {
  CreateOptions wanted = small_options();
  wanted.payments = kProcesses * kPaymentsEach + 1000;
  wanted.sessions = kProcesses + 2;
  wanted.records = 1024;
  return wanted;
}

constexpr bool is_killed(uint32_t process) { return process % 8 == 0; }
constexpr bool is_stopped(uint32_t process) { return process % 8 == 1; }

class ManySessions : public testing::Test {
 protected:
  ManySessions() {
    begin_slow({kSlow});
    for (uint32_t i = 0; i < kAccounts; ++i)
      accounts_.push_back(small_.open_with("account " + std::to_string(i), kFunds));
  }

  // Of one number always the same; every eighth is of five accounts in the slow lane, every eighth
  // of eight in the fast one.
  Payment payment(uint32_t process, uint64_t number) const {
    test::Random random(process * 1'000'003 + number);
    const auto from = static_cast<uint32_t>(random.below(kAccounts));
    const uint32_t width = number % 8 == 0 ? kSlow - 1 : number % 8 == 4 ? 7 : 1;
    Payment made(payment_id((uint64_t{process} + 1) << 32 | number));
    made.debit(accounts_[from], width);
    for (uint32_t i = 1; i <= width; ++i) made.credit(accounts_[(from + i) % kAccounts], 1);
    return made;
  }

  void pay_all(uint32_t process, Board& board) const {
    Book book = small_.attach();
    Result<Session> session = book.open_session();
    require(static_cast<bool>(session), "no session");
    while (board.is_open.load_acquire() == 0) sleep_us(1000);
    // Somewhere in the middle of its payments, each at another place.
    const uint64_t nth = 30'000 + 331 * process;
    if (is_killed(process)) arm({.nth = nth});
    if (is_stopped(process)) arm({.nth = nth, .signal = SIGSTOP});
    for (uint64_t number = 1; number <= kPaymentsEach; ++number) {
      require(static_cast<bool>(session->pay(payment(process, number))), "a payment was refused");
      board.done[process].store_relaxed(number);
    }
  }

  SmallBook small_{options()};
  std::vector<Account> accounts_;
};

TEST_F(ManySessions, PayBesideTheDeadAndTheStopped) {
  Shared<Board> board;
  std::vector<std::unique_ptr<Child>> payers;
  for (uint32_t i = 0; i < kProcesses; ++i)
    payers.push_back(std::make_unique<Child>([&, i] { pay_all(i, *board); }));
  ASSERT_TRUE(await([&] { return small_.book.status().sessions.size() == kProcesses + 1; }, 60));
  const int64_t start_ns = monotonic_ns();
  board->is_open.store_release(1);
  uint64_t killed = 0, stopped = 0;
  for (uint32_t i = 0; i < kProcesses; ++i) {
    if (is_stopped(i)) continue;
    if (is_killed(i))
      killed += payers[i]->was_killed_by(SIGKILL);
    else
      EXPECT_TRUE(payers[i]->succeeded()) << i;
  }
  const double seconds = static_cast<double>(monotonic_ns() - start_ns) / 1e9;
  for (uint32_t i = 0; i < kProcesses; ++i) {
    if (!is_stopped(i)) continue;
    stopped += payers[i]->await_stopped();
    payers[i]->signal(SIGCONT);
    EXPECT_TRUE(payers[i]->succeeded()) << i;
  }
  std::printf("%u processes in %.1f s, %llu killed, %llu stopped\n", kProcesses, seconds,
              static_cast<unsigned long long>(killed), static_cast<unsigned long long>(stopped));
  EXPECT_EQ(killed, kProcesses / 8);
  EXPECT_EQ(stopped, kProcesses / 8);
  EXPECT_GE(made_slow(small_.book), (kProcesses - killed) * (kPaymentsEach / 8));

  // What the dead began is retried by us; what was answered is a replay.
  std::vector<Amount> expected(kAccounts, kFunds);
  for (uint32_t i = 0; i < kProcesses; ++i)
    for (uint64_t number = 1; number <= kPaymentsEach; ++number) {
      const Payment made = payment(i, number);
      const Receipt receipt = must(small_.session.pay(made));
      if (number <= board->done[i].load_relaxed()) {
        ASSERT_TRUE(receipt.replayed) << "answered, and not there";
      }
      for (uint32_t p = 0; p < made.posting_count(); ++p)
        for (uint32_t a = 0; a < kAccounts; ++a)
          if (made.postings()[p].account == accounts_[a])
            expected[a] += made.postings()[p].side == Side::credit ? made.postings()[p].amount
                                                                   : -made.postings()[p].amount;
    }
  for (uint32_t a = 0; a < kAccounts; ++a) EXPECT_EQ(small_.available(accounts_[a]), expected[a]);
  must(small_.book.take_over_the_dead());
  EXPECT_EQ(small_.book.status().sessions.size(), 1u);
  EXPECT_TRUE(small_.book.check().ok);
}

}  // namespace
}  // namespace casbook
