// The storage that the tests of power loss and failing disks stand on: it keeps what it promises,
// and loses by chance what it does not.
#include "support/faulty_storage.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include <gtest/gtest.h>

#include "support/small_book.h"

namespace casbook::test {
namespace {

using journal::Completion;
using journal::File;
using journal::kBlockBytes;
using journal::kSectorBytes;
using journal::Storage;
using test_support::code_of;
using test_support::kDone;
using test_support::must;

constexpr uint64_t kSeeds = 200;

struct alignas(kBlockBytes) Block {
  std::byte bytes[kBlockBytes];
  explicit Block(uint8_t fill) { std::ranges::fill(bytes, std::byte{fill}); }
};

std::unique_ptr<File> make_file(Storage& storage, const std::string& name, uint64_t blocks) {
  auto file = must(storage.create(name));
  must(file->allocate(blocks * kBlockBytes));
  must(file->sync());
  must(storage.sync_directory());
  return file;
}

// What each sector is full of: a byte, or -1 for anything mixed.
std::vector<int> fills(const FaultyStorage& storage, const std::string& name) {
  const std::vector<std::byte> content = storage.content(name);
  std::vector<int> fills;
  for (size_t at = 0; at + kSectorBytes <= content.size(); at += kSectorBytes) {
    const auto sector = std::span(content).subspan(at, kSectorBytes);
    const bool is_even =
        std::ranges::all_of(sector, [&](std::byte byte) { return byte == sector[0]; });
    fills.push_back(is_even ? std::to_integer<int>(sector[0]) : -1);
  }
  return fills;
}

TEST(FaultyStorage, WhatWasSyncedSurvives) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 2);
    must(file->write(0, Block(1).bytes));
    must(file->write(kBlockBytes, Block(2).bytes));
    must(file->sync());
    storage.crash();
    const std::vector<int> sectors = fills(storage, "a");
    ASSERT_EQ(sectors.size(), 16u) << "seed " << seed;
    for (size_t i = 0; i < 16; ++i) ASSERT_EQ(sectors[i], i < 8 ? 1 : 2) << "seed " << seed;
  }
}

TEST(FaultyStorage, UnsyncedSectorsAreKeptDroppedOrTornEachForItself) {
  std::set<int> seen;
  bool later_without_earlier = false, whole = false, none = false;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 2);
    must(file->write(0, Block(1).bytes));
    must(file->write(kBlockBytes, Block(2).bytes));
    storage.crash();
    const std::vector<int> sectors = fills(storage, "a");
    seen.insert(sectors.begin(), sectors.end());
    later_without_earlier |= sectors[0] == 0 && sectors[15] == 2;
    whole |= std::ranges::count(sectors, 1) == 8 && std::ranges::count(sectors, 2) == 8;
    none |= std::ranges::count(sectors, 0) == 16;
  }
  EXPECT_EQ(seen, (std::set<int>{-1, 0, 1, 2}));
  EXPECT_TRUE(later_without_earlier && whole && none);
}

TEST(FaultyStorage, OfWritesThatMeetAnyMayBeTheLast) {
  std::set<int> seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 1);
    for (uint8_t fill = 1; fill <= 3; ++fill) must(file->write(0, Block(fill).bytes));
    storage.crash();
    seen.insert(fills(storage, "a")[0]);
  }
  EXPECT_EQ(seen, (std::set<int>{-1, 0, 1, 2, 3}));
}

TEST(FaultyStorage, LengthComesWithASync) {
  std::set<uint64_t> unsynced;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 1);
    must(file->allocate(3 * kBlockBytes));
    storage.crash();
    unsynced.insert(storage.content("a").size() / kBlockBytes);
  }
  EXPECT_EQ(unsynced, (std::set<uint64_t>{1, 3}));
}

TEST(FaultyStorage, NamesComeWithASyncOfTheDirectory) {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    make_file(storage, "kept", 1);
    make_file(storage, "gone", 1);
    (void)must(storage.create("x"));
    must(storage.rename("x", "y"));
    must(storage.remove("gone"));
    storage.crash();
    const std::vector<std::string> names = must(storage.list());
    ASSERT_TRUE(std::ranges::count(names, "kept")) << "seed " << seed;
    ASSERT_FALSE(std::ranges::count(names, "x") && std::ranges::count(names, "y"))
        << "seed " << seed << ": a rename in half";
    seen.insert(names);
  }
  const std::set<std::vector<std::string>> expected{{"gone", "kept"},      {"kept"},
                                                    {"gone", "kept", "x"}, {"kept", "x"},
                                                    {"gone", "kept", "y"}, {"kept", "y"}};
  EXPECT_EQ(seen, expected);
}

TEST(FaultyStorage, ARenamedFileKeepsOnlyWhatWasSyncedInIt) {
  std::set<int> seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "x", 1);
    must(file->write(0, Block(1).bytes));
    must(storage.rename("x", "y"));
    must(storage.sync_directory());
    storage.crash();
    ASSERT_EQ(must(storage.list()), std::vector<std::string>{"y"});
    seen.insert(fills(storage, "y")[0]);
  }
  EXPECT_EQ(seen, (std::set<int>{-1, 0, 1}));
}

TEST(FaultyStorage, AfterAFailedSyncTheNextSucceedsThoughTheDataIsGone) {
  std::set<std::pair<int, int>> seen;  // as read after the second sync, after the loss of power
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 1);
    must(file->write(0, Block(1).bytes));
    storage.fail({.operations = only(Operation::sync), .nth = 1, .error_number = EIO});
    ASSERT_EQ(code_of(file->sync()), Code::io_error);
    ASSERT_TRUE(storage.fault_has_struck());
    must(file->sync());
    const int before = fills(storage, "a")[0];
    storage.crash();
    seen.insert({before, fills(storage, "a")[0]});
  }
  EXPECT_EQ(seen, (std::set<std::pair<int, int>>{{0, 0}, {1, 0}, {1, 1}}));
}

TEST(FaultyStorage, TheNthOperationFailsOnceOrFromThenOn) {
  FaultyStorage storage(1);
  auto file = make_file(storage, "a", 1);
  const Block block(1);
  const auto write = [&] { return code_of(file->write(0, block.bytes)); };
  storage.fail({.operations = only(Operation::write), .nth = 2, .error_number = ENOSPC});
  EXPECT_EQ(write(), kDone);
  EXPECT_EQ(code_of(file->sync()), kDone);
  EXPECT_EQ(write(), Code::no_space);
  EXPECT_EQ(write(), kDone);
  storage.fail({.nth = 2, .error_number = EIO, .is_lasting = true});
  EXPECT_EQ(write(), kDone);
  EXPECT_EQ(code_of(storage.list()), Code::io_error);
  EXPECT_EQ(write(), Code::io_error);
  EXPECT_EQ(code_of(storage.sync_directory()), Code::io_error);
  storage.fail({});
  EXPECT_EQ(write(), kDone);
  EXPECT_EQ(storage.count(only(Operation::write)), 6u);
}

TEST(FaultyStorage, AnswersAsARealDirectoryDoes) {
  FaultyStorage storage(1);
  auto file = make_file(storage, "a", 1);
  EXPECT_EQ(code_of(storage.create("a")), Code::book_exists);
  EXPECT_EQ(code_of(storage.open("b", Storage::Access::read)), Code::book_missing);
  EXPECT_EQ(code_of(storage.rename("b", "c")), Code::book_missing);
  EXPECT_EQ(code_of(storage.remove("b")), Code::book_missing);
  std::byte more[kBlockBytes + 1];
  EXPECT_EQ(code_of(file->read(0, more)), Code::truncated);
  const Block block(1);
  EXPECT_EQ(code_of(file->write(1, block.bytes)), Code::io_error) << "direct I/O wants blocks";
  auto reader = must(storage.open("a", Storage::Access::read));
  EXPECT_EQ(code_of(reader->write(0, block.bytes)), Code::io_error);
  EXPECT_EQ(reader->bytes(), kBlockBytes);
}

TEST(FaultyStorage, WithoutPowerNothingHasAnEffect) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 1);
    storage.lose_power_at(2);
    EXPECT_EQ(code_of(file->write(0, Block(1).bytes)), kDone);
    EXPECT_EQ(code_of(file->sync()), Code::io_error);
    EXPECT_FALSE(storage.has_power());
    EXPECT_EQ(code_of(file->write(0, Block(2).bytes)), Code::io_error);
    EXPECT_EQ(code_of(file->sync()), Code::io_error);
    EXPECT_EQ(code_of(storage.create("b")), Code::io_error);
    storage.crash();
    EXPECT_EQ(must(storage.list()), std::vector<std::string>{"a"});
    for (const int fill : fills(storage, "a")) ASSERT_NE(fill, 2) << "seed " << seed;
    EXPECT_EQ(code_of(file->sync()), Code::io_error) << "opened before";
  }
}

// --- the queue ----------------------------------------------------------------------------------

std::vector<Completion> drain(journal::IoQueue& queue) {
  std::vector<Completion> all;
  Completion some[4];
  while (const size_t count = queue.wait(some)) all.insert(all.end(), some, some + count);
  return all;
}

TEST(FaultyQueue, CompletesInAnyOrderAndThenNothing) {
  const Block block(1);
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 3);
    auto queue = must(storage.open_queue(8));
    for (uint64_t i = 0; i < 3; ++i) must(queue->write(*file, i * kBlockBytes, block.bytes, i));
    std::vector<uint64_t> order;
    for (const Completion& done : drain(*queue)) {
      EXPECT_EQ(done.error_number, 0);
      order.push_back(done.token);
    }
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 6u);
}

TEST(FaultyQueue, ASyncCoversWhatWasCompletedBeforeItWasSubmitted) {
  const Block first(1), second(2);
  bool second_is_lost = false;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 2);
    auto queue = must(storage.open_queue(8));
    must(queue->write(*file, 0, first.bytes, 1));
    drain(*queue);
    must(queue->write(*file, kBlockBytes, second.bytes, 2));
    must(queue->sync(*file, 3));
    ASSERT_EQ(drain(*queue).size(), 2u);
    storage.crash();
    const std::vector<int> sectors = fills(storage, "a");
    for (size_t i = 0; i < 8; ++i) ASSERT_EQ(sectors[i], 1) << "seed " << seed;
    second_is_lost |= sectors[8] != 2;
  }
  EXPECT_TRUE(second_is_lost);
}

TEST(FaultyQueue, AWriteWithItsSyncIsDurableWhenBothAreCompleted) {
  const Block block(1);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 1);
    auto queue = must(storage.open_queue(8));
    must(queue->write_and_sync(*file, 0, block.bytes, 1, 2));
    const std::vector<Completion> done = drain(*queue);
    ASSERT_EQ(done.size(), 2u);
    EXPECT_EQ(done[0].token, 1u) << "the write is the first";
    storage.crash();
    for (const int fill : fills(storage, "a")) ASSERT_EQ(fill, 1) << "seed " << seed;
  }
}

TEST(FaultyQueue, AFailedWriteCancelsTheSyncBehindIt) {
  const Block block(1);
  FaultyStorage storage(1);
  auto file = make_file(storage, "a", 1);
  auto queue = must(storage.open_queue(8));
  storage.fail({.operations = only(Operation::write), .nth = 1, .error_number = ENOSPC});
  must(queue->write_and_sync(*file, 0, block.bytes, 1, 2));
  const std::vector<Completion> done = drain(*queue);
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].error_number, ENOSPC);
  EXPECT_EQ(done[1].error_number, ECANCELED);
}

TEST(FaultyQueue, WhatIsUnderWayWhenThePowerGoesIsDoneByChance) {
  const Block block(1);
  std::set<int> seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 1);
    auto queue = must(storage.open_queue(8));
    must(queue->write(*file, 0, block.bytes, 1));
    storage.lose_power_at(1);
    EXPECT_EQ(code_of(queue->sync(*file, 2)), Code::io_error);
    const std::vector<Completion> done = drain(*queue);
    ASSERT_EQ(done.size(), 1u) << "what was refused does not complete";
    EXPECT_EQ(done[0].error_number, EIO);
    storage.crash();
    seen.insert(fills(storage, "a")[0]);
  }
  EXPECT_EQ(seen, (std::set<int>{-1, 0, 1}));
}

TEST(FaultyQueue, SameSeedSameFate) {
  const auto run = [](uint64_t seed) {
    const Block block(1);
    FaultyStorage storage(seed);
    auto file = make_file(storage, "a", 4);
    auto queue = must(storage.open_queue(8));
    for (uint64_t i = 0; i < 4; ++i) must(queue->write(*file, i * kBlockBytes, block.bytes, i));
    Completion two[2];
    (void)queue->wait(two);
    storage.crash();
    return storage.content("a");
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace casbook::test
