// fsck: each kind of damage, done on purpose, is named; a sound book in use has none. Quarantine.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "lease/layout.h"
#include "support/child_process.h"
#include "support/id_table.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class Check : public testing::Test {
 protected:
  Check() {
    for (int i = 0; i < 20; ++i) must(book_.session.pay(payment(book_.fresh_id())));
  }
  Payment payment(const PaymentId& id) const { return Payment(id).debit(a_, 1).credit(b_, 1); }
  commit::Store& store() { return below_.store; }
  commit::Cell& cell_of(Account account) {
    return store().cell(below_.tables.account(account.index));
  }
  // The problems, after damage.
  std::string problems() {
    std::string all;
    const CheckReport report = book_.book.check();
    EXPECT_EQ(report.ok, report.problems.empty());
    for (const std::string& problem : report.problems) all += problem + "\n";
    return all;
  }
  void expect_named(const std::string& text) {
    const std::string found = problems();
    EXPECT_NE(found.find(text), std::string::npos) << found;
  }

  SmallBook book_;
  Account a_ = book_.open_with("a", 1000), b_ = book_.open("b");
  IdTable below_{book_};
};

TEST_F(Check, ASoundBookHasNoDamage) {
  must(book_.session.try_acquire("lease"));
  must(book_.session.pay(payment(payment_id("a text id of more than sixteen bytes"))));
  EXPECT_EQ(problems(), "");
}

TEST_F(Check, ABookInUseHasNoDamage) {
  std::atomic<bool> is_over{false};
  std::thread payer([&] {
    Session other = must(book_.book.open_session());
    for (uint64_t i = 1'000'000; !is_over; ++i) (void)other.pay(payment(payment_id(i)));
  });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(problems(), "");
  is_over = true;
  payer.join();
}

TEST_F(Check, NamesACellWhoseWordCountIsWrong) {
  cell_of(a_).word_count.store_relaxed(7);
  expect_named("account cell " + std::to_string(a_.index) + ": word count 7, expected 3");
}

TEST_F(Check, NamesACellWhoseVersionIsNotThatOfItsWords) {
  cell_of(a_).state.store_relaxed(cell_of(a_).state.load_relaxed() - 1);
  expect_named("account cell " + std::to_string(a_.index) + ": version ");
}

TEST_F(Check, NamesALockOfASessionThatIsNone) {
  cell_of(a_).state.store_relaxed(commit::make_reference(1000, 0, 5));
  expect_named("locked by session 1000, which is none");
}

TEST_F(Check, NamesAVersionFromTheFuture) {
  commit::Word& word = cell_of(a_).word(book::kAvailable);
  word.hi.store_relaxed(Position::of(1, 1'000'000).value);
  expect_named("of a word");
}

TEST_F(Check, NamesAnEntryOfADescriptorThatIsOutOfBounds) {
  commit::Descriptor& descriptor = store().descriptor(0, 0);
  descriptor.entries[0].where.store_relaxed(commit::make_where(1ull << 40, 0, commit::Mode::set));
  expect_named("session 0 descriptor 0: entry 0: word 0 of cell " + std::to_string(1ull << 40));
}

TEST_F(Check, NamesAHoleInTheLog) {
  const uint64_t lsn = book_.book.position().lsn() - 3;
  store().slot(lsn).lo.store_relaxed(7);
  expect_named("log slot of LSN " + std::to_string(lsn) + " holds LSN 7");
}

TEST_F(Check, NamesARecordWithOneBitFlipped) {
  const uint64_t lsn = book_.book.position().lsn() - 3;
  const uint64_t where = store().index(lsn).hi.load_relaxed();
  auto* block = store().mapping().region<std::byte>(arena::Region::blocks) +
                (where >> 32) * store().mapping().geometry().block_bytes;
  auto* words = reinterpret_cast<base::AtomicU64*>(block + (where & 0xffffffff));
  for (const uint32_t word : {0u, 1u, 2u, 3u, 4u, 9u}) {
    const uint64_t sound = words[word].load_relaxed();
    words[word].store_relaxed(sound ^ 1ull << (5 * word));
    expect_named("record at LSN " + std::to_string(lsn) + " is damaged");
    words[word].store_relaxed(sound);
  }
  EXPECT_EQ(problems(), "");
}

TEST_F(Check, NamesABlockOfNobody) {
  auto* states = store().mapping().region<base::AtomicU64>(arena::Region::block_states);
  states[1].store_relaxed(5000 << 1 | 1);
  expect_named("block 1 is owned by session 4999, which is none");
}

TEST_F(Check, NamesAnAccountThatIsNotFoundByItsId) {
  commit::Cell& profile = store().cell(below_.tables.profile(a_.index));
  profile.word(book::kIdWords).lo.store_relaxed(0x7a7a7a);
  expect_named("account " + std::to_string(a_.index) + " ");
}

TEST_F(Check, NamesAPaymentIdThatStandsWhereItCannotBe) {
  const PaymentId id = payment_id(4711);
  must(book_.session.pay(payment(id)));
  commit::Cell& bucket = store().cell(below_.tables.payments(below_.find(id)));
  for (uint32_t i = 0; i < book::kBucketEntries; ++i) {
    base::AtomicU64& low = bucket.word(book::kEntries + i * book::kIdEntryWords).lo;
    if (low.load_relaxed() == 4711) low.store_relaxed(4712);
  }
  expect_named("is not of its id");
}

TEST_F(Check, NamesALeaseHeldByNobody) {
  const Grant grant = must(book_.session.try_acquire("lease"));
  commit::Cell& cell = store().cell(grant.lease.place);
  cell.word(lease::kHolder).lo.store_relaxed(uint64_t{60'000} << 48 | 1);
  expect_named("held by attachment 60000, which is none");
}

TEST_F(Check, NamesMoneyFromNowhere) {
  base::AtomicU64& available = cell_of(b_).word(book::kAvailable).lo;
  available.store_relaxed(available.load_relaxed() + 1);
  expect_named("does not sum to zero");
}

class Quarantine : public Check {};

TEST_F(Quarantine, RefusesEveryWriteAndServesEveryRead) {
  const Grant grant = must(book_.session.try_acquire("lease"));
  const PaymentId id = book_.fresh_id();
  const Amount before = book_.available(b_);
  must(book_.book.set_quarantine(true));
  must(book_.book.set_quarantine(true));
  EXPECT_TRUE(book_.book.status().quarantined);
  EXPECT_EQ(code_of(book_.session.pay(payment(id))), Code::quarantined);
  EXPECT_EQ(code_of(book_.session.try_acquire("other")), Code::quarantined);
  EXPECT_EQ(code_of(book_.session.renew(grant.lease, std::chrono::seconds(9))), Code::quarantined);
  EXPECT_EQ(code_of(book_.session.release(grant.lease)), Code::quarantined);
  EXPECT_EQ(code_of(book_.session.open_ledger("GBP", 2)), Code::quarantined);
  EXPECT_EQ(code_of(book_.session.open_account(account_id("c"), {.ledger = "EUR"})),
            Code::quarantined);
  EXPECT_EQ(code_of(book_.session.set_limits(a_, {})), Code::quarantined);
  EXPECT_EQ(book_.available(b_), before);
  EXPECT_TRUE(must(book_.book.audit()).ok);
  must(book_.book.set_quarantine(false));
  EXPECT_FALSE(book_.book.status().quarantined);
  must(book_.session.pay(payment(id)));
  EXPECT_EQ(book_.available(b_), before + 1);
  EXPECT_EQ(problems(), "");
}

TEST_F(Quarantine, ABadArgumentComesFirst) {
  must(book_.book.set_quarantine(true));
  EXPECT_EQ(code_of(book_.session.pay(Payment(book_.fresh_id()))), Code::bad_argument);
}

TEST_F(Quarantine, OffOpensNothingThatItDidNotShut) {
  must(book_.book.set_quarantine(false));
  EXPECT_TRUE(book_.book.status().open);
  EXPECT_EQ(book_.book.status().term, 1u);
}

TEST_F(Quarantine, AnObserverCannotAskForIt) {
  Book observer = must(Book::observe("book", book_.directory.path()));
  EXPECT_EQ(code_of(observer.set_quarantine(true)), Code::read_only);
}

// A mark is claimed like any LSN, and finds no slot there: the gate is shut without it.
TEST_F(Quarantine, ShutsABookWhoseNextLogSlotIsDamaged) {
  store().slot(book_.book.position().lsn() + 1).lo.store_relaxed(7);
  Child child([&] { must(book_.attach().set_quarantine(true)); });
  ASSERT_TRUE(await([&] { return child.has_ended(); })) << "it looks at the slot for ever";
  EXPECT_TRUE(child.succeeded());
  EXPECT_EQ(code_of(book_.session.pay(payment(book_.fresh_id()))), Code::quarantined);
}

// Nothing is claimed behind the return of the call, however payers run.
TEST_F(Quarantine, NothingCommitsOnceItIsOn) {
  std::atomic<bool> is_over{false};
  std::vector<std::thread> payers;
  for (uint64_t p = 0; p < 3; ++p)
    payers.emplace_back([&, p] {
      Session session = must(book_.book.open_session());
      for (uint64_t i = 0; !is_over; ++i) {
        const auto answer = session.pay(payment({ExternalId::of_number(p + 7, i)}));
        const Code code = code_of(answer);
        EXPECT_TRUE(code == kDone || code == Code::quarantined ||
                    code == Code::insufficient_available || code == Code::payment_window_full)
            << code_name(code);
      }
    });
  for (int round = 0; round < 50; ++round) {
    must(book_.book.set_quarantine(true));
    const Position position = book_.book.position();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(book_.book.position(), position);
    must(book_.book.set_quarantine(false));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  is_over = true;
  for (std::thread& payer : payers) payer.join();
  EXPECT_EQ(problems(), "");
}

}  // namespace
}  // namespace casbook
