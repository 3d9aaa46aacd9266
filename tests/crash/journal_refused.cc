// What a daemon finds and must not touch, or must not trust: journals of others and of newer
// programs, damage on disk and in memory, clocks that were set back.
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>

#include "arena/layout.h"
#include "support/served_book.h"
#include "support/small_book.h"

namespace casbook {
namespace {

namespace fs = std::filesystem;
using namespace test_support;
using namespace std::chrono_literals;
using testing::HasSubstr;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// All but the lock file, which says who held it last. The book itself where nobody can attach to
// it: who attaches leaves traces in the table of the attached.
enum class Arena { is_attachable, is_not };
std::map<std::string, std::string> files_of(const DaemonPlace& place, Arena arena) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(place.journal))
    if (entry.path().filename() != "lock") files[entry.path()] = bytes_of(entry.path());
  if (arena == Arena::is_not && fs::exists(place.arena_file()))
    files[place.arena_file()] = bytes_of(place.arena_file());
  return files;
}

void put(const std::string& path, uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

void flip(const std::string& path, uint64_t offset) {
  const char byte = bytes_of(path).at(offset);
  put(path, offset, std::string(1, static_cast<char>(~byte)));
}

std::string file_of(const DaemonPlace& place, const std::string& prefix) {
  std::string newest;
  for (const auto& entry : fs::directory_iterator(place.journal))
    if (entry.path().filename().string().starts_with(prefix))
      newest = std::max(newest, entry.path().string());
  return newest;
}

class JournalRefused : public testing::Test {
 protected:
  // The daemon ends with 3, says each of `words`, and no file is another than before.
  void expect_refused(const std::vector<std::string>& words, Arena arena = Arena::is_not) {
    const auto before = files_of(served_.place(), arena);
    const Ended refused = DaemonProcess(served_.place()).wait();
    EXPECT_EQ(refused.exit_code, 3) << refused.err;
    for (const std::string& word : words) EXPECT_THAT(refused.err, HasSubstr(word));
    EXPECT_TRUE(files_of(served_.place(), arena) == before) << "it touched what it refused";
  }
  // Served once, with a checkpoint, and killed.
  void serve_once() {
    DaemonProcess daemon(served_.place());
    ASSERT_TRUE(served_.pay_through(daemon) && served_.take_checkpoint(daemon)) << daemon.events();
    served_.payers().stop();
    daemon.kill();
  }
  const DaemonPlace& place() const { return served_.place(); }

  ServedBook served_;
};

TEST_F(JournalRefused, ASecondDaemonAndSaysWhoHoldsIt) {
  DaemonProcess daemon(place());
  ASSERT_TRUE(daemon.await_serving());
  const Ended second = DaemonProcess(place()).wait();
  EXPECT_EQ(second.exit_code, 3);
  EXPECT_THAT(second.err, HasSubstr("already_served"));
  EXPECT_THAT(second.err, HasSubstr("process " + std::to_string(daemon.pid())));
}

TEST_F(JournalRefused, ADirectoryThatIsNotWritable) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  serve_once();
  fs::permissions(place().shm, fs::perms::all);
  DaemonProcess daemon(place(), [] {
    if (setuid(65534) != 0) _exit(1);
  });
  const Ended refused = daemon.wait();
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("no_permission"));
  served_.expect_kept(ServedBook::End::stop);
}

TEST_F(JournalRefused, TheJournalOfAnotherBook) {
  serve_once();
  ServedBook other;
  {
    DaemonProcess daemon(other.place());
    ASSERT_TRUE(daemon.await_serving());
  }
  fs::rename(place().arena_file(), place().arena_file() + ".kept");
  fs::copy(other.place().arena_file(), place().arena_file());
  expect_refused({"foreign_journal", place().journal}, Arena::is_attachable);
  fs::rename(place().arena_file() + ".kept", place().arena_file());
  served_.expect_kept(ServedBook::End::stop);
}

TEST_F(JournalRefused, SegmentsWithoutTheirState) {
  serve_once();
  const std::string state = place().journal + "/state", aside = place().shm + "/state.aside";
  fs::copy(state, aside), fs::remove(state);
  expect_refused({"state"});
  served_.lose_arena();
  expect_refused({"state"});
  fs::copy(aside, state);
  served_.expect_kept(ServedBook::End::stop);
}

// The format stands at the same place in all of them.
constexpr uint64_t kFormatOffset = 8;

TEST_F(JournalRefused, NewerFormats) {
  serve_once();
  const std::string ninety_nine("\x63\0\0\0", 4);
  const auto with_newer = [&](const std::string& path, Arena arena) {
    SCOPED_TRACE(path);
    const std::string before = bytes_of(path);
    put(path, kFormatOffset, ninety_nine);
    expect_refused({"format_newer", "99"}, arena);
    put(path, kFormatOffset, before.substr(kFormatOffset, 4));
  };
  with_newer(place().arena_file(), Arena::is_not);
  with_newer(place().journal + "/state", Arena::is_not);
  with_newer(file_of(place(), "segment-"), Arena::is_attachable);
  served_.lose_arena();
  with_newer(place().journal + "/state", Arena::is_not);
  with_newer(file_of(place(), "segment-"), Arena::is_not);
  with_newer(file_of(place(), "checkpoint-"), Arena::is_not);
  served_.expect_kept(ServedBook::End::stop);
}

TEST_F(JournalRefused, ADamagedMiddleUntilItsTailIsCut) {
  {
    DaemonProcess daemon(place());
    ASSERT_TRUE(served_.pay_through(daemon)) << daemon.events();
    served_.payers().stop();
    daemon.kill();
  }
  const std::string segment = file_of(place(), "segment-");
  flip(segment, 3 * 4096 + 100);
  served_.lose_arena();
  expect_refused({fs::path(segment).filename().string(), "12288"});
  const Ended cut =
      Started(place().program, {"journal", "cut-tail", place().journal, "--yes"}).wait();
  EXPECT_EQ(cut.exit_code, 0) << cut.err;
  DaemonProcess daemon(place());
  EXPECT_TRUE(daemon.await_serving()) << daemon.events();
  const auto audit = must(Book::attach(place().book, place().shm)).audit();
  EXPECT_TRUE(audit && audit->ok);
  EXPECT_EQ(daemon.stop().exit_code, 0);
}

TEST_F(JournalRefused, ButNotAnOlderCheckpointWhereTheNewestIsDamaged) {
  {
    DaemonProcess daemon(place());
    ASSERT_TRUE(served_.pay_through(daemon) && served_.take_checkpoint(daemon) &&
                served_.rotate(daemon) && served_.take_checkpoint(daemon))
        << daemon.events();
    daemon.kill();
  }
  const std::string newest = file_of(place(), "checkpoint-");
  flip(newest, fs::file_size(newest) / 2);
  served_.lose_arena();
  {
    DaemonProcess daemon(place());
    ASSERT_TRUE(daemon.await_serving()) << daemon.events();
    EXPECT_THAT(daemon.events(), HasSubstr("event=checkpoint_unsound"));
    EXPECT_THAT(daemon.events(), HasSubstr(fs::path(newest).filename().string()));
    daemon.kill();
  }
  served_.expect_kept(ServedBook::End::stop);
}

TEST_F(JournalRefused, ButNotAWallClockThatWasSetBack) {
  serve_once();
  for (const bool is_lost : {false, true}) {
    if (is_lost) served_.lose_arena();
    DaemonProcess daemon(place(), [] { step_wall_clock(-3'600'000); });
    ASSERT_TRUE(served_.pay_through(daemon)) << daemon.events();
    daemon.kill();
    served_.expect_kept(ServedBook::End::kill);
  }
}

// What is in memory is not to be trusted: rebuilt to what was durable, not a record more; and who
// is attached still pays no more into what nobody keeps.
class ArenaRejected : public JournalRefused {
 protected:
  void expect_rebuilt(uint64_t damaged_offset, ServedBook::End end) {
    serve_once();
    std::optional<Book> old(must(Book::attach(place().book, place().shm)));
    Session session = must(old->open_session());
    served_.expect_kept(end);
    const Position durable = old->durable_position();
    served_.payers().kill_all();
    flip(place().arena_file(), damaged_offset);
    DaemonProcess daemon(place());
    ASSERT_TRUE(daemon.await_serving()) << daemon.events();
    EXPECT_THAT(daemon.events(), HasSubstr("event=arena_rejected"));
    EXPECT_THAT(daemon.events(), HasSubstr("event=book_recovered"));
    // A daemon that is killed may have more on disk than it had told; one that is stopped has not.
    const std::string word = " durable=";
    const uint64_t recovered =
        std::stoull(daemon.events().substr(daemon.events().find(word) + word.size()));
    if (end == ServedBook::End::stop) {
      EXPECT_EQ(recovered, durable.value);
    } else {
      EXPECT_GE(recovered, durable.value);
    }
    const Payment payment = Payment(payment_id(99))
                                .debit(must(old->find_account(account_id("1000000"))), 1)
                                .credit(must(old->find_account(account_id("8"))), 1);
    const auto paid = session.pay(payment);
    EXPECT_TRUE(!paid &&
                (paid.error().code == Code::book_closed || paid.error().code == Code::quarantined))
        << "it pays into memory that nobody keeps";
    daemon.kill();
    served_.expect_kept(ServedBook::End::stop);
  }
};

// The arena is damaged, and so is what would replace it: then it is the better of the two.
TEST_F(ArenaRejected, ButNotWhereTheJournalCannotReplaceIt) {
  serve_once();
  const std::string segment = file_of(place(), "segment-");
  const std::string checkpoint = file_of(place(), "checkpoint-");
  const uint64_t middle = fs::file_size(checkpoint) / 2, entry = 3 * 4096 + 100;
  flip(place().arena_file(), offsetof(arena::FixedHeader, incarnation));
  flip(segment, entry), flip(checkpoint, middle);
  expect_refused({"event=arena_rejected", fs::path(segment).filename().string()});
  flip(place().arena_file(), offsetof(arena::FixedHeader, incarnation));
  flip(segment, entry), flip(checkpoint, middle);
  served_.expect_kept(ServedBook::End::stop);
}

TEST_F(ArenaRejected, ForItsHeader) {
  expect_rebuilt(offsetof(arena::FixedHeader, incarnation), ServedBook::End::kill);
}

TEST_F(ArenaRejected, ForACell) {
  serve_once();
  arena::FixedHeader header{};
  const std::string bytes = bytes_of(place().arena_file());
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto cells = header.regions[static_cast<size_t>(arena::Region::cells)].offset;
  const auto accounts =
      header.cell_tables[static_cast<size_t>(arena::CellTable::accounts)].first_unit;
  expect_rebuilt(cells + accounts * 64 + 16, ServedBook::End::stop);
}

}  // namespace
}  // namespace casbook
