// The daemon's configuration: what is read, and what is refused with its place.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/config.h"
#include "support/scratch_directory.h"
#include "support/small_book.h"

namespace casbook::daemon {
namespace {

using std::chrono::milliseconds;
using test_support::code_of;
using test_support::must;
using testing::HasSubstr;

constexpr const char* kLeast = "book = \"till\"\n[journal]\ndirectory = \"/srv/till\"\n";

class DaemonConfig : public testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/till.toml"; }
  Result<Config> read(const std::string& text) const {
    std::ofstream(path()) << text;
    return read_config(path());
  }
  std::string refusal(const std::string& text) const {
    const auto config = read(text);
    EXPECT_EQ(code_of(config), Code::bad_argument) << text;
    return config ? "" : config.error().detail;
  }

  test_support::ScratchDirectory directory_;
};

TEST_F(DaemonConfig, ABookAndAJournalAreEnough) {
  const Config config = must(read(kLeast));
  EXPECT_EQ(config.book, "till");
  EXPECT_EQ(config.journal.directory, "/srv/till");
  EXPECT_EQ(config.create.directory, "/dev/shm");
  EXPECT_EQ(config.create.accounts, CreateOptions{}.accounts);
  EXPECT_EQ(config.journal.segment_bytes, 64u << 20);
  EXPECT_EQ(config.metrics.address, "");
  EXPECT_EQ(config.log_level, "info");
}

TEST_F(DaemonConfig, EveryKeyIsRead) {
  const Config config = must(read(R"(
book = "till"
[arena]
directory = "/mnt/huge"
accounts = 1000
payments = 2000
window = "36h"
leases = 3
ledgers = 4
sessions = 5
records = 600
owner = "0"
group = "root"
mode = "0640"
[journal]
directory = "/srv/till"
segment = "8MiB"
flush_interval = "20ms"
direct = false
[checkpoint]
every_bytes = 1048576
every = "0s"
[metrics]
address = "[::1]:9464"
[log]
level = "warn"
)"));
  EXPECT_EQ(config.create.directory, "/mnt/huge");
  EXPECT_EQ(config.create.accounts, 1000u);
  EXPECT_EQ(config.create.payments, 2000u);
  EXPECT_EQ(config.create.window, std::chrono::hours(36));
  EXPECT_EQ(config.create.leases, 3u);
  EXPECT_EQ(config.create.ledgers, 4u);
  EXPECT_EQ(config.create.sessions, 5u);
  EXPECT_EQ(config.create.records, 600u);
  EXPECT_EQ(config.create.owner, 0u);
  EXPECT_EQ(config.create.group, 0u);
  EXPECT_EQ(config.create.mode, 0640u);
  EXPECT_EQ(config.journal.segment_bytes, 8u << 20);
  EXPECT_EQ(config.journal.flush_interval, milliseconds(20));
  EXPECT_FALSE(config.journal.direct);
  EXPECT_EQ(config.checkpoint.every_bytes, 1u << 20);
  EXPECT_EQ(config.checkpoint.every, milliseconds(0));
  EXPECT_EQ(config.metrics.address, "[::1]:9464");
  EXPECT_EQ(config.log_level, "warn");
}

TEST_F(DaemonConfig, ARefusalNamesFileLineKeyAndWhatWasExpected) {
  const std::pair<const char*, const char*> wrong[] = {
      {"[journal]\nsegments = \"8MiB\"\n",
       ":5: journal.segments: no such key; expected one of dir"},
      {"[log]\nlevel = 3\n", ":5: log.level: expected a text in quotes, got 3"},
      {"[arena]\naccounts = \"many\"\n",
       ":5: arena.accounts: expected a whole number, got \"many\""},
      {"[arena]\naccounts = -1\n", ":5: arena.accounts: expected a whole number, got -1"},
      {"[arena]\naccounts = 1.5\n", ":5: arena.accounts: expected a whole number"},
      {"[arena]\naccounts = 0\n", ":5: arena.accounts: expected 1 to 268435456, got 0"},
      {"[arena]\nsessions = 1025\n", ":5: arena.sessions: expected 1 to 1024, got 1025"},
      {"[arena]\nwindow = \"10\"\n", ":5: arena.window: expected a time like"},
      {"[arena]\nwindow = \"10ms\"\n", ":5: arena.window: expected 1s to 8784h, got 10ms"},
      {"[arena]\nmode = 640\n", ":5: arena.mode: expected an octal mode"},
      {"[arena]\nmode = \"0999\"\n", ":5: arena.mode: expected an octal mode"},
      {"[arena]\nowner = \"no such user\"\n", ":5: arena.owner: expected the name or number"},
      {"[checkpoint]\nevery_bytes = \"1GB\"\n", ":5: checkpoint.every_bytes: expected a size like"},
      {"[metrics]\naddress = \"0.0.0.0:9464\"\n",
       ":5: metrics.address: expected an address of the l"},
      {"[metrics]\naddress = \"127.0.0.1\"\n", ":5: metrics.address: expected an address of the l"},
      {"[metrics]\naddress = \"127.0.0.1:0\"\n",
       ":5: metrics.address: expected an address of the l"},
      {"[log]\nlevel = \"loud\"\n",
       ":5: log.level: expected debug, info, warn or error, got \"loud\""},
      {"[metric]\naddress = \"\"\n", ":4: metric: no such key; expected one of book, [arena], [jo"},
      {"[log\n", ":4: "},
  };
  for (const auto& [text, expected] : wrong) {
    const std::string whole = std::string(text).starts_with("[journal]")
                                  ? "book = \"till\"\n\n\n" + std::string(text)
                                  : kLeast + std::string(text);
    EXPECT_THAT(refusal(whole), HasSubstr(path() + expected)) << text;
  }
}

TEST_F(DaemonConfig, SegmentsHaveTheirRangeAndGranule) {
  const auto with_segment = [&](const char* size) {
    return std::string(kLeast) + "segment = \"" + size + "\"\n";
  };
  EXPECT_EQ(code_of(read(with_segment("4MiB"))), test_support::kDone);
  EXPECT_THAT(refusal(with_segment("3MiB")),
              HasSubstr(":4: journal.segment: expected 4MiB to 4GiB"));
  EXPECT_THAT(refusal(with_segment("5000001B")), HasSubstr("a multiple of 4KiB, got 5000001B"));
}

TEST_F(DaemonConfig, WhatIsMissingIsNamedToo) {
  EXPECT_THAT(refusal("book = \"till\"\n"), HasSubstr("till.toml: journal.directory: expected"));
  EXPECT_THAT(refusal("[journal]\ndirectory = \"/srv\"\n"), HasSubstr("till.toml: book: expected"));
  EXPECT_THAT(refusal("journal = 1\nbook = \"till\"\n"),
              HasSubstr(":1: journal: expected a table"));
}

TEST_F(DaemonConfig, AFileThatCannotBeReadIsNoBadArgument) {
  EXPECT_EQ(code_of(read_config(path())), Code::io_error);
  EXPECT_THAT(read_config(path()).error().detail, HasSubstr(path()));
  EXPECT_EQ(code_of(read_config(directory_.path())), Code::io_error) << "a directory";
}

TEST_F(DaemonConfig, TheSameRulesHoldWithoutAFile) {
  Config config{.book = "till", .journal = {.directory = "here"}};
  EXPECT_EQ(code_of(check_config(config)), test_support::kDone);
  config.journal.flush_interval = milliseconds(0);
  EXPECT_EQ(check_config(config).error().detail,
            "journal.flush_interval: expected 1ms to 10s, got 0s");
  config = {.book = "../till", .journal = {.directory = "here"}};
  EXPECT_THAT(check_config(config).error().detail, HasSubstr("book: expected the name of a book"));
}

}  // namespace
}  // namespace casbook::daemon
