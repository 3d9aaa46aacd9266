// The error table and Result.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <casbook/result.h>

namespace casbook {
namespace {

struct Row {
  std::string name;
  Code code;
  unsigned number;
};

const std::vector<Row> kTable = {
#define CASBOOK_CODE(name, number, final, text) {#name, Code::name, number},
    CASBOOK_CODES(CASBOOK_CODE)
#undef CASBOOK_CODE
};

// Written down a second time on purpose: this list is the contract, the table has to follow it.
const std::vector<std::string> kPrecedence = {
    "bad_argument",        "quarantined",
    "book_closed",         "not_leader",
    "payment_conflict",    "payment_too_old",
    "payment_from_future", "lease_missing",
    "lease_superseded",    "account_missing",
    "ledger_mismatch",     "account_closed",
    "amount_overflow",     "insufficient_available",
    "ceiling_exceeded",    "payment_window_full",
    "backpressure",        "book_full",
};

constexpr unsigned kPaymentRefusalEnd = 120;

TEST(CodeTable, RefusalsOfAPaymentStandInOrderOfPrecedence) {
  std::vector<std::string> found;
  for (const Row& row : kTable) {
    if (row.number < kPaymentRefusalEnd) found.push_back(row.name);
  }
  EXPECT_EQ(found, kPrecedence);
}

TEST(CodeTable, NumbersAscendAndAreUnique) {
  for (size_t i = 1; i < kTable.size(); ++i) {
    EXPECT_LT(kTable[i - 1].number, kTable[i].number) << kTable[i].name;
  }
}

TEST(CodeTable, NumbersLieInTheRangeOfTheirKind) {
  for (const Row& row : kTable) {
    EXPECT_GE(row.number, 10u) << row.name;
    EXPECT_LT(row.number, 300u) << row.name;
  }
  EXPECT_LT(static_cast<unsigned>(Code::outcome_unknown), 200u);
  EXPECT_GE(static_cast<unsigned>(Code::book_missing), 200u);
}

// Numbers are recorded under payment ids and shown to callers: a changed one rewrites history.
TEST(CodeTable, PublishedNumbersStay) {
  const std::map<std::string, unsigned> published = {
      {"bad_argument", 10},
      {"quarantined", 20},
      {"book_closed", 21},
      {"not_leader", 22},
      {"payment_conflict", 31},
      {"payment_too_old", 40},
      {"payment_from_future", 41},
      {"lease_missing", 50},
      {"lease_superseded", 51},
      {"account_missing", 60},
      {"ledger_mismatch", 61},
      {"account_closed", 62},
      {"amount_overflow", 70},
      {"insufficient_available", 80},
      {"ceiling_exceeded", 81},
      {"payment_window_full", 100},
      {"backpressure", 101},
      {"book_full", 102},
      {"lease_held", 120},
      {"lease_expired", 121},
      {"wait_timeout", 122},
      {"wait_cancelled", 123},
      {"account_exists", 130},
      {"ledger_exists", 131},
      {"ledger_missing", 132},
      {"account_not_empty", 133},
      {"payment_missing", 140},
      {"overrun", 150},
      {"undone", 151},
      {"outcome_unknown", 152},
      {"book_missing", 200},
      {"book_exists", 201},
      {"foreign_file", 202},
      {"format_older", 203},
      {"format_newer", 204},
      {"truncated", 205},
      {"damaged", 206},
      {"no_memory", 207},
      {"no_permission", 208},
      {"io_error", 209},
      {"attachments_full", 210},
      {"sessions_full", 211},
      {"forked", 212},
      {"read_only", 213},
      {"followers_full", 214},
      {"no_space", 215},
      {"already_served", 216},
      {"foreign_journal", 217},
      {"not_served", 218},
      {"book_moved", 219},
      {"file_exists", 220},
  };
  std::map<std::string, unsigned> found;
  for (const Row& row : kTable) found[row.name] = row.number;
  for (const auto& [name, number] : published) EXPECT_EQ(found[name], number) << name;
}

TEST(CodeTable, EachCodeHasItsOwnNameAndSentence) {
  std::set<std::string> sentences;
  for (const Row& row : kTable) {
    EXPECT_EQ(code_name(row.code), row.name);
    EXPECT_TRUE(sentences.insert(code_text(row.code)).second) << code_text(row.code);
  }
  EXPECT_EQ(sentences.count(""), 0u);
  EXPECT_EQ(sentences.count("unknown"), 0u);
}

// What the book records under a payment id is answered to every retry: asking again is pointless.
TEST(CodeTable, RecordedRefusalsAreFinal) {
  EXPECT_TRUE(code_is_final(Code::insufficient_available));
  EXPECT_TRUE(code_is_final(Code::ceiling_exceeded));
  EXPECT_TRUE(code_is_final(Code::account_closed));
  EXPECT_TRUE(code_is_final(Code::payment_conflict));
}

TEST(CodeTable, RefusalsThatMayPassAreNotFinal) {
  for (const Code code :
       {Code::lease_missing, Code::lease_superseded, Code::backpressure, Code::payment_window_full,
        Code::not_leader, Code::book_closed, Code::outcome_unknown, Code::account_missing}) {
    EXPECT_FALSE(code_is_final(code)) << code_name(code);
  }
}

TEST(CodeTable, NumberOutsideTheTableIsUnknownAndNotFinal) {
  for (const uint16_t number : {0, 9, 119, 199, 999, 65535}) {
    const Code code{number};
    EXPECT_STREQ(code_name(code), "unknown");
    EXPECT_STREQ(code_text(code), "unknown");
    EXPECT_FALSE(code_is_final(code));
  }
}

TEST(Error, MessageHasNameSentenceAndDetail) {
  const Error error{.code = Code::insufficient_available, .detail = "account 17"};
  EXPECT_EQ(error.message(), "insufficient_available: too little is available (account 17)");
}

TEST(Error, MessageWithoutDetailHasNoParentheses) {
  EXPECT_EQ(Error{.code = Code::not_leader}.message(), "not_leader: another host leads this book");
}

TEST(Error, MessageOfAnUnknownCodeNamesItsNumber) {
  EXPECT_EQ(Error{.code = Code{999}}.message(), "unknown code 999");
  EXPECT_EQ((Error{.code = Code{999}, .detail = "x"}.message()), "unknown code 999 (x)");
}

TEST(Error, SaysByItselfWhetherItIsRecorded) {
  EXPECT_FALSE((Error{.code = Code::account_missing, .position = 1, .detail = {}}.is_recorded()))
      << "a position alone says up to where it looked";
  EXPECT_TRUE((Error{.code = Code::account_closed, .position = 1, .detail = {}, .recorded = true}
                   .is_recorded()));
}

TEST(Result, HoldsAValue) {
  Result<int> result = 7;
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, 7);
  *result = 8;
  EXPECT_EQ(*std::as_const(result), 8);
}

TEST(Result, HoldsAnError) {
  const Result<std::string> result =
      Error{.code = Code::overrun, .replayed = true, .position = 5, .time_ms = 6, .detail = "d"};
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::overrun);
  EXPECT_TRUE(result.error().replayed);
  EXPECT_EQ(result.error().position, 5u);
  EXPECT_EQ(result.error().time_ms, 6);
  EXPECT_EQ(result.error().detail, "d");
}

TEST(Result, TakesABareCode) {
  const Result<int> result = Code::undone;
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::undone);
  EXPECT_TRUE(result.error().detail.empty());
  EXPECT_FALSE(result.error().is_recorded());
}

TEST(Result, GivesAMoveOnlyValueAway) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 3);
}

TEST(Result, OfVoidIsTrueOrAnError) {
  EXPECT_TRUE(Result<void>{});
  const Result<void> refused = Code::read_only;
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::read_only);
}

TEST(Result, ReadingWhatIsNotThereThrows) {
  const Result<int> refused = Code::damaged;
  EXPECT_THROW(static_cast<void>(*refused), std::bad_variant_access);
  const Result<int> value = 1;
  EXPECT_THROW(static_cast<void>(value.error()), std::bad_variant_access);
}

}  // namespace
}  // namespace casbook
