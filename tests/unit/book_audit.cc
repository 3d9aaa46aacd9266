// The audit finds what it is for: each kind of damage is done on purpose and named by it.
#include <gtest/gtest.h>

#include "support/id_table.h"
#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class Audit : public testing::Test {
 protected:
  void pay(Amount amount) {
    must(book_.session.pay(Payment(book_.fresh_id()).debit(a_, amount).credit(b_, amount)));
  }
  base::AtomicU64& available(Account account) {
    return below_.store.cell(below_.tables.account(account.index)).word(book::kAvailable).lo;
  }
  // As a stray write would.
  void add(Account account, int64_t amount) {
    base::AtomicU64& word = available(account);
    word.store_relaxed(word.load_relaxed() + static_cast<uint64_t>(amount));
  }
  void damage(Position position) {
    const commit::IndexSlot& index = below_.store.index(position.lsn());
    ASSERT_EQ(index.lo.load_relaxed(), position.lsn());
    const uint64_t where = index.hi.load_relaxed();
    auto* block = below_.store.mapping().region<std::byte>(arena::Region::blocks) +
                  (where >> 32) * below_.store.mapping().geometry().block_bytes;
    auto* words = reinterpret_cast<base::AtomicU64*>(block + (where & 0xffffffff));
    words[5].store_relaxed(words[5].load_relaxed() ^ 4);
  }
  std::string problems() {
    std::string all;
    const AuditReport report = must(book_.book.audit());
    EXPECT_EQ(report.ok, report.problems.empty());
    for (const std::string& problem : report.problems) all += problem + "\n";
    return all;
  }

  SmallBook book_;
  Account a_ = book_.open_with("a", 1000), b_ = book_.open("b");
  IdTable below_{book_};
};

TEST_F(Audit, ASoundBookHasNoProblems) {
  for (int i = 0; i < 300; ++i) pay(1);  // more than the ring holds
  const AuditReport report = must(book_.book.audit());
  EXPECT_TRUE(report.ok);
  EXPECT_EQ(report.accounts, 4u);
  EXPECT_GE(report.records, small_options().records);
  EXPECT_EQ(report.position, book_.book.position());
}

// Who pays while it is audited overwrites the oldest records before they are read: the newest are
// followed all the same.
TEST_F(Audit, TheChainIsFollowedThoughTheRingTurnsOver) {
  const uint64_t ring = book_.book.status().records_max;
  Session other = must(book_.book.open_session());
  const auto turn_over = [&] {
    for (uint64_t i = 0; i < 2 * ring; ++i) must(other.set_limits(b_, {}));
  };
  turn_over();
  uint64_t shorter = 0;
  // Before, some 600 accesses are to the balances at one position.
  for (uint64_t nth = 1000; nth < 10'000; nth += 500) {
    Interruption lap(nth, turn_over);
    const AuditReport report = must(book_.book.audit());
    EXPECT_TRUE(report.ok) << report.problems.front();
    EXPECT_GT(report.records, ring / 4) << "lapped before access " << nth;
    shorter += report.records < ring / 2;
  }
  EXPECT_GT(shorter, 0u);
}

TEST_F(Audit, AnEmptyBookIsSound) {
  ScratchDirectory directory;
  CreateOptions options = small_options();
  options.directory = directory.path();
  const Book empty = must(Book::create("empty", options));
  const AuditReport report = must(empty.audit());
  EXPECT_TRUE(report.ok);
  EXPECT_EQ(report.accounts, 0u);
  EXPECT_EQ(report.records, 0u);
}

TEST_F(Audit, MoneyFromNowhereIsFound) {
  add(b_, 1);
  const std::string found = problems();
  EXPECT_NE(found.find("ledger EUR does not sum to zero"), std::string::npos) << found;
}

TEST_F(Audit, MoneyMovedBesideTheLogIsFound) {
  pay(10);
  add(a_, -5);
  add(b_, +5);  // conserved, but nobody paid it
  const std::string found = problems();
  EXPECT_EQ(found.find("sum to zero"), std::string::npos) << found;
  EXPECT_NE(found.find("its last record says 990"), std::string::npos) << found;
  EXPECT_NE(found.find("its last record says 10"), std::string::npos) << found;
}

TEST_F(Audit, APaymentOnTopOfAStrayWriteIsABrokenChain) {
  pay(10);
  add(a_, -5);
  add(b_, +5);
  pay(1);
  const std::string found = problems();
  EXPECT_NE(found.find("is not what the record before left, 990"), std::string::npos) << found;
}

TEST_F(Audit, ADamagedRecordIsFound) {
  pay(10);
  damage(book_.book.position());
  pay(10);
  const std::string found = problems();
  EXPECT_NE(found.find("is damaged"), std::string::npos) << found;
}

TEST_F(Audit, WhoMeetsADamagedRecordIsToldSoAndNotKept) {
  pay(10);
  const Position last = book_.book.position();
  damage(last);
  EXPECT_EQ(problems(), "the record of the last commit is damaged\n");
  EXPECT_EQ(code_of(book_.book.read_log(last)), kDone);
  EXPECT_EQ(code_of(must(book_.book.read_log(last)).next()), Code::damaged);
  EXPECT_EQ(book_.book.position(), Position{});
  EXPECT_EQ(book_.book.status().position, Position{});
  EXPECT_EQ(book_.available(b_), 10);
}

}  // namespace
}  // namespace casbook
