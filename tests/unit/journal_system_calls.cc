// What the journal asks of the system and no file shows: calls that are caught on their way. The
// definitions here stand before those of the libraries.
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <unistd.h>

#include "journal/directory_storage.h"
#include "journal/uring_queue.h"
#include "support/daemon_process.h"
#include "support/small_book.h"

namespace {

std::set<std::string> synced_paths;
int submissions_held_back = 0;

template <class Function>
Function* next_of(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int fsync(int fd) {
  std::error_code ignored;
  synced_paths.insert(
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string());
  static auto* const real = next_of<int(int)>("fsync");
  return real(fd);
}

// The kernel may take fewer than it is given, and says how many.
extern "C" int io_uring_submit(io_uring* ring) {
  static auto* const real = next_of<int(io_uring*)>("io_uring_submit");
  const auto held = static_cast<unsigned>(std::exchange(submissions_held_back, 0));
  ring->sq.sqe_tail -= held;
  const int taken = real(ring);
  ring->sq.sqe_tail += held;
  return taken;
}

namespace casbook {
namespace {

using namespace test_support;
using testing::Pair;

TEST(JournalDirectory, IsMadeForGood) {
  const DiskDirectory disk;
  synced_paths.clear();
  const std::string path = disk.path() + "/journal";
  for (const char* what : {"that is new", "that is there: who made it may have died before"}) {
    must(journal::DirectoryStorage::open(path, journal::DirectoryOptions{}));
    EXPECT_TRUE(synced_paths.contains(disk.path())) << what;
    synced_paths.clear();
  }
}

TEST(JournalQueue, ASubmissionOfWhichSomeIsHeldBackFails) {
  const DiskDirectory disk;
  auto storage =
      must(journal::DirectoryStorage::open(disk.path() + "/journal", journal::DirectoryOptions{}));
  auto file = must(storage->create("file"));
  must(file->allocate(2 * journal::kBlockBytes));
  alignas(journal::kBlockBytes) static std::byte block[journal::kBlockBytes] = {};
  auto queue = must(storage->open_queue(4));
  submissions_held_back = 1;
  const auto sent = queue->write_and_sync(*file, 0, block, 1, 2);
  ASSERT_FALSE(sent) << "the sync is not behind its write any more";
  EXPECT_EQ(code_of(sent), Code::io_error);
  EXPECT_NE(sent.error().detail.find("submit all to io_uring"), std::string::npos);
  // That the queue ends shows that it does not wait for what was never sent.
}

// The kernel tells only of the sync, or of the write that failed.
TEST(JournalQueue, TellsOfAWriteAndOfTheSyncBehindIt) {
  const DiskDirectory disk;
  auto storage =
      must(journal::DirectoryStorage::open(disk.path() + "/journal", journal::DirectoryOptions{}));
  auto file = must(storage->create("file"));
  must(file->allocate(2 * journal::kBlockBytes));
  auto closed_to_writes = must(storage->open("file", journal::Storage::Access::read));
  alignas(journal::kBlockBytes) static std::byte block[journal::kBlockBytes] = {};
  auto queue = must(storage->open_queue(4));
  const auto complete = [&](journal::File& to, size_t at_once) {
    must(queue->write_and_sync(to, 0, block, 1, 2));
    std::map<uint64_t, int> errors;
    std::array<journal::Completion, 4> completions;
    while (errors.size() < 2)
      for (size_t i = 0, count = queue->wait(std::span(completions).first(at_once)); i < count; ++i)
        errors[completions[i].token] = completions[i].error_number;
    return errors;
  };
  // More often than there are slots.
  for (const size_t at_once : {1, 4, 1, 4, 1}) {
    EXPECT_THAT(complete(*file, at_once), testing::ElementsAre(Pair(1, 0), Pair(2, 0)));
    EXPECT_THAT(complete(*closed_to_writes, at_once),
                testing::ElementsAre(Pair(1, EBADF), Pair(2, ECANCELED)));
  }
}

}  // namespace
}  // namespace casbook
