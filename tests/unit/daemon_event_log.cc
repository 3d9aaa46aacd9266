// One line per event: what it holds, and what never breaks it.
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/event_log.h"
#include "support/captured_errors.h"
#include "support/small_book.h"

namespace casbook::daemon {
namespace {

using test_support::CapturedErrors;
using test_support::must;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The first test: the others open the log.
TEST(DaemonEventLog, AnEventBeforeItIsOpenedIsNowhere) {
  const CapturedErrors errors;
  log_event(Severity::error, "too_early");
  EXPECT_EQ(errors.text(), "");
}

TEST(DaemonEventLog, ALineHasTimeLevelEventAndFields) {
  const CapturedErrors errors;
  must(open_event_log("info"));
  log_event(Severity::info, "segment_opened",
            {{"segment", uint64_t{3}}, {"bytes", 67'108'864}, {"path", std::string("/srv/a-b.1")}});
  const std::string line = errors.text();
  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"(ts=20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}Z level=info )"
                       R"(event=segment_opened segment=3 bytes=67108864 path=/srv/a-b\.1\n)")))
      << line;
}

TEST(DaemonEventLog, NumbersKeepTheirSignAndEveryBit) {
  const CapturedErrors errors;
  must(open_event_log("info"));
  log_event(Severity::info, "e",
            {{"most", UINT64_MAX}, {"least", INT64_MIN}, {"minus", -1}, {"none", 0}});
  EXPECT_THAT(errors.text(), HasSubstr(" most=18446744073709551615 least=-9223372036854775808 "
                                       "minus=-1 none=0\n"));
}

TEST(DaemonEventLog, ValuesAreQuotedWhereNeededAndNeverBreakALine) {
  const CapturedErrors errors;
  must(open_event_log("info"));
  log_event(Severity::warn, "e",
            {{"a", "two words"},
             {"b", "x=1"},
             {"c", "say \"no\" \\"},
             {"d", ""},
             {"f", std::string_view("line\nlevel=error\0", 17)},
             {"g", "\xc5\xbd{}%v"}});
  const auto lines = lines_of(errors.text());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(
      lines[0],
      HasSubstr(R"( a="two words" b="x=1" c="say \"no\" \\" d="" f="line\x0alevel=error\x00")"
                R"( g="\xc5\xbd{}%v")"));
}

TEST(DaemonEventLog, WhatIsBelowTheLevelIsLeftOut) {
  const CapturedErrors errors;
  must(open_event_log("warn"));
  log_event(Severity::debug, "one");
  log_event(Severity::info, "two");
  log_event(Severity::warn, "three");
  log_event(Severity::error, "four");
  EXPECT_THAT(errors.text(), Not(HasSubstr("one")));
  EXPECT_THAT(errors.text(), Not(HasSubstr("two")));
  EXPECT_THAT(errors.text(), HasSubstr("level=warn event=three\n"));
  EXPECT_THAT(errors.text(), HasSubstr("level=error event=four\n"));
  const auto wrong = open_event_log("warning");
  EXPECT_EQ(test_support::code_of(wrong), Code::bad_argument);
  EXPECT_THAT(wrong.error().detail, HasSubstr("debug, info, warn or error, got \"warning\""));
}

TEST(DaemonEventLog, LinesOfSeveralWritersDoNotMix) {
  const CapturedErrors errors;
  must(open_event_log("info"));
  constexpr int kThreads = 4, kLines = 200;
  const std::string payload(300, 'x');
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kLines; ++i)
        log_event(Severity::info, "e", {{"thread", t}, {"payload", payload}});
    });
  for (std::thread& thread : threads) thread.join();
  const auto lines = lines_of(errors.text());
  EXPECT_EQ(lines.size(), static_cast<size_t>(kThreads * kLines));
  for (const std::string& line : lines)
    ASSERT_TRUE(line.starts_with("ts=") && line.ends_with(" payload=" + payload)) << line;
}

}  // namespace
}  // namespace casbook::daemon
