// The command's arguments: what is said about wrong ones, and the exit codes of failures.
#include <fcntl.h>

#include "support/command_book.h"

namespace casbook {
namespace {

using test_support::CommandBench;
using test_support::CommandBook;
using test_support::Ended;
using test_support::Started;
using test_support::Words;
using ::testing::Test;

class CommandUsage : public CommandBook {
 protected:
  CommandUsage() : CommandBook(CASBOOK_COMMAND) {}

  // Exit code 2, and each of the words is in the message.
  void expect_usage(const Words& words, const Words& message) const {
    const Ended ended = run(words);
    EXPECT_EQ(ended.exit_code, 2) << ended.err;
    EXPECT_EQ(ended.out, "");
    for (const std::string& word : message)
      EXPECT_NE(ended.err.find(word), ended.err.npos) << word << " in: " << ended.err;
  }
};

TEST_F(CommandUsage, MessagesNameTheArgumentAndWhatWasExpected) {
  expect_usage({}, {"subcommand", "casbook --help"});
  expect_usage({"pey"}, {"\"pey\"", "subcommand"});
  expect_usage({"account", "opn"}, {"\"opn\"", "casbook account --help"});
  expect_usage({"create"}, {"BOOK", "required", "casbook create --help"});
  expect_usage({"create", "x", "--accounts", "1e3"}, {"--accounts", "whole number", "\"1e3\""});
  expect_usage({"create", "x", "--accounts", "-1"}, {"--accounts", "whole number"});
  expect_usage({"create", "x", "--accounts", "0"}, {"accounts 0", "expected 1 to"});
  expect_usage({"create", "x", "--window", "24"}, {"--window", "90m", "\"24\""});
  expect_usage({"create", "x", "--window", "367d"}, {"window", "expected 1000 to"});
  expect_usage({"create", "x", "--mode", "rw"}, {"--mode", "octal", "\"rw\""});
  expect_usage({"create", "x", "--owner", "no such user"}, {"--owner", "user"});
  expect_usage({"create", "x/y"}, {"name"});
  expect_usage({"ledger", "open", "b", "CZK"}, {"--scale", "required"});
  expect_usage({"ledger", "open", "b", "EUR", "--scale", "19"}, {"scale", "0 to 18"});
  expect_usage({"account", "open", "b", ""}, {"ACCOUNT", "1 to 40 bytes"});
  expect_usage({"account", "open", "b", "c", "--ledger", "CZK", "--min-available", "0.001"},
               {"--min-available", "2 decimals"});
  expect_usage({"account", "open", "b", "c", "--ledger", "CZK", "--max-available", "x"},
               {"--max-available", "decimal number"});
  expect_usage({"balance", "b", "alice", "--at", "now"}, {"--at", "whole number"});
  expect_usage({"balance", "b", "alice", "--jsn"}, {"--jsn"});
  expect_usage({"lease", "acquire", "b", "l"}, {"--ttl", "required"});
  expect_usage({"lease", "acquire", "b", "l", "--ttl", "5"}, {"--ttl", "\"5\""});
  expect_usage({"lease", "acquire", "b", "l", "--ttl", "25h"}, {"ttl", "24 h"});
  expect_usage({"lease", "release", "b", "l", "--token", "t"}, {"--token", "whole number"});
  expect_usage({"apply", "b"}, {"FILE", "required"});
  expect_usage({"apply", "b", "f", "--processes", "0"}, {"--processes", "1 to 256"});
  expect_usage({"apply", "b", "f", "--min-available", "0"}, {"--min-available", "--open-accounts"});
}

TEST_F(CommandUsage, AWrongPaymentChangesNothing) {
  for (const std::string amount : {"1.234", "0", "1e2", "9223372036854775808"})
    EXPECT_EQ(pay("p", "alice", "bob", amount).exit_code, 2) << amount;
  EXPECT_EQ(pay("p", "alice", "alice", "1").exit_code, 2);
  EXPECT_EQ(pay(std::string(41, 'x'), "alice", "bob", "1").exit_code, 2);
  EXPECT_EQ(pay("p", "alice", "bob", "1", {"--code", "x"}).exit_code, 2);
  EXPECT_EQ(pay("p", "alice", "bob", "1", {"--time", "yesterday"}).exit_code, 2);
  EXPECT_EQ(pay("p", "alice", "bob", "1", {"--lease", "l"}).exit_code, 2);  // no token
  EXPECT_EQ(available("alice"), "100.00");
  EXPECT_EQ(run({"payment", "show", "b", "p"}).exit_code, 1);
}

TEST_F(CommandUsage, EverySubcommandHasHelpWithAnExample) {
  const std::vector<Words> commands = {{"create"},
                                       {"destroy"},
                                       {"status"},
                                       {"audit"},
                                       {"ledger", "open"},
                                       {"account", "open"},
                                       {"account", "show"},
                                       {"account", "list"},
                                       {"account", "close"},
                                       {"pay"},
                                       {"payment", "show"},
                                       {"apply"},
                                       {"balance"},
                                       {"history"},
                                       {"log"},
                                       {"lease", "acquire"},
                                       {"lease", "renew"},
                                       {"lease", "release"},
                                       {"lease", "list"},
                                       {"sessions"}};
  for (Words words : commands) {
    std::string example = "\n  casbook";
    for (const std::string& word : words) example += " " + word;
    words.push_back("--help");
    const Ended ended = Started(bench_.program(), words).wait();
    EXPECT_EQ(ended.exit_code, 0);
    EXPECT_NE(ended.out.find(example + " "), ended.out.npos) << example << " in: " << ended.out;
    EXPECT_NE(ended.out.find("--dir"), ended.out.npos) << ended.out;
  }
  EXPECT_EQ(Started(bench_.program(), {"--help"}).wait().exit_code, 0);
}

TEST_F(CommandUsage, TheDirectoryMayStandAfterTheSubcommandToo) {
  const Words words{"audit", "b", "--dir", bench_.directory(), "--json"};
  EXPECT_EQ(Started(bench_.program(), words).wait().object().at("ok"), true);
}

TEST_F(CommandUsage, WhatTheEnvironmentLacksIsExitCode3) {
  for (const Words& words :
       {Words{"status", "none"}, Words{"destroy", "none"}, Words{"account", "list", "none"},
        Words{"apply", "b", "none.csv"}, Words{"create", "b"}})
    EXPECT_EQ(run(words).exit_code, 3) << words[0];
  EXPECT_NE(run({"status", "none"}).err.find("casbook.none"), std::string::npos);
  const Words no_directory{"--dir", "/nowhere", "create", "b"};
  EXPECT_NE(Started(bench_.program(), no_directory).wait().exit_code, 0);
}

TEST_F(CommandUsage, AFullDiskUnderTheOutputIsAFailure) {
  const int full = open("/dev/full", O_WRONLY);
  Started started(bench_.program(), bench_.words({"account", "list", "b"}), {}, full);
  close(full);
  const Ended ended = started.wait();
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_NE(ended.err.find("standard output"), ended.err.npos) << ended.err;
}

TEST_F(CommandUsage, AReaderThatWentAwayIsNone) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  Started started(bench_.program(),
                  bench_.words({"pay", "b", "--id", "q", "--debit", "alice", "--credit", "bob",
                                "--amount", "1", "--ledger", "CZK"}),
                  {}, ends[1]);
  close(ends[1]);
  const Ended ended = started.wait();
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.err, "");
  EXPECT_EQ(available("bob"), "1.00");
}

}  // namespace
}  // namespace casbook
