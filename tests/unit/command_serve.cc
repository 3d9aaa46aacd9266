// serve and what goes with it: durable payments, stop, recovery, checkpoints, backups, the journal.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <signal.h>

#include <casbook/casbook.h>

#include "support/command_book.h"

namespace casbook {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test_support::await;
using test_support::CommandBench;
using test_support::Ended;
using test_support::Started;
using test_support::Words;
using testing::HasSubstr;

class CommandServe : public testing::Test {
 protected:
  std::string journal() const { return bench_.directory() + "/journal"; }
  std::string arena_file(const std::string& book = "b") const {
    return bench_.directory() + "/casbook." + book;
  }
  Words serve_words(const std::string& book, const std::string& directory) const {
    return {
        "serve",      "--book",   book,         "--dir", directory,    "--shm", bench_.directory(),
        "--accounts", "64",       "--payments", "2000",  "--sessions", "16",    "--records",
        "1024",       "--leases", "8"};
  }
  std::unique_ptr<Started> serve() { return serve("b", journal()); }
  std::unique_ptr<Started> serve(const std::string& book, const std::string& directory) {
    auto daemon = std::make_unique<Started>(bench_.program(), serve_words(book, directory));
    const bool is_serving = await([&] {
      const Ended status = run({"status", book, "--json"});
      return daemon->has_ended() ||
             (status.exit_code == 0 && state_of(status.object()) == "serving");
    });
    EXPECT_TRUE(is_serving && !daemon->has_ended());
    return daemon;
  }
  static std::string state_of(const json& status) {
    return status.at("journal").is_null() ? "" : status.at("journal").at("state");
  }
  static Ended stop(Started& daemon) {
    kill(daemon.pid(), SIGTERM);
    return daemon.wait();
  }
  Ended run(const Words& words) const { return bench_.run(words); }
  void expect_done(const Words& words) const {
    const Ended ended = run(words);
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
  }
  void open_accounts() const {
    expect_done({"ledger", "open", "b", "CZK", "--scale", "2"});
    expect_done({"account", "open", "b", "bank", "--ledger", "CZK"});
    expect_done({"account", "open", "b", "alice", "--ledger", "CZK", "--min-available", "0"});
  }
  static Words pay_words(const std::string& id, const Words& more) {
    Words words{"pay",   "b",        "--id", id,         "--debit", "bank",  "--credit",
                "alice", "--amount", "1",    "--ledger", "CZK",     "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Ended pay(const std::string& id, const Words& more = {"--durable"}) const {
    return run(pay_words(id, more));
  }
  std::string available(const std::string& book = "b") const {
    return run({"balance", book, "alice", "--json"}).object().at("available");
  }
  json journal_status() const { return run({"status", "b", "--json"}).object().at("journal"); }

  CommandBench bench_{CASBOOK_COMMAND};
};

TEST_F(CommandServe, ADurablePaymentOutlivesTheArena) {
  auto daemon = serve();
  open_accounts();
  const json paid = pay("p").object();
  EXPECT_EQ(paid.at("level"), "durable");
  EXPECT_GE(std::stoull(journal_status().at("durable").get<std::string>()),
            std::stoull(paid.at("position").get<std::string>()));
  const Ended ended = stop(*daemon);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("event=serving"));
  EXPECT_EQ(journal_status().at("state"), "stopped");
  const Ended closed = pay("q");
  EXPECT_EQ(closed.exit_code, 1);
  EXPECT_EQ(closed.object().at("outcome"), "level_unavailable");
  EXPECT_EQ(pay("q", {}).object().at("outcome"), "book_closed");

  ASSERT_TRUE(fs::remove(arena_file()));
  daemon = serve();
  EXPECT_EQ(available(), "1.00");
  const json again = pay("p").object();
  EXPECT_EQ(again.at("replayed"), true);
  EXPECT_EQ(again.at("position"), paid.at("position"));
  EXPECT_EQ(stop(*daemon).exit_code, 0);
}

TEST_F(CommandServe, AKilledDaemonIsDeadUntilTheNextResumes) {
  auto daemon = serve();
  open_accounts();
  ASSERT_EQ(pay("p").exit_code, 0);
  kill(daemon->pid(), SIGSTOP);
  Started waiting(bench_.program(),
                  bench_.words(pay_words("q", {"--durable", "--timeout", "60s"})));
  EXPECT_TRUE(await([&] { return run({"payment", "show", "b", "q"}).exit_code == 0; }));
  kill(daemon->pid(), SIGKILL);
  daemon->wait();
  EXPECT_EQ(journal_status().at("state"), "dead");
  const Ended refused = pay("r");
  EXPECT_EQ(refused.exit_code, 1) << refused.err;
  EXPECT_EQ(refused.object().at("outcome"), "level_unavailable");
  EXPECT_THAT(refused.err, HasSubstr("casbook serve"));
  EXPECT_EQ(run({"payment", "show", "b", "r"}).exit_code, 1) << "nothing was done";
  EXPECT_EQ(run({"checkpoint", "b"}).exit_code, 3);
  EXPECT_EQ(run({"unfollow", "b", "journal", "--force"}).exit_code, 2);
  daemon = serve();
  EXPECT_EQ(waiting.wait().exit_code, 0) << "who has paid is answered by the next";
  EXPECT_EQ(pay("r").object().at("replayed"), false);
  EXPECT_EQ(available(), "3.00");
  EXPECT_EQ(stop(*daemon).exit_code, 0);
}

TEST_F(CommandServe, ASecondDaemonIsRefused) {
  auto daemon = serve();
  const Ended second = Started(bench_.program(), serve_words("b", journal())).wait();
  EXPECT_EQ(second.exit_code, 3);
  EXPECT_THAT(second.err, HasSubstr("already_served"));
  EXPECT_EQ(run({"journal", "cut-tail", journal(), "--yes"}).exit_code, 3);
  EXPECT_EQ(stop(*daemon).exit_code, 0);
}

TEST_F(CommandServe, WithoutADaemonDurableIsRefusedAndSaysWhy) {
  expect_done({"create", "b", "--accounts", "8", "--records", "64"});
  open_accounts();
  const Ended refused = pay("p");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.object().at("outcome"), "level_unavailable");
  EXPECT_THAT(refused.err, HasSubstr("casbook serve"));
  EXPECT_EQ(run({"payment", "show", "b", "p"}).exit_code, 1);
  EXPECT_EQ(run({"checkpoint", "b"}).exit_code, 3);
  EXPECT_TRUE(run({"status", "b", "--json"}).object().at("journal").is_null());
  EXPECT_THAT(run({"status", "b"}).out, HasSubstr("nothing is durable"));
}

// Few commits do not move the tail on, from which a checkpoint copies, and the segments of the
// records behind it are removed meanwhile.
TEST_F(CommandServe, CheckpointsOfABookThatIsNearlyIdleGoOn) {
  auto daemon = serve();
  open_accounts();
  for (int life = 0; life < 4; ++life) {
    ASSERT_EQ(pay("p" + std::to_string(life)).exit_code, 0);
    const Ended taken = run({"checkpoint", "b"});
    EXPECT_EQ(taken.exit_code, 0) << taken.err;
    kill(daemon->pid(), SIGKILL);
    daemon->wait();
    daemon = serve();
  }
  EXPECT_EQ(stop(*daemon).exit_code, 0);
}

TEST_F(CommandServe, CheckpointsAndBackupsAreTakenWhileItRuns) {
  auto daemon = serve();
  open_accounts();
  const json paid = pay("p").object();
  const json taken = run({"checkpoint", "b", "--json"}).object();
  EXPECT_GE(std::stoull(taken.at("position").get<std::string>()),
            std::stoull(paid.at("position").get<std::string>()));
  EXPECT_EQ(journal_status().at("checkpoint"), taken.at("position"));
  const std::string backup = bench_.directory() + "/backup";
  const Ended backed = run({"backup", "b", backup, "--json"});
  ASSERT_EQ(backed.exit_code, 0) << backed.err;
  EXPECT_EQ(run({"backup", "b", backup}).exit_code, 2) << "it is not empty any more";
  ASSERT_EQ(pay("later").exit_code, 0);

  const std::string restored = bench_.directory() + "/restored";
  const Ended made = run({"restore", backup, "--dir", restored, "--book", "c", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(made.object().at("position"), backed.object().at("position"));
  EXPECT_EQ(run({"restore", backup, "--dir", restored}).exit_code, 3) << "it holds a journal";
  auto other = serve("c", restored);
  EXPECT_EQ(available("c"), "1.00");
  EXPECT_EQ(available("b"), "2.00");
  const json status = run({"status", "c", "--json"}).object();
  EXPECT_NE(status.at("journal").at("id"), journal_status().at("id"));
  EXPECT_EQ(run({"audit", "c"}).exit_code, 0);
  // No term that the book of the backup may have opened since comes again, and what the backup
  // holds is still known to be held.
  EXPECT_EQ(status.at("term"), "64");
  const auto book = Book::attach("c", bench_.directory());
  ASSERT_TRUE(book) << book.error().message();
  const Position position{std::stoull(paid.at("position").get<std::string>())};
  const auto reached = book->wait(position, Level::durable, std::chrono::seconds(10));
  EXPECT_TRUE(reached) << reached.error().message();
  EXPECT_EQ(stop(*other).exit_code, 0);
  EXPECT_EQ(stop(*daemon).exit_code, 0);
}

TEST_F(CommandServe, AJournalIsVerifiedDumpedAndCutWhereItIsDamaged) {
  auto daemon = serve();
  open_accounts();
  for (const char* id : {"p", "q", "r"}) ASSERT_EQ(pay(id).exit_code, 0);
  const std::string lost = pay("s").object().at("position");
  ASSERT_EQ(stop(*daemon).exit_code, 0);
  const json verified = run({"journal", "verify", journal(), "--json"}).object();
  EXPECT_EQ(verified.at("ok"), true);
  const auto dumped = run({"journal", "dump", journal(), "--json"}).objects();
  EXPECT_EQ(run({"journal", "cut-tail", journal(), "--json"}).object().at("damaged"), false);

  // One byte of the body of the entry that holds the first payment, without a checkpoint behind it.
  const std::string aside = bench_.directory() + "/aside";
  fs::create_directory(aside);
  const auto move_checkpoints = [](const std::string& from, const std::string& to) {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(from)) names.push_back(file.path().filename());
    for (const std::string& name : names)
      if (name.starts_with("checkpoint-")) fs::rename(from + "/" + name, to + "/" + name);
  };
  move_checkpoints(journal(), aside);
  json entry;
  for (const json& line : dumped)
    if (line.contains("entry") && line.at("entry") == 5) entry = line;
  ASSERT_FALSE(entry.is_null());
  char name[64];
  std::snprintf(name, sizeof name, "/segment-%020lu", entry.at("segment").get<uint64_t>());
  std::fstream file(journal() + name, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(entry.at("offset").get<int64_t>() + 100);
  file.put('\x55');
  file.close();
  const Ended damaged = run({"journal", "verify", journal()});
  EXPECT_EQ(damaged.exit_code, 3);
  EXPECT_THAT(damaged.err, HasSubstr(name + 1));
  const json asked = run({"journal", "cut-tail", journal(), "--json"}).object();
  EXPECT_EQ(asked.at("damaged"), true);
  EXPECT_EQ(asked.at("cut"), false);
  EXPECT_EQ(asked.at("last_good_entry"), 4);
  EXPECT_EQ(asked.at("offset"), entry.at("offset"));
  EXPECT_EQ(run({"journal", "verify", journal()}).exit_code, 3) << "nothing was changed";
  // With the checkpoint, which covers the damage, nothing is lost but what came after it.
  move_checkpoints(aside, journal());
  const json covered = run({"journal", "cut-tail", journal(), "--yes", "--json"}).object();
  EXPECT_EQ(covered.at("cut"), true);
  EXPECT_EQ(covered.at("last_good_position"), covered.at("checkpoint"));
  EXPECT_EQ(run({"journal", "verify", journal(), "--json"}).object().at("ok"), true);
  ASSERT_TRUE(fs::remove(arena_file()));
  auto again = serve();
  EXPECT_EQ(pay("s").object().at("position"), lost) << "answered from the checkpoint";
  ASSERT_EQ(stop(*again).exit_code, 0);
}

TEST_F(CommandServe, UsageIsChecked) {
  EXPECT_EQ(run({"serve"}).exit_code, 2);
  EXPECT_EQ(run({"serve", "--book", "b"}).exit_code, 2);
  EXPECT_EQ(run({"serve", "x.toml", "--book", "b"}).exit_code, 2);
  EXPECT_EQ(run({"serve", bench_.directory() + "/none.toml"}).exit_code, 3);
  EXPECT_EQ(run({"pay", "b", "--timeout", "5s"}).exit_code, 2);
}

}  // namespace
}  // namespace casbook
