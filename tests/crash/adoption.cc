// A daemon that comes to a book without a journal, and fails before the book is durable: the book
// is as it was found, open or shut, in the same term, and the next daemon adopts it.
#include <atomic>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "arena/arena.h"
#include "commit/executor.h"
#include "journal/checkpoint_format.h"
#include "support/daemon_process.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;
using base::FaultPoint;
using testing::HasSubstr;

void unstruck() {}

class Adoption : public testing::Test {
 protected:
  void SetUp() override {
    CreateOptions options = small_options();
    options.directory = place_.shm, options.payments = 50'000, options.records = 4096;
    must(Book::create(place_.book, options));
    Book book = attach();
    Session session = must(book.open_session());
    must(session.open_ledger("EUR", 2));
    for (const char* id : {"world", "a"})
      must(session.open_account(account_id(id), {.ledger = "EUR"}));
  }

  Book attach() const { return must(Book::attach(place_.book, place_.shm)); }
  Result<Receipt> pay(std::optional<std::chrono::milliseconds> durable_within = {}) {
    Book book = attach();
    Session session = must(book.open_session());
    const Payment payment = Payment(payment_id(++number_))
                                .debit(must(book.find_account(account_id("world"))), 1)
                                .credit(must(book.find_account(account_id("a"))), 1);
    return durable_within ? session.pay(payment, Level::durable, *durable_within)
                          : session.pay(payment);
  }

  // The daemon fails, and no trace of it is in the book.
  Ended expect_failure(DaemonProcess& daemon) {
    const Ended ended = daemon.wait();
    EXPECT_EQ(ended.exit_code, 3) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("event=book_adopted"));
    EXPECT_THAT(ended.err, testing::Not(HasSubstr("event=serving")));
    const BookStatus after = attach().status();
    EXPECT_FALSE(after.journal.journaled);
    EXPECT_EQ(after.term, 1u) << "no term began";
    EXPECT_EQ(code_of(pay(0ms)), Code::level_unavailable);
    return ended;
  }
  void expect_adopted_by_the_next() {
    DaemonProcess daemon(place_, unstruck);
    ASSERT_TRUE(daemon.await_serving()) << daemon.events();
    EXPECT_THAT(daemon.events(), HasSubstr("event=adoption_begun_anew"));
    EXPECT_EQ(code_of(pay(10s)), kDone);
    EXPECT_EQ(daemon.stop().exit_code, 0) << daemon.events();
  }
  // A name that no checkpoint can take: it is not removed as a file is.
  void let_checkpoints_fail() const {
    std::filesystem::create_directories(blocked_checkpoint() + "/taken");
  }
  std::string blocked_checkpoint() const {
    return place_.journal + "/" + journal::kCheckpointTemporaryName;
  }

  ScratchDirectory shm_;
  DiskDirectory disk_;
  DaemonPlace place_{.program = CASBOOK_COMMAND_INSTRUMENTED,
                     .shm = shm_.path(),
                     .journal = disk_.path() + "/journal"};
  uint64_t number_ = 0;
};

TEST_F(Adoption, OfWhichTheCheckpointFailsLeavesTheBookOpen) {
  let_checkpoints_fail();
  DaemonProcess daemon(place_, unstruck);
  EXPECT_THAT(expect_failure(daemon).err, HasSubstr("event=checkpoint_failed"));
  EXPECT_EQ(code_of(pay()), kDone);
  std::filesystem::remove_all(blocked_checkpoint());
  expect_adopted_by_the_next();
}

TEST_F(Adoption, OfWhichTheCheckpointFailsOpensNothing) {
  const auto mapping = must(arena::attach(place_.shm, place_.book, arena::Access::read_write));
  const commit::Store store(*mapping);
  commit::Executor(store).seal(1);
  EXPECT_EQ(code_of(pay()), Code::book_closed);
  let_checkpoints_fail();
  DaemonProcess daemon(place_, unstruck);
  expect_failure(daemon);
  EXPECT_EQ(code_of(pay()), Code::book_closed);
}

TEST_F(Adoption, OfAQuarantinedBookLeavesItSo) {
  must(attach().set_quarantine(true));
  let_checkpoints_fail();
  DaemonProcess daemon(place_, unstruck);
  expect_failure(daemon);
  EXPECT_EQ(code_of(pay()), Code::quarantined);
}

std::atomic<bool> entry_is_made{false};

// In the daemon: its first entry is refused by the system, and the checkpoint waits for that.
void fail_the_first_entry(FaultPoint point) {
  if (point == FaultPoint::entry_before_write) {
    const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};  // its events are shorter
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
    entry_is_made = true;
  }
  if (point == FaultPoint::checkpoint_cells_written)
    await([] { return entry_is_made.load(); }), sleep_us(200'000);
}

TEST_F(Adoption, OfWhichTheJournalFailsLeavesTheBookOpen) {
  DaemonProcess daemon(place_, [] {
    signal(SIGXFSZ, SIG_IGN);
    base::probes.fault = fail_the_first_entry;
  });
  ASSERT_TRUE(await([&] { return daemon.events().find("book_adopted") != std::string::npos; }));
  while (!daemon.has_ended()) {
    EXPECT_EQ(code_of(pay()), kDone);
    sleep_us(1000);
  }
  EXPECT_THAT(expect_failure(daemon).err, HasSubstr("event=journal_failed"));
  EXPECT_EQ(code_of(pay()), kDone);
  expect_adopted_by_the_next();
}

TEST_F(Adoption, ThatIsToldToStopLeavesTheBookOpen) {
  DaemonProcess daemon(place_, [] {
    base::probes.fault = [](FaultPoint point) {
      if (point != FaultPoint::checkpoint_cells_written) return;
      kill(getpid(), SIGTERM);
      sleep_us(200'000);
    };
  });
  EXPECT_THAT(expect_failure(daemon).err, HasSubstr("event=stopping"));
  EXPECT_EQ(code_of(pay()), kDone);
  expect_adopted_by_the_next();
}

// What the journal's directory holds is another book's: of the same name, and all that is left of
// it.
TEST_F(Adoption, NeverClearsAwayWhatIsLeftOfAnotherBook) {
  {
    DaemonProcess daemon(place_, unstruck);
    ASSERT_TRUE(daemon.await_serving()) << daemon.events();
    EXPECT_EQ(code_of(pay(10s)), kDone);
    daemon.kill();
  }
  const std::string kept = place_.arena_file() + ".kept";
  std::filesystem::rename(place_.arena_file(), kept);
  SetUp();
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(place_.journal))
      found.insert(entry.path().filename().string());
    return found;
  };
  const auto before = names();
  const Ended refused = DaemonProcess(place_, unstruck).wait();
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("foreign_journal"));
  EXPECT_EQ(names(), before);
  EXPECT_FALSE(attach().status().journal.journaled);
  std::filesystem::remove(place_.arena_file());
  DaemonProcess daemon(place_, unstruck);
  ASSERT_TRUE(daemon.await_serving()) << daemon.events();
  const Book book = attach();
  EXPECT_EQ(must(book.balance(must(book.find_account(account_id("a"))))).available, 1);
  daemon.kill();
}

}  // namespace
}  // namespace casbook
