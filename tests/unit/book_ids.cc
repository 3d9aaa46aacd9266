// Payment ids: their kinds never meet, long ones count whole, and all go through the same table.
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "support/dated_id.h"
#include "support/id_table.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

class PaymentIds : public testing::Test {
 protected:
  Payment payment(const ExternalId& id, Amount amount = 1) {
    return Payment({id}).debit(book_.world, amount).credit(a_, amount);
  }
  // Executes each with another amount, then finds each with its own.
  void expect_all_different(const std::vector<ExternalId>& ids) {
    std::vector<Receipt> receipts;
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto paid = book_.session.pay(payment(ids[i], static_cast<Amount>(i + 1)));
      ASSERT_EQ(code_of(paid), kDone) << ids[i].text();
      EXPECT_FALSE(paid->replayed) << ids[i].text();
      receipts.push_back(*paid);
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      const Receipt again = must(book_.session.pay(payment(ids[i], static_cast<Amount>(i + 1))));
      EXPECT_TRUE(again.replayed) << ids[i].text();
      EXPECT_EQ(again.position, receipts[i].position);
      const PaymentInfo info = must(book_.book.lookup({ids[i]}));
      EXPECT_EQ(info.id.value, ids[i]);
      EXPECT_EQ(info.position, receipts[i].position);
    }
  }

  SmallBook book_;
  Account a_ = book_.open("a");
};

TEST_F(PaymentIds, KindsWithTheSameBitsDoNotMeet) {
  const ExternalId text = text_id("abcdefghijklmnop");  // 16 bytes
  const uint64_t low = text.words()[0], high = text.words()[1];
  expect_all_different({text, ExternalId::of_uuid(high, low), ExternalId::of_number(7),
                        ExternalId::of_uuid(0, 7), text_id("007"), text_id("7 "),
                        ExternalId::of_number(0), ExternalId::of_uuid(0, 0)});
}

TEST_F(PaymentIds, TextsOfAllLengthsCountWhole) {
  std::vector<ExternalId> ids;
  for (size_t bytes = 1; bytes <= 40; ++bytes) ids.push_back(text_id(std::string(bytes, 'x')));
  expect_all_different(ids);
}

TEST_F(PaymentIds, LongTextsDifferingInOneByteAnywhereAreDifferent) {
  const std::string forty(40, 'x');
  std::vector<ExternalId> ids{text_id(forty)};
  for (size_t at = 0; at < 40; ++at) {
    std::string other = forty;
    other[at] = 'y';
    ids.push_back(text_id(other));
  }
  expect_all_different(ids);
}

// 17 bytes: the second half of the id is one word whose other bytes are zero.
TEST_F(PaymentIds, ALongTextAndItsBeginningAreDifferent) {
  expect_all_different({text_id("abcdefghijklmnop"), text_id("abcdefghijklmnopq"),
                        text_id("abcdefghijklmnopqrstuvwx"), text_id("abcdefghijklmnopqrstuvwxy")});
}

TEST_F(PaymentIds, NumbersUseAll38Digits) {
  expect_all_different({text_id("1"), text_id("18446744073709551616"),
                        text_id("18446744073709551617"),
                        text_id("99999999999999999999999999999999999999"),
                        text_id("9999999999999999999999999999999999999")});
}

TEST_F(PaymentIds, OfTheSameMillisecondAreDifferent) {
  const int64_t now = base::wall_clock_ms();
  std::vector<ExternalId> ids;
  for (uint64_t i = 0; i < 20; ++i) {
    ids.push_back(uuid_v7(now, i).value);
    ids.push_back(ulid(now, i).value);
  }
  expect_all_different(ids);
}

// Each of its 128 bits counts, and the text is what comes back.
TEST_F(PaymentIds, UlidsCountWholeThoughTheTableKeepsTheirBits) {
  const std::string first = ulid(base::wall_clock_ms(), 0).value.text();
  std::vector<ExternalId> ids{text_id(first)};
  for (size_t at = 8; at < 26; ++at) {
    std::string other = first;
    other[at] = other[at] == 'Z' ? 'Y' : 'Z';
    if (at >= 10) ids.push_back(text_id(other));
  }
  // No ULID, but nearly: in lower case, and with a letter that Crockford left out.
  std::string lower = first, foreign = first;
  lower[25] = 'a', foreign[25] = 'U';
  ids.push_back(text_id(lower));
  ids.push_back(text_id(foreign));
  expect_all_different(ids);
}

TEST_F(PaymentIds, AUlidAndTheNumberAndUuidOfItsBitsAreDifferent) {
  const int64_t now = base::wall_clock_ms();
  const uint64_t high = static_cast<uint64_t>(now) << 16;
  expect_all_different(
      {ulid(now, 7).value, ExternalId::of_number(high, 7), ExternalId::of_uuid(high, 7)});
}

// What is promised at creation: that many within the window; of long texts a third.
TEST_F(PaymentIds, TheTableTakesAsManyAsItWasMadeFor) {
  const int64_t now = base::wall_clock_ms();
  const std::function<PaymentId(uint64_t)> kinds[] = {
      [](uint64_t i) { return payment_id(i); },
      [now](uint64_t i) { return uuid_v7(now, i); },
      [now](uint64_t i) { return ulid(now, i); },
      [](uint64_t i) { return payment_id("a text of its own " + std::to_string(i)); },
  };
  for (size_t kind = 0; kind < std::size(kinds); ++kind) {
    SCOPED_TRACE("ids like " + kinds[kind](17).value.text());
    CreateOptions options = small_options();
    options.payments = 20'000;
    SmallBook book(options);
    const Account a = book.open("a");
    const uint64_t count = kind == 3 ? options.payments / 3 : options.payments;
    uint64_t refused = 0;
    for (uint64_t i = 0; i < count; ++i)
      refused +=
          code_of(book.session.pay(Payment(kinds[kind](i)).debit(book.world, 1).credit(a, 1))) !=
          kDone;
    EXPECT_EQ(refused, 0u);
    EXPECT_EQ(book.available(a), static_cast<Amount>(count));
  }
}

}  // namespace
}  // namespace casbook
