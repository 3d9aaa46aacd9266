// Real disks that are full, read-only or broken, small ones on loop devices. Only root can mount
// these; elsewhere the tests skip themselves.
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "journal/directory_storage.h"
#include "journal/state_file.h"
#include "support/loop_disk.h"
#include "support/served_book.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int kDiskMebibytes = 40;

// The test's own payments, beside those of the payers.
class Teller {
 public:
  explicit Teller(const DaemonPlace& place)
      : book_(must(Book::attach(place.book, place.shm))), session_(must(book_.open_session())) {}

  Book& book() { return book_; }
  std::string state() const { return book_.status().journal.state; }
  Result<Receipt> pay(std::optional<std::chrono::milliseconds> durable_within = {}) {
    const Payment payment = Payment(payment_id(10'000'000 + ++number_))
                                .debit(must(book_.find_account(account_id("1000000"))), 1)
                                .credit(must(book_.find_account(account_id("8"))), 1);
    return durable_within ? session_.pay(payment, Level::durable, *durable_within)
                          : session_.pay(payment);
  }
  // Until the ring takes no more: nothing was written for so long.
  uint64_t pay_until_backpressure() {
    for (uint64_t count = 0; count < 20'000; ++count)
      if (const auto paid = pay(); !paid) {
        EXPECT_EQ(paid.error().code, Code::backpressure);
        return count;
      }
    ADD_FAILURE() << "the ring never filled";
    return 0;
  }

 private:
  Book book_;
  Session session_;
  uint64_t number_ = 0;
};

class DiskFaults : public testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.is_there()) GTEST_SKIP() << "no disk of its own: " << disk_.why_not();
  }

  DiskDirectory folder_;
  LoopDisk disk_{folder_.path(), kDiskMebibytes};
};

// What a node has to say for itself in elections is one block, and that is there.
TEST_F(DiskFaults, AFullDiskStillTakesTermsAndVotes) {
  const std::string path = disk_.path() + "/journal";
  std::filesystem::create_directory(path);
  auto storage = journal::DirectoryStorage::open(path, {.direct = true});
  ASSERT_TRUE(storage);
  ASSERT_TRUE(journal::write_state(**storage, {.journal_id = 7, .reserved_term = 1}));
  const Filler filler(disk_.path() + "/filler");
  for (uint64_t term = 2; term <= 20; ++term) {
    const auto written = journal::write_state(**storage, {.journal_id = 7, .reserved_term = term});
    ASSERT_TRUE(written) << "term " << term << ": " << written.error().message();
    EXPECT_EQ(must(journal::read_state(**storage)).reserved_term, term);
  }
}

TEST_F(DiskFaults, AFullDiskIsWaitedForAndNothingIsLost) {
  ServedBook served(2, disk_.path() + "/journal");
  DaemonProcess daemon(served.place());
  ASSERT_TRUE(served.pay_through(daemon)) << daemon.events();
  Filler filler(disk_.path() + "/filler");
  served.rotate(daemon);  // the segment that was prepared is still there
  Teller teller(served.place());
  ASSERT_TRUE(await([&] { return teller.state() == "no_space"; })) << teller.state();
  const Ended status =
      Started(CASBOOK_COMMAND, {"--dir", served.place().shm, "status", "b", "--json"}).wait();
  EXPECT_EQ(status.object().at("journal").at("state"), "no_space") << status.out;

  // The current segment is filled; then durable payments wait, others do not.
  Position waiting;
  ASSERT_TRUE(await([&] {
    for (int i = 0; i < 500; ++i) (void)teller.pay();
    const auto paid = teller.pay(200ms);
    if (paid) return false;
    EXPECT_TRUE(paid.error().code == Code::outcome_unknown ||
                paid.error().code == Code::backpressure)
        << paid.error().message();
    waiting = teller.book().position();
    return true;
  }));
  const Ended late =
      Started(CASBOOK_COMMAND, {"--dir", served.place().shm, "pay", "b", "--id", "late", "--debit",
                                "1000000", "--credit", "8", "--amount", "0.01", "--ledger", "CZK",
                                "--durable", "--timeout", "200ms"})
          .wait();
  EXPECT_TRUE(late.exit_code == 4 || late.err.find("backpressure") != std::string::npos)
      << late.exit_code << late.err;
  teller.pay_until_backpressure();
  EXPECT_FALSE(daemon.has_ended()) << daemon.events();

  filler.remove();
  EXPECT_TRUE(teller.book().wait(waiting, Level::durable, 10s)) << daemon.events();
  EXPECT_TRUE(await([&] { return teller.state() == "serving"; }));
  EXPECT_TRUE(await([&] { return static_cast<bool>(teller.pay(1000ms)); }));
  EXPECT_THAT(daemon.events(), HasSubstr("event=no_next_segment"));
  EXPECT_THAT(daemon.events(), HasSubstr("event=next_segment_ready"));
  daemon.kill();
  served.expect_kept(ServedBook::End::kill);
  served.lose_arena();
  served.expect_kept(ServedBook::End::stop);
}

TEST_F(DiskFaults, StartingOnAFullDiskIsRefusedUntilThereIsRoom) {
  ServedBook served(2, disk_.path() + "/journal");
  {
    const Filler filler(disk_.path() + "/filler");
    const Ended refused = DaemonProcess(served.place()).wait();
    EXPECT_EQ(refused.exit_code, 3);
    EXPECT_THAT(refused.err, HasSubstr("no_space"));
  }
  served.expect_kept(ServedBook::End::kill);
  std::filesystem::remove(served.place().journal + "/segment.new");  // its room would be taken
  {
    const Filler filler(disk_.path() + "/filler");
    const Ended refused = DaemonProcess(served.place()).wait();
    EXPECT_EQ(refused.exit_code, 3) << "resuming takes a segment too";
    EXPECT_THAT(refused.err, HasSubstr("no_space"));
  }
  served.expect_kept(ServedBook::End::stop);
}

TEST_F(DiskFaults, AReadOnlyDiskIsRefused) {
  ServedBook served(2, disk_.path() + "/journal");
  served.expect_kept(ServedBook::End::stop);
  ASSERT_TRUE(disk_.remount_read_only()) << disk_.why_not();
  const Ended refused = DaemonProcess(served.place()).wait();
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("no_permission"));
  EXPECT_THAT(refused.err, HasSubstr(served.place().journal));
}

// Where on the disk the file lies from its last byte that is not zero on.
struct Extent {
  uint64_t offset, bytes;
};
std::vector<Extent> unwritten_extents(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> bytes(std::filesystem::file_size(path));
  EXPECT_EQ(pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  uint64_t end = bytes.size();
  while (end > 0 && bytes[end - 1] == 0) --end;
  end = (end + 4095) / 4096 * 4096;
  constexpr uint32_t kExtentsMax = 64;
  std::vector<char> memory(sizeof(fiemap) + kExtentsMax * sizeof(fiemap_extent));
  auto* map = reinterpret_cast<fiemap*>(memory.data());
  map->fm_length = bytes.size(), map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kExtentsMax;
  EXPECT_EQ(ioctl(fd, FS_IOC_FIEMAP, map), 0);
  close(fd);
  std::vector<Extent> list;
  for (uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
    const fiemap_extent& extent = map->fm_extents[i];
    const uint64_t from = std::max<uint64_t>(extent.fe_logical, end);
    const uint64_t to = extent.fe_logical + extent.fe_length;
    if (from < to) list.push_back({extent.fe_physical + (from - extent.fe_logical), to - from});
  }
  return list;
}

// The image lies on a memory disk that is full, and has holes where the segment goes on: the next
// write there fails below the file system, in room that was allocated. (The loop device of some
// kernels says ENOSPC then, of others EIO.)
TEST(BrokenDisk, AFailedWriteEndsTheDaemonAndLosesNothing) {
  SmallMemoryDisk memory(64);
  if (!memory.is_there()) GTEST_SKIP() << "no memory disk of its own: only root can mount one";
  LoopDisk disk(memory.path(), kDiskMebibytes);
  if (!disk.is_there()) GTEST_SKIP() << "no disk of its own: " << disk.why_not();
  ServedBook served(2, disk.path() + "/journal");
  DaemonProcess daemon(served.place());
  ASSERT_TRUE(served.pay_through(daemon)) << daemon.events();
  served.payers().stop();
  const int image = open(disk.image().c_str(), O_RDWR | O_CLOEXEC);
  for (const Extent& extent :
       unwritten_extents(served.place().journal + "/" + served.newest_segment()))
    ASSERT_EQ(fallocate(image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(extent.offset), static_cast<off_t>(extent.bytes)),
              0);
  Filler filler(memory.path() + "/filler");
  Teller teller(served.place());
  served.payers().start();
  const auto told = teller.pay(5000ms);
  EXPECT_EQ(code_of(told), Code::outcome_unknown);
  const Ended ended = daemon.wait();
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_THAT(ended.err, HasSubstr("event=journal_failed"));
  EXPECT_THAT(ended.err, HasSubstr("write " + served.place().journal + "/segment-"));
  EXPECT_EQ(teller.state(), "failed");
  EXPECT_EQ(code_of(teller.pay()), Code::book_closed);

  filler.remove();
  close(image);
  ASSERT_TRUE(disk.unmount() && disk.mount()) << disk.why_not();
  served.expect_kept(ServedBook::End::kill);
  served.lose_arena();
  served.expect_kept(ServedBook::End::stop);
  served.payers().kill_all();
}

}  // namespace
}  // namespace casbook
