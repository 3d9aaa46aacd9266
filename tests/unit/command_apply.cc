// apply: every row once, whatever becomes of the processes; wrong rows are rejects, not a stop.
#include <dirent.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <casbook/casbook.h>

#include "support/child_process.h"
#include "support/command_book.h"
#include "support/command_workers.h"

namespace casbook {
namespace {

using nlohmann::json;
using test_support::CommandBook;
using test_support::Ended;
using test_support::Started;
using test_support::Words;

constexpr const char* kHeader = "payment_id,debit_account,credit_account,amount,ledger\n";

class CommandApply : public CommandBook {
 protected:
  explicit CommandApply(const std::string& program = CASBOOK_COMMAND) : CommandBook(program) {}

  std::string file() const { return bench_.directory() + "/rows.csv"; }
  std::string rejects() const { return read(file() + ".rejects.csv"); }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  Words words(const std::string& text, const Words& more = {}) const {
    std::ofstream(file(), std::ios::binary) << text;
    Words all{"apply", "b", file(), "--processes", "4", "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return bench_.words(all);
  }
  Ended apply(const std::string& text, const Words& more = {}, const Words& settings = {}) const {
    return Started(bench_.program(), words(text, more), settings).wait();
  }
  // 800 rows of 0.01 from 40 payers to bob, 20 of each.
  static std::string many_rows() {
    std::string text = kHeader;
    for (int i = 0; i < 800; ++i)
      text += "row" + std::to_string(i) + ",payer" + std::to_string(i % 40) + ",bob,0.01,CZK\n";
    return text;
  }
  void expect_each_row_paid_once() const {
    EXPECT_EQ(available("bob"), "8.00");
    for (int i = 0; i < 40; ++i) EXPECT_EQ(available("payer" + std::to_string(i)), "-0.20");
    EXPECT_EQ(run({"audit", "b", "--json"}).object().at("ok"), true);
  }
};

TEST_F(CommandApply, PaysEachRowOnceHoweverOftenItIsApplied) {
  const Ended first = apply(many_rows(), {"--open-accounts"});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(first.err, "");  // no bar where there is no terminal
  EXPECT_EQ(first.object().at("rows"), 800);
  EXPECT_EQ(first.object().at("executed"), 800);
  EXPECT_GT(first.object().at("payments_per_second"), 0);
  const Ended second = apply(many_rows(), {"--open-accounts"});
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(second.object().at("executed"), 0);
  EXPECT_EQ(second.object().at("replayed"), 800);
  EXPECT_EQ(rejects(), "line,payment_id,reason,detail,final\n");
  expect_each_row_paid_once();
}

TEST_F(CommandApply, WrongRowsAreRejectsAndTheOthersArePaid) {
  const Ended ended = apply(std::string(kHeader) +
                            "good,alice,bob,10,CZK\n"     // line 2
                            "fine,alice,bob,0.005,CZK\n"  // 3: too many decimals
                            "self,alice,alice,1,CZK\n"    // 4
                            "none,alice,carol,1,CZK\n"    // 5: no such account
                            "gold,alice,bob,1,XAU\n"      // 6: no such ledger
                            "poor,alice,bob,1000,CZK\n"   // 7
                            "less,alice,bob,1\n"          // 8: a field is missing
                            "good,alice,bob,11,CZK\n"     // 9: the id of another payment
                            "st\"ay,alice,bob,1,CZK\n"    // 10: a stray quote
                            ",alice,bob,1,CZK\n"          // 11: no id
                            "last,alice,bob,1,CZK");      // 12: no line end
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_EQ(ended.object().at("executed"), 2);
  EXPECT_EQ(ended.object().at("refused"), 3);
  EXPECT_EQ(ended.object().at("rejected"), 6);
  EXPECT_EQ(ended.object().at("reasons"), json({{"account_missing", 1},
                                                {"bad_argument", 5},
                                                {"insufficient_available", 1},
                                                {"ledger_missing", 1},
                                                {"payment_conflict", 1}}));
  EXPECT_EQ(rejects(),
            "line,payment_id,reason,detail,final\n"
            "3,fine,bad_argument,\"amount \"\"0.005\"\": expected at most 2 decimals\",true\n"
            "4,self,bad_argument,credit account: expected another account than the one debited,"
            "true\n"
            "5,none,account_missing,credit account,false\n"
            "6,gold,ledger_missing,\"ledger \"\"XAU\"\"\",false\n"
            "7,poor,insufficient_available,too little is available,true\n"
            "8,less,bad_argument,\"expected 5 fields, got 4\",true\n"
            "9,good,payment_conflict,differs in: posting 1: amount,true\n"
            "10,\"st\"\"ay\",bad_argument,a quote inside a field that is not quoted,true\n"
            "11,,bad_argument,\"payment id: id \"\"\"\": expected 1 to 40 bytes without control "
            "characters\",true\n");
  EXPECT_EQ(available("bob"), "11.00");
}

TEST_F(CommandApply, ReadsTheFileAsRfc4180HasIt) {
  const Ended ended = apply(
      "\xef\xbb\xbf"
      "ledger,\"time\",amount,credit_account,payment_id,debit_account,code\r\n"
      "CZK,1970-01-02,1.5,\"b, \"\"x\"\"\",p1,bank,7\r\n"
      "\r\n"
      "\"CZK\",,\"2\",bob,\"p2\",bank,\r\n",
      {"--open-accounts"});
  EXPECT_EQ(ended.exit_code, 0) << rejects();
  EXPECT_EQ(available("b, \"x\""), "1.50");
  EXPECT_EQ(available("bob"), "2.00");
  const json paid = run({"payment", "show", "b", "p1", "--json"}).object();
  EXPECT_EQ(paid.at("code"), 7);
  EXPECT_EQ(paid.at("user_data")[0], "86400000");
}

TEST_F(CommandApply, LinesAreCountedThroughQuotedLineEnds) {
  apply(std::string(kHeader) + "\"two\nlines\",alice,bob,1,CZK\nnext,alice,nobody,1,CZK\n");
  EXPECT_NE(rejects().find("\n2,\"two\nlines\",bad_argument"), std::string::npos) << rejects();
  EXPECT_NE(rejects().find("\n4,next,account_missing"), std::string::npos) << rejects();
}

TEST_F(CommandApply, AFileThatCannotBeReadRightPaysNothing) {
  const std::pair<std::string, std::string> files[] = {
      {"", "header"},
      {"payment_id,debit_account,credit_account,ledger\np,alice,bob,CZK\n",
       "\"amount\" is missing"},
      {"payment_id,debit_account,credit_account,amount,ledger,memo\n", "\"memo\" is unknown"},
      {"payment_id,debit_account,credit_account,amount,ledger,code,code\n",
       "\"code\" occurs twice"},
      {std::string(kHeader) + "p,alice,bob,1,CZK\nq,\"alice,bob,1,CZK\n", "line 3"}};
  for (const auto& [text, message] : files) {
    const Ended ended = apply(text);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_NE(ended.err.find(message), ended.err.npos) << ended.err;
  }
  EXPECT_EQ(available("bob"), "0.00");
  EXPECT_FALSE(std::filesystem::exists(file() + ".rejects.csv"));
}

TEST_F(CommandApply, APayersRowsKeepTheirOrder) {
  constexpr int kPayers = 12;
  std::string text = kHeader;
  for (int i = 0; i < kPayers; ++i) {
    const std::string payer = "payer" + std::to_string(i);
    expect_done({"account", "open", "b", payer, "--ledger", "CZK", "--min-available", "0"});
    ASSERT_EQ(pay("fund" + payer, "bank", payer, "10").exit_code, 0);
  }
  // Of 10 in this order: 6 goes, 5 is too much, 4 goes. In any other order 5 would go, or not 4.
  for (const char* amount : {"6", "5", "4"})
    for (int i = 0; i < kPayers; ++i)
      text += std::string(amount) + "of" + std::to_string(i) + ",payer" + std::to_string(i) +
              ",bob," + amount + ",CZK\n";
  const Ended ended = apply(text);
  EXPECT_EQ(ended.object().at("executed"), 2 * kPayers);
  EXPECT_EQ(ended.object().at("refused"), kPayers);
  for (int i = 0; i < kPayers; ++i) {
    EXPECT_EQ(available("payer" + std::to_string(i)), "0.00");
    const std::string refused = "5of" + std::to_string(i);
    EXPECT_EQ(run({"payment", "show", "b", refused, "--json"}).object().at("outcome"),
              "insufficient_available");
  }
}

TEST_F(CommandApply, OpenedAccountsGetTheLimitAndOthersKeepTheirs) {
  const std::string text = std::string(kHeader) + "p,new,alice,50.01,CZK\nq,new2,alice,50,CZK\n";
  const Ended ended = apply(text, {"--open-accounts", "--min-available", "-50"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_EQ(ended.object().at("refused"), 1);
  EXPECT_EQ(available("new2"), "-50.00");
  EXPECT_EQ(run({"account", "show", "b", "new", "--json"}).object().at("min_available"), "-50.00");
  EXPECT_EQ(run({"account", "show", "b", "alice", "--json"}).object().at("min_available"), "0.00");
}

TEST_F(CommandApply, RejectsGoWhereTheyAreAskedTo) {
  const std::string path = bench_.directory() + "/elsewhere.csv";
  apply(std::string(kHeader) + "p,alice,carol,1,CZK\n", {"--rejects", path});
  EXPECT_NE(read(path).find("2,p,account_missing"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(file() + ".rejects.csv"));
  const Ended nowhere = apply(kHeader, {"--rejects", bench_.directory() + "/no/file"});
  EXPECT_EQ(nowhere.exit_code, 3);
  EXPECT_NE(nowhere.err.find("--rejects"), nowhere.err.npos);
}

TEST_F(CommandApply, WithoutRoomForASessionItSaysSoAndLosesNothing) {
  expect_done({"create", "one", "--accounts", "8", "--payments", "100", "--sessions", "1",
               "--records", "64"});
  auto book = Book::attach("one", bench_.directory());
  ASSERT_TRUE(book);
  std::ofstream(file()) << kHeader << "p,alice,bob,1,CZK\n";
  {
    auto session = book->open_session();
    ASSERT_TRUE(session);
    ASSERT_TRUE(session->open_ledger("CZK", 2));
    for (const char* id : {"alice", "bob"})
      ASSERT_TRUE(session->open_account({*ExternalId::parse(id)}, {.ledger = "CZK"}));
    const Ended ended = run({"apply", "one", file(), "--json"});
    EXPECT_EQ(ended.exit_code, 3);
    EXPECT_NE(ended.err.find("sessions_full"), ended.err.npos) << ended.err;
    EXPECT_EQ(ended.object().at("unanswered"), 1);
    EXPECT_NE(rejects().find("2,p,outcome_unknown"), std::string::npos);
  }
  EXPECT_EQ(run({"apply", "one", file(), "--json"}).object().at("executed"), 1);
}

// With the fault points compiled in.
class CommandApplyKilled : public CommandApply {
 protected:
  CommandApplyKilled() : CommandApply(CASBOOK_COMMAND_INSTRUMENTED) {}
};

TEST_F(CommandApplyKilled, AKilledWorkersRowsAreTakenOver) {
  // Paid, but not answered: the successor has to find out by the id.
  const Ended first =
      apply(many_rows(), {"--open-accounts"}, {"CASBOOK_FAULT=payment_committed:50"});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  const json summary = first.object();
  const auto killed = summary.at("workers_killed").get<int>();
  EXPECT_GE(killed, 8);
  // The row at which a worker died was paid before, so its successor got the answer again.
  EXPECT_EQ(summary.at("replayed"), killed);
  EXPECT_EQ(summary.at("executed"), 800 - killed);
  const Ended second = apply(many_rows());
  EXPECT_EQ(second.object().at("replayed"), 800);
  expect_each_row_paid_once();
}

TEST_F(CommandApplyKilled, WorkersMayBeKilledInTheMiddleOfACommit) {
  apply(many_rows(), {"--open-accounts"});
  const char* const points[] = {"commit_after_first_lock", "commit_after_claim",
                                "commit_after_first_word", "record_after_reserve"};
  for (int p = 0; p < 4; ++p) {
    std::string text = kHeader;
    for (int i = 0; i < 200; ++i)
      text += "p" + std::to_string(p) + "-" + std::to_string(i) + ",payer" +
              std::to_string(i % 40) + ",alice,0.01,CZK\n";
    const std::string setting = "CASBOOK_FAULT=" + std::string(points[p]) + ":30";
    const Ended ended = apply(text, {}, {setting});
    EXPECT_EQ(ended.exit_code, 0) << points[p] << ended.out << rejects();
    EXPECT_GE(ended.object().at("workers_killed"), 1) << points[p];
    EXPECT_EQ(apply(text).object().at("replayed"), 200) << points[p];
  }
  EXPECT_EQ(available("alice"), "108.00");
  EXPECT_EQ(run({"audit", "b", "--json"}).object().at("ok"), true);
}

TEST_F(CommandApplyKilled, AStoppedWorkerIsKilledFromOutsideAndReplaced) {
  Started apply_run(bench_.program(), words(many_rows(), {"--open-accounts"}),
                    {"CASBOOK_FAULT=payment_committed:150:stop"});
  int killed = 0;
  ASSERT_TRUE(test_support::await([&] {
    for (const auto& worker : test_support::workers_of(apply_run.pid())) {
      if (worker.state == 'T') killed += kill(worker.pid, SIGKILL) == 0;
    }
    return apply_run.has_ended();
  }));
  const Ended ended = apply_run.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_GE(killed, 1);
  EXPECT_GE(ended.object().at("workers_killed"), 1);
  expect_each_row_paid_once();
}

TEST_F(CommandApplyKilled, AnInterruptLeavesRowsToBeSentAgain) {
  // All workers stand still, so they are killed when they do not follow the request.
  Started apply_run(bench_.program(), words(many_rows(), {"--open-accounts"}),
                    {"CASBOOK_FAULT=payment_committed:50:stop"});
  ASSERT_TRUE(test_support::await([&] {
    const auto workers = test_support::workers_of(apply_run.pid());
    return workers.size() == 4 &&
           std::all_of(workers.begin(), workers.end(),
                       [](const auto& worker) { return worker.state == 'T'; });
  }));
  kill(apply_run.pid(), SIGINT);
  const Ended ended = apply_run.wait();
  EXPECT_EQ(ended.exit_code, 4) << ended.err;
  const json summary = ended.object();
  EXPECT_EQ(summary.at("executed"), 4 * 49);
  EXPECT_EQ(summary.at("unanswered"), 800 - 4 * 49);
  EXPECT_NE(rejects().find("outcome_unknown"), std::string::npos);
  EXPECT_NE(ended.err.find("apply the same file again"), ended.err.npos);
  const json again = apply(many_rows()).object();
  EXPECT_EQ(again.at("replayed"), 4 * 50);
  EXPECT_EQ(again.at("executed"), 800 - 4 * 50);
  expect_each_row_paid_once();
}

TEST_F(CommandApplyKilled, WorkersThatDieWithoutAnAnswerAreGivenUp) {
  expect_done({"account", "open", "b", "payer", "--ledger", "CZK"});
  const std::string text = std::string(kHeader) + "p,payer,bob,1,CZK\nq,payer,bob,1,CZK\n";
  const Ended ended = apply(text, {}, {"CASBOOK_FAULT=payment_planned:1"});
  EXPECT_EQ(ended.exit_code, 4);
  EXPECT_EQ(ended.object().at("unanswered"), 2);
  EXPECT_EQ(ended.object().at("workers_killed"), 5);
  EXPECT_NE(ended.err.find("again and again"), ended.err.npos) << ended.err;
  EXPECT_EQ(apply(text).object().at("executed"), 2);
}

}  // namespace
}  // namespace casbook
