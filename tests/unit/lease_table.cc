// Names and the table of leases: how long they may be, how many there may be, and that a slot
// serves one name after another.
#include <set>

#include <gtest/gtest.h>

#include "support/interruption.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;

class LeaseTable : public testing::Test {
 protected:
  Result<Grant> acquire(std::string_view name, std::chrono::milliseconds ttl = 60s) {
    return book_.session.try_acquire(name, {.ttl = ttl});
  }
  // Leases of new names until there is no room. Returns what was granted.
  std::vector<Grant> fill(std::chrono::milliseconds ttl = 60s) {
    std::vector<Grant> grants;
    for (int i = 0; i < 200; ++i) {
      auto grant = acquire("fill " + std::to_string(++names_), ttl);
      if (!grant) break;
      grants.push_back(*grant);
    }
    return grants;
  }

  SmallBook book_;
  Session other_ = must(book_.book.open_session());
  int names_ = 0;
};

TEST_F(LeaseTable, NamesAre1To64BytesWithoutControlCharacters) {
  EXPECT_EQ(code_of(acquire("")), Code::bad_argument);
  EXPECT_EQ(code_of(acquire(std::string(65, 'x'))), Code::bad_argument);
  EXPECT_EQ(code_of(acquire("a\nb")), Code::bad_argument);
  EXPECT_EQ(code_of(acquire(std::string_view("a\0b", 3))), Code::bad_argument);
  EXPECT_EQ(code_of(acquire("a\x7f")), Code::bad_argument);
  const std::string longest(64, 'x');
  const Grant grant = must(acquire(longest));
  EXPECT_EQ(must(book_.book.lease(longest)).name, longest);
  EXPECT_NE(must(acquire(longest.substr(1))).lease.place, grant.lease.place);
  EXPECT_EQ(code_of(acquire("caf\xc3\xa9 \xe2\x82\xac")), kDone);
}

TEST_F(LeaseTable, NamesThatDifferInOneByteAreTwoLeases) {
  std::set<uint64_t> places;
  const std::string name(64, 'n');
  for (size_t at : {size_t{0}, size_t{7}, size_t{8}, size_t{31}, size_t{63}}) {
    std::string other = name;
    other[at] = 'm';
    places.insert(must(acquire(other)).lease.place);
  }
  EXPECT_EQ(places.size(), 5u);
}

// As many as were asked for at creation can be held at one time; F71: too many is an answer for the
// one that asks, and only for him.
TEST_F(LeaseTable, TakesAsManyAsItWasMadeForAndSaysWhenItIsFull) {
  const auto grants = fill();
  EXPECT_GE(grants.size(), small_options().leases);
  ASSERT_LT(grants.size(), 200u);
  const auto full = acquire("one more");
  ASSERT_EQ(code_of(full), Code::book_full);
  EXPECT_NE(full.error().detail.find("leases"), std::string::npos);
  std::set<uint64_t> places;
  for (const Grant& grant : grants) {
    places.insert(grant.lease.place);
    EXPECT_EQ(code_of(book_.session.renew(grant.lease, 60s)), kDone);
  }
  EXPECT_EQ(places.size(), grants.size());
  must(book_.session.release(grants[3].lease));
  EXPECT_EQ(code_of(acquire("one more")), kDone);
  EXPECT_EQ(book_.book.leases().size(), grants.size());
}

// F63, F41: holders that vanished do not use the table up, whatever names they had.
TEST_F(LeaseTable, ExpiredLeasesMakeRoomForOtherNames) {
  const auto old = fill(10s);
  ASSERT_EQ(code_of(acquire("one more")), Code::book_full);
  step_boot_clock(15'000);
  const auto next = fill();
  EXPECT_GE(next.size(), old.size());
  for (const Grant& grant : old)
    EXPECT_EQ(code_of(book_.session.release(grant.lease)), Code::lease_superseded);
  for (const Grant& grant : next) EXPECT_EQ(code_of(book_.session.renew(grant.lease, 60s)), kDone);
}

// F37: nor do dead ones.
TEST_F(LeaseTable, LeasesOfTheGoneMakeRoomForOtherNames) {
  size_t held = 0;
  {
    Book gone = book_.attach();
    Session session = must(gone.open_session());
    while (code_of(session.try_acquire("gone " + std::to_string(held), {.ttl = 24h})) == kDone)
      ++held;
  }
  EXPECT_GE(fill().size(), held);
}

TEST_F(LeaseTable, ServesManyNamesOneAfterTheOther) {
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "once " + std::to_string(i);
    const Grant grant = must(acquire(name));
    ASSERT_EQ(must(book_.book.lease(name)).lease, grant.lease);
    must(book_.session.release(grant.lease));
  }
  EXPECT_TRUE(book_.book.leases().empty());
}

// Two that insert one name at once, and one that takes the slot of another name meanwhile: a name
// is never held twice.
TEST_F(LeaseTable, ANameIsInsertedOnce) {
  Book other_book = book_.attach();
  Session rival = must(other_book.open_session());
  for (uint64_t nth = 1; nth < 200; ++nth) {
    const std::string name = "new " + std::to_string(nth);
    Result<Grant> mine = Code::outcome_unknown, theirs = Code::outcome_unknown;
    {
      Interruption at(nth, [&] { theirs = rival.try_acquire(name); });
      mine = acquire(name);
      if (!at.has_happened()) break;
    }
    ASSERT_NE(code_of(mine) == kDone, code_of(theirs) == kDone) << "inserted before access " << nth;
    ASSERT_EQ(book_.book.leases().size(), 1u);
    must(book_.session.release(mine ? mine->lease : theirs->lease));
  }
}

}  // namespace
}  // namespace casbook
