// log, history, sessions.
#include <signal.h>

#include <casbook/casbook.h>

#include "support/child_process.h"
#include "support/command_book.h"

namespace casbook {
namespace {

using nlohmann::json;
using test_support::CommandBook;
using test_support::Ended;
using test_support::Started;
using test_support::Words;

class CommandLog : public CommandBook {
 protected:
  CommandLog() : CommandBook(CASBOOK_COMMAND) {}
};

TEST_F(CommandLog, TellsWhatHappenedInOrder) {
  EXPECT_EQ(pay("p", "alice", "bob", "500").exit_code, 1);
  const auto records = run({"log", "b", "--json"}).objects();
  std::vector<std::string> kinds;
  for (const json& record : records)
    if (record.at("kind") != "move_horizon") kinds.push_back(record.at("kind"));
  EXPECT_EQ(kinds, (std::vector<std::string>{"open_ledger", "open_account", "open_account",
                                             "open_account", "payment", "refusal"}));
  for (size_t i = 1; i < records.size(); ++i)
    EXPECT_EQ(std::stoull(records[i].at("position").get<std::string>()),
              std::stoull(records[i - 1].at("position").get<std::string>()) + 1);
  EXPECT_EQ(records[1].at("account"), "bank");
  EXPECT_EQ(records.back().at("payment").at("outcome"), "insufficient_available");
  EXPECT_NE(run({"log", "b"}).out.find("payment  fund  bank -> alice 100.00 CZK\n"),
            std::string::npos);
}

TEST_F(CommandLog, BeginsAtThePositionAskedFor) {
  const std::string at = pay("p", "alice", "bob", "1").object().at("position");
  ASSERT_EQ(pay("q", "alice", "bob", "1").exit_code, 0);
  const auto records = run({"log", "b", "--from", at, "--json"}).objects();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].at("position"), at);
  EXPECT_EQ(run({"log", "b", "--from", "281474976719999"}).exit_code, 2);  // after the end
  const std::string other_term = std::to_string(std::stoull(at) + (1ull << 48));
  const Ended undone = run({"log", "b", "--from", other_term, "--json"});
  EXPECT_EQ(undone.exit_code, 1);
  EXPECT_EQ(undone.object().at("outcome"), "undone");
}

TEST_F(CommandLog, AFollowersRegistrationIsTakenBack) {
  Result<Book> book = Book::attach("b", bench_.directory());
  ASSERT_TRUE(book);
  Result<LogFollower> journal = book->follow("journal", FullPolicy::refuse_payments);
  ASSERT_TRUE(journal);
  EXPECT_EQ(run({"unfollow", "b", "other"}).exit_code, 2);
  const Ended alive = run({"unfollow", "b", "journal"});
  EXPECT_EQ(alive.exit_code, 2);
  EXPECT_NE(alive.err.find("--force"), alive.err.npos) << alive.err;
  EXPECT_EQ(book->status().followers.size(), 1u);
  EXPECT_EQ(run({"unfollow", "b", "journal", "--force", "--json"}).object().at("lag"), 0);
  EXPECT_TRUE(book->status().followers.empty());
  EXPECT_EQ(journal->next().error().code, Code::overrun);
}

TEST_F(CommandLog, FollowsUntilItIsInterrupted) {
  for (const int number : {SIGINT, SIGTERM}) {
    Started follower(bench_.program(), bench_.words({"log", "b", "--follow", "--json"}));
    const std::string id = "p" + std::to_string(number);
    ASSERT_EQ(pay(id, "alice", "bob", "1").exit_code, 0);
    const bool is_seen = test_support::await(
        [&] { return follower.out_so_far().find("\"id\":\"" + id + "\"") != std::string::npos; });
    EXPECT_TRUE(is_seen) << follower.out_so_far();
    EXPECT_FALSE(follower.has_ended());
    kill(follower.pid(), number);
    const Ended ended = follower.wait();
    EXPECT_EQ(ended.exit_code, 0);
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.objects().back().at("payment").at("id"), id);
  }
}

TEST_F(CommandLog, SaysHowManyRecordsAFollowerMissed) {
  Started follower(bench_.program(), bench_.words({"log", "b", "--follow", "--json"}));
  ASSERT_TRUE(test_support::await([&] { return !follower.out_so_far().empty(); }));
  kill(follower.pid(), SIGSTOP);
  {
    auto book = Book::attach("b", bench_.directory());
    ASSERT_TRUE(book);
    auto session = book->open_session();
    ASSERT_TRUE(session);
    // Renewals need no room but that of the ring, which turns over.
    auto grant = session->try_acquire("work", {.ttl = std::chrono::hours(1)});
    ASSERT_TRUE(grant);
    const uint64_t turns = 2 * book->status().records_max;
    for (uint64_t i = 0; i < turns; ++i)
      ASSERT_TRUE(session->renew(grant->lease, std::chrono::hours(1)));
  }
  kill(follower.pid(), SIGCONT);
  ASSERT_EQ(pay("last", "alice", "bob", "1").exit_code, 0);
  EXPECT_TRUE(test_support::await(
      [&] { return follower.out_so_far().find("\"id\":\"last\"") != std::string::npos; }));
  kill(follower.pid(), SIGINT);
  const Ended ended = follower.wait();
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_NE(ended.err.find("records left the ring"), ended.err.npos) << ended.err;
}

TEST_F(CommandLog, HistoryIsThePaymentsOfOneAccount) {
  ASSERT_EQ(pay("p", "alice", "bob", "30").exit_code, 0);
  ASSERT_EQ(pay("q", "bank", "bob", "1").exit_code, 0);
  const auto lines = run({"history", "b", "alice", "--json"}).objects();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("payment"), "fund");
  EXPECT_EQ(lines[0].at("change"), "100.00");
  EXPECT_EQ(lines[1].at("payment"), "p");
  EXPECT_EQ(lines[1].at("change"), "-30.00");
  EXPECT_EQ(lines[1].at("available"), "70.00");
  EXPECT_EQ(lines[1].at("with"), json::array({"bob"}));
  const Words from{"history", "b", "alice", "--from", lines[1].at("position"), "--json"};
  EXPECT_EQ(run(from).objects().size(), 1u);
  const Ended limited = run({"history", "b", "alice", "--limit", "1", "--json"});
  EXPECT_EQ(limited.objects().size(), 1u);
  EXPECT_NE(limited.err.find("--from"), limited.err.npos);
  EXPECT_EQ(run({"history", "b", "nobody"}).exit_code, 1);
}

TEST_F(CommandLog, SessionsListsWhoIsAttached) {
  EXPECT_EQ(run({"sessions", "b", "--json"}).out, "");
  auto book = Book::attach("b", bench_.directory());
  ASSERT_TRUE(book);
  auto session = book->open_session();
  ASSERT_TRUE(session);
  const json listed = run({"sessions", "b", "--json"}).object();
  EXPECT_EQ(listed.at("pid"), getpid());
  EXPECT_EQ(listed.at("alive"), true);
}

}  // namespace
}  // namespace casbook
