// The commands about a cluster, where there is none or none can be begun: keys, status, levels.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "commit/executor.h"
#include "support/cluster_book.h"
#include "support/command_book.h"

namespace casbook {
namespace {

namespace fs = std::filesystem;
using test_support::CommandBook;
using test_support::Ended;
using test_support::Started;
using test_support::Words;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class CommandCluster : public CommandBook {
 protected:
  CommandCluster() : CommandBook(CASBOOK_COMMAND) {}

  std::string path(const std::string& name) const { return bench_.directory() + "/" + name; }
  // `--dir` is no option of these.
  Ended run_plain(const Words& words) const { return Started(bench_.program(), words).wait(); }
  Ended keygen(const std::string& file, bool as_json = false) const {
    return run_plain(as_json ? Words{"cluster", "keygen", file, "--json"}
                             : Words{"cluster", "keygen", file});
  }
  static std::string content(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  // `casbook serve` of one host of three, by that key file.
  Ended serve(const std::string& key_file) const {
    std::ofstream(path("till.toml"))
        << "book = \"till\"\n[arena]\naccounts = 64\npayments = 2000\nrecords = 1024\ndirectory = "
           "\""
        << bench_.directory() << "\"\n[journal]\ndirectory = \"" << path("journal")
        << "\"\n[cluster]\nid = \"till\"\nnode = 1\nnodes = ["
        << "{id = 1, address = \"127.0.0.1:7400\"}, {id = 2, address = \"127.0.0.1:7410\"}, "
        << "{id = 3, address = \"127.0.0.1:7420\"}]\nkey_file = \"" << key_file << "\"\n";
    return run_plain({"serve", path("till.toml")});
  }
};

TEST_F(CommandCluster, AKeyIsForItsOwnerAloneWhateverTheUmask) {
  const mode_t former = umask(0);
  const Ended made = keygen(path("key"));
  umask(former);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, MatchesRegex("key file +" + path("key") + "\nsealing +[0-9a-f]{4}\n"));
  EXPECT_EQ(fs::status(path("key")).permissions(), fs::perms(0600));
  EXPECT_THAT(content(path("key")), MatchesRegex("casbook-cluster-key-1 [0-9a-f]{64}\n"));
  EXPECT_EQ(keygen(path("other"), true).object().at("key_file"), path("other"));
  EXPECT_NE(content(path("other")), content(path("key")));
}

TEST_F(CommandCluster, AKeyThatIsThereIsLeftAlone) {
  ASSERT_EQ(keygen(path("key")).exit_code, 0);
  const std::string first = content(path("key"));
  const Ended again = keygen(path("key"));
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_EQ(again.out, "");
  EXPECT_THAT(again.err, HasSubstr(path("key") + ": File exists"));
  EXPECT_THAT(again.err, Not(HasSubstr("the book")));
  EXPECT_EQ(content(path("key")), first);
  fs::create_symlink(path("nowhere"), path("link"));
  EXPECT_EQ(keygen(path("link")).exit_code, 3) << "nor is a link followed";
  EXPECT_FALSE(fs::exists(path("nowhere")));
}

TEST_F(CommandCluster, KeysChangeStepByStep) {
  const auto change = [&](const std::string& option) {
    return run_plain({"cluster", "keygen", path("key"), option, "--json"});
  };
  const std::string old_id = keygen(path("key"), true).object().at("sealing");
  const nlohmann::json appended = change("--append").object();
  EXPECT_EQ(appended.at("sealing"), old_id);
  const std::string new_id = appended.at("also");
  EXPECT_NE(new_id, old_id);
  EXPECT_THAT(content(path("key")), MatchesRegex("(casbook-cluster-key-1 [0-9a-f]{64}\n){2}"));
  const Ended again = change("--append");
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr(path("key") + " has 2 keys; expected 1"));
  const nlohmann::json swapped = change("--swap").object();
  EXPECT_EQ(swapped.at("sealing"), new_id);
  EXPECT_EQ(swapped.at("also"), old_id);
  const nlohmann::json dropped = change("--drop").object();
  EXPECT_EQ(dropped.at("sealing"), new_id);
  EXPECT_FALSE(dropped.contains("also"));
  EXPECT_EQ(change("--swap").exit_code, 2);
  EXPECT_EQ(run_plain({"cluster", "keygen", path("none"), "--append"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(path("none")));
  EXPECT_EQ(run_plain({"cluster", "keygen", path("key"), "--swap", "--drop"}).exit_code, 2);
}

TEST_F(CommandCluster, AKeyNeedsItsDirectory) {
  const Ended ended = keygen(path("none/key"));
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr(path("none/key") + ": No such file or directory"));
  EXPECT_FALSE(fs::exists(path("none")));
  const Ended unnamed = run_plain({"cluster", "keygen"});
  EXPECT_EQ(unnamed.exit_code, 2);
  EXPECT_THAT(unnamed.err, HasSubstr("FILE is required"));
}

TEST_F(CommandCluster, StatusOfABookWithoutOneSaysSo) {
  const Ended text = run({"cluster", "status", "b"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out, "cluster  none: this host alone keeps the book\n");
  const nlohmann::json object = run({"cluster", "status", "b", "--json"}).object();
  EXPECT_EQ(object, (nlohmann::json{{"book", "b"}, {"cluster", nullptr}}));
  const Ended missing = run({"cluster", "status", "nobody"});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("book_missing"));
  EXPECT_EQ(run({"cluster", "status", "b", "--interval", "1s"}).exit_code, 2) << "of --watch";
}

TEST_F(CommandCluster, QuorumWithoutOneIsRefusedAndNothingMoves) {
  const Ended refused = pay("p", "bank", "bob", "1.00", {"--quorum"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.object().at("outcome"), "level_unavailable");
  EXPECT_EQ(refused.object().at("final"), false);
  EXPECT_EQ(refused.object().at("detail"), "no other host keeps this book");
  EXPECT_EQ(run({"payment", "show", "b", "p"}).exit_code, 1);
  EXPECT_EQ(available("bob"), "0.00");
  EXPECT_EQ(pay("p", "bank", "bob", "1.00").object().at("replayed"), false);
  const Ended both = pay("q", "bank", "bob", "1.00", {"--quorum", "--durable"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--durable excludes --quorum"));
}

// One host is its own majority: what it shows is linearizable.
TEST_F(CommandCluster, ALinearizableBalanceWithoutOneIsAnsweredAtOnce) {
  const nlohmann::json plain = run({"balance", "b", "alice", "--json"}).object();
  const Ended ended = run({"balance", "b", "alice", "--linearizable", "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.object().at("available"), "100.00");
  EXPECT_GE(std::stoull(ended.object().at("position").get<std::string>()),
            std::stoull(plain.at("position").get<std::string>()));
  EXPECT_EQ(run({"balance", "b", "alice", "--linearizable", "--at", "1"}).exit_code, 2);
  EXPECT_EQ(run({"balance", "b", "alice", "--timeout", "1s"}).exit_code, 2);
}

TEST_F(CommandCluster, StatusSaysHowOftenAnotherDiskWasRefused) {
  auto mapping = arena::attach(bench_.directory(), "b", arena::Access::read_write);
  ASSERT_TRUE(mapping);
  test_support::announce_leading(commit::Store(**mapping), 1);
  const auto status = [this] { return run({"cluster", "status", "b"}).out; };
  EXPECT_THAT(status(), HasSubstr("0 answers of other disks\n"));
  (*mapping)->replication().refused_disks.store_relaxed(3);
  EXPECT_THAT(status(),
              HasSubstr("3 answers of other disks: a host that lost its disk needs a new id\n"));
  const nlohmann::json object = run({"cluster", "status", "b", "--json"}).object();
  EXPECT_EQ(object.at("cluster").at("network").at("refused_disks"), 3);
}

// What is missing in a book that follows may be there at the leader.
TEST_F(CommandCluster, WhoWantsToWriteOnAFollowerIsSentToTheLeaderWhateverIsMissingHere) {
  auto mapping = arena::attach(bench_.directory(), "b", arena::Access::read_write);
  ASSERT_TRUE(mapping);
  const commit::Store store(**mapping);
  commit::Executor(store).seal(1);
  test_support::announce_following(store, 2);
  const Words attempts[] = {{"account", "open", "b", "new", "--ledger", "none"},
                            {"account", "open", "b", "new", "--ledger", "CZK"},
                            {"account", "close", "b", "none"},
                            {"ledger", "open", "b", "EUR", "--scale", "2"},
                            {"pay", "b", "--id", "p", "--debit", "bank", "--credit", "none",
                             "--amount", "1", "--ledger", "CZK"},
                            {"pay", "b", "--id", "p", "--debit", "bank", "--credit", "bob",
                             "--amount", "1", "--ledger", "none"}};
  for (const Words& words : attempts) {
    Words all = words;
    all.push_back("--json");
    const Ended ended = run(all);
    SCOPED_TRACE(words[0] + " " + words[1] + ": " + ended.err);
    EXPECT_EQ(ended.object().at("outcome"), "not_leader");
    EXPECT_EQ(ended.object().at("detail"), "node 2 at 10.0.0.2:7400 leads");
    EXPECT_EQ(ended.object().at("final"), false);
  }
  EXPECT_EQ(run({"balance", "b", "none", "--json"}).object().at("outcome"), "account_missing")
      << "a read is of this book";
}

TEST_F(CommandCluster, AKeyThatOthersMayReadServesNobody) {
  ASSERT_EQ(keygen(path("key")).exit_code, 0);
  for (const mode_t mode : {0644u, 0640u, 0604u, 0620u}) {
    fs::permissions(path("key"), fs::perms(mode));
    const Ended ended = serve(path("key"));
    EXPECT_EQ(ended.exit_code, 3) << std::oct << mode;
    EXPECT_THAT(ended.err, HasSubstr("no_permission"));
    EXPECT_THAT(ended.err, HasSubstr("key file " + path("key") +
                                     " is open to group or others; expected mode 0600 or 0400"));
  }
  EXPECT_FALSE(fs::exists(path("casbook.till"))) << "no book is made";
}

TEST_F(CommandCluster, AKeyThatIsNoneServesNobody) {
  const Ended missing = serve(path("none"));
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr(path("none") + ": No such file or directory"));
  std::ofstream(path("key")) << "secret\n";
  fs::permissions(path("key"), fs::perms(0600));
  const Ended damaged = serve(path("key"));
  EXPECT_EQ(damaged.exit_code, 3);
  EXPECT_THAT(damaged.err, HasSubstr("key file " + path("key") + ": expected one or two lines"));
  EXPECT_FALSE(fs::exists(path("casbook.till")));
}

}  // namespace
}  // namespace casbook
