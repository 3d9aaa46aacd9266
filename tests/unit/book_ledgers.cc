// Opening and finding ledgers.
#include <gtest/gtest.h>

#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class Ledgers : public testing::Test {
 protected:
  Code open(std::string_view name, uint32_t scale) {
    return code_of(book_.session.open_ledger(name, scale));
  }
  SmallBook book_;
};

TEST_F(Ledgers, OpenedOnesAreFoundWithNameAndScale) {
  const LedgerInfo points = must(book_.session.open_ledger("POINTS", 0));
  const LedgerInfo found = must(book_.book.find_ledger("POINTS"));
  EXPECT_EQ(found.index, points.index);
  EXPECT_EQ(found.name, "POINTS");
  EXPECT_EQ(found.scale, 0u);
  const auto all = book_.book.ledgers();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].name, "EUR");
  EXPECT_EQ(all[2].name, "POINTS");
}

TEST_F(Ledgers, OpeningAgainWithTheSameScaleIsTheSameAndCommitsNothing) {
  const Position before = book_.book.position();
  EXPECT_EQ(must(book_.session.open_ledger("EUR", 2)).index, book_.world.ledger);
  EXPECT_EQ(book_.book.position(), before);
}

TEST_F(Ledgers, AnotherScaleIsRefused) { EXPECT_EQ(open("EUR", 3), Code::ledger_exists); }

TEST_F(Ledgers, NamesAre1To16PrintableCharacters) {
  EXPECT_EQ(open("", 2), Code::bad_argument);
  EXPECT_EQ(open("ABCDEFGHIJKLMNOPQ", 2), Code::bad_argument);
  EXPECT_EQ(open("A B", 2), Code::bad_argument);
  EXPECT_EQ(open("A\nB", 2), Code::bad_argument);
  EXPECT_EQ(open("\xc3\xa9", 2), Code::bad_argument);
  EXPECT_EQ(open("ABCDEFGHIJKLMNOP", 2), kDone);
  EXPECT_EQ(must(book_.book.find_ledger("ABCDEFGHIJKLMNOP")).name, "ABCDEFGHIJKLMNOP");
  EXPECT_EQ(code_of(book_.book.find_ledger("ABCDEFGHIJKLMNO")), Code::ledger_missing);
}

TEST_F(Ledgers, ScalesGoTo18) {
  EXPECT_EQ(open("ETH", 18), kDone);
  EXPECT_EQ(open("XXX", 19), Code::bad_argument);
}

TEST_F(Ledgers, UnknownOnesAreMissing) {
  const auto missing = book_.book.find_ledger("GBP");
  EXPECT_EQ(code_of(missing), Code::ledger_missing);
  EXPECT_NE(missing.error().detail.find("GBP"), std::string::npos);
}

TEST_F(Ledgers, AFullTableSaysWhich) {
  EXPECT_EQ(open("A", 0), kDone);
  EXPECT_EQ(open("B", 0), kDone);
  const auto full = book_.session.open_ledger("C", 0);
  ASSERT_EQ(code_of(full), Code::book_full);
  EXPECT_NE(full.error().detail.find("ledgers"), std::string::npos);
  EXPECT_EQ(open("B", 0), kDone);  // what is there is still found
}

TEST_F(Ledgers, TheLoserOfARaceFindsTheWinnersLedger) {
  Session other = must(book_.book.open_session());
  Interruption rival(base::FaultPoint::commit_after_init,
                     [&] { must(other.open_ledger("GBP", 2)); });
  const LedgerInfo mine = must(book_.session.open_ledger("GBP", 2));
  EXPECT_TRUE(rival.has_happened());
  EXPECT_EQ(must(book_.book.find_ledger("GBP")).index, mine.index);
  EXPECT_EQ(book_.book.ledgers().size(), 3u);
}

}  // namespace
}  // namespace casbook
