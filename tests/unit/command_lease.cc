// lease acquire, renew, release, list.
#include <chrono>

#include "support/child_process.h"
#include "support/command_book.h"

namespace casbook {
namespace {

using nlohmann::json;
using test_support::CommandBook;
using test_support::Ended;
using test_support::Started;
using test_support::Words;

class CommandLease : public CommandBook {
 protected:
  CommandLease() : CommandBook(CASBOOK_COMMAND) {}

  Ended acquire(const std::string& ttl, const Words& more = {}) const {
    Words words{"lease", "acquire", "b", "work", "--ttl", ttl, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  static int64_t remaining_ms(const json& grant) {
    return std::stoll(grant.at("remaining").get<std::string>());
  }
};

TEST_F(CommandLease, OutlivesTheCommandThatTookIt) {
  const json grant = acquire("1h").object();
  EXPECT_EQ(grant.at("name"), "work");
  EXPECT_GT(remaining_ms(grant), 3'000'000);
  EXPECT_LE(remaining_ms(grant), 3'600'000);
  const json held = run({"lease", "list", "b", "--json"}).object();
  EXPECT_EQ(held.at("token"), grant.at("token"));
  EXPECT_EQ(held.at("detached"), true);
  EXPECT_EQ(held.at("pid"), nullptr);
  const Ended other = acquire("1h");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(other.object().at("outcome"), "lease_held");
}

TEST_F(CommandLease, IsFreeWhenItsTimeIsOver) {
  const json first = acquire("50ms").object();
  const Ended second = acquire("1h", {"--wait", "10s"});
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_GT(std::stoull(second.object().at("token").get<std::string>()),
            std::stoull(first.at("token").get<std::string>()));
  const Words stale{"lease",           "renew", "b",  "work",  "--token",
                    first.at("token"), "--ttl", "1h", "--json"};
  EXPECT_EQ(run(stale).object().at("outcome"), "lease_superseded");
}

TEST_F(CommandLease, AWaitEndsWithTheReleaseOrItsTime) {
  const std::string token = acquire("1h").object().at("token");
  const int64_t start_ns = test_support::monotonic_ns();
  const Ended over = acquire("1h", {"--wait", "100ms"});
  EXPECT_EQ(over.exit_code, 1);
  EXPECT_EQ(over.object().at("outcome"), "wait_timeout");
  EXPECT_GE(test_support::monotonic_ns() - start_ns, 100'000'000);
  Started waiting(bench_.program(), bench_.words({"lease", "acquire", "b", "work", "--ttl", "1h",
                                                  "--wait", "60s", "--json"}));
  ASSERT_TRUE(test_support::await([&] {
    return run({"lease", "list", "b", "--json"}).object().at("waiters") == 1;
  }));
  expect_done({"lease", "release", "b", "work", "--token", token});
  const Ended granted = waiting.wait();
  EXPECT_EQ(granted.exit_code, 0);
  EXPECT_NE(granted.object().at("token"), token);
}

TEST_F(CommandLease, RenewKeepsTheTokenAndReleaseNeedsIt) {
  const std::string token = acquire("5m").object().at("token");
  const json renewed =
      run({"lease", "renew", "b", "work", "--token", token, "--ttl", "1h", "--json"}).object();
  EXPECT_EQ(renewed.at("token"), token);
  EXPECT_GT(remaining_ms(renewed), 3'000'000);
  const Ended wrong = run({"lease", "release", "b", "work", "--token", "1", "--json"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_EQ(wrong.object().at("outcome"), "lease_superseded");
  expect_done({"lease", "release", "b", "work", "--token", token});
  const Ended again = run({"lease", "release", "b", "work", "--token", token, "--json"});
  EXPECT_EQ(again.object().at("outcome"), "lease_missing");
  EXPECT_EQ(run({"lease", "list", "b", "--json"}).out, "");
}

TEST_F(CommandLease, AnOwnerMayTakeItTwiceAndARetryIsOneOperation) {
  const json first = acquire("1h", {"--owner-id", "7", "--operation-id", "1"}).object();
  const json retried = acquire("1h", {"--owner-id", "7", "--operation-id", "1"}).object();
  EXPECT_EQ(retried.at("replayed"), true);
  EXPECT_EQ(retried.at("count"), 1);
  const json second = acquire("1h", {"--owner-id", "7", "--operation-id", "2"}).object();
  EXPECT_EQ(second.at("token"), first.at("token"));
  EXPECT_EQ(second.at("count"), 2);
  EXPECT_EQ(acquire("1h", {"--owner-id", "8"}).exit_code, 1);
  const std::string token = first.at("token");
  EXPECT_EQ(run({"lease", "release", "b", "work", "--token", token, "--json"}).object().at("count"),
            1);
}

}  // namespace
}  // namespace casbook
