// top: rates, counters, and how it ends.
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

class CommandTop : public CommandBook {
 protected:
  CommandTop() : CommandBook(CASBOOK_COMMAND) {}
};

TEST_F(CommandTop, CountsWhatSessionsDidThatAreGone) {
  ASSERT_EQ(pay("p1", "alice", "bob", "1.00").exit_code, 0);
  ASSERT_EQ(pay("p2", "alice", "bob", "1000.00").exit_code, 1);
  const json look = run({"top", "b", "--interval", "1ms", "--count", "1", "--json"}).object();
  EXPECT_EQ(look.at("payments"), 2);  // the one that funded alice, and p1
  EXPECT_EQ(look.at("refusals"), 1);
  EXPECT_EQ(look.at("sessions"), 0);
  EXPECT_EQ(look.at("payments_per_second"), 0);
}

TEST_F(CommandTop, ShowsTheRateOfWhatHappensBetweenTwoLooks) {
  auto book = Book::attach("b", bench_.directory());
  ASSERT_TRUE(book);
  auto session = book->open_session();
  ASSERT_TRUE(session);
  const Account alice = *book->find_account({*ExternalId::parse("alice")});
  const Account bob = *book->find_account({*ExternalId::parse("bob")});
  ASSERT_TRUE(book->follow("auditor", FullPolicy::drop_follower));
  Started top(bench_.program(), bench_.words({"top", "b", "--interval", "200ms", "--json"}));
  uint64_t number = 0;
  const auto pays_are_seen = [&] {
    (void)session->pay(Payment({ExternalId::of_number(++number)}).debit(alice, 1).credit(bob, 1));
    const Ended so_far{0, top.out_so_far(), ""};
    if (so_far.out.empty() || so_far.out.back() != '\n') return false;
    const json last = so_far.objects().back();
    return last.at("payments_per_second") > 0 && last.at("sessions") == 1;
  };
  EXPECT_TRUE(test_support::await(pays_are_seen, 20));
  kill(top.pid(), SIGINT);
  const Ended ended = top.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.objects().back().at("followers")[0].at("name"), "auditor");
}

TEST_F(CommandTop, PrintsLinesUnderOneHeadingWhereNoTerminalReadsIt) {
  const Ended ended = run({"top", "b", "--interval", "1ms", "--count", "3"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 4);
  EXPECT_EQ(ended.out.find("payments/s"), ended.out.rfind("payments/s"));
}

TEST_F(CommandTop, NamesABookThatIsNotThere) {
  const Ended ended = run({"top", "nothing", "--count", "1"});
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_NE(ended.err.find("nothing"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace casbook
