// Checkpoints: exactly the book at their position, while payments go on; and an error for anything
// else that may lie in their file.
#include <cstring>
#include <iostream>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "journal/checkpoint_format.h"
#include "journal/directory_storage.h"
#include "journal/replay.h"
#include "log/log_reader.h"
#include "support/child_process.h"
#include "support/faulty_storage.h"
#include "support/random.h"
#include "support/twin.h"

namespace casbook::journal {
namespace {

using namespace test_support;
using base::FaultPoint;
using base::Mutant;
using test::FaultyStorage;
using testing::ElementsAre;
using testing::HasSubstr;

CreateOptions options() {
  CreateOptions options = small_options();
  options.payments = 40'000;
  options.records = 1 << 16;
  return options;
}

// A book with accounts open and closed, leases held and released, refusals, payments.
class BusyBook {
 public:
  explicit BusyBook(const CreateOptions& asked = options()) : book(asked) {
    for (int i = 0; i < 8; ++i) accounts.push_back(book.open_with("a" + std::to_string(i), 1000));
    must(book.session.close_account(book.open("closed")));
    must(book.session.set_limits(accounts[0], {.min_available = -500, .max_available = 1 << 20}));
    must(book.session.try_acquire("held", {.ttl = std::chrono::hours(1)}));
    must(book.session.release(must(book.session.try_acquire("released")).lease));
    EXPECT_EQ(
        code_of(book.session.pay(
            Payment(book.fresh_id()).debit(accounts[1], 1'000'000).credit(accounts[2], 1'000'000))),
        Code::insufficient_available);
    must(book.book.set_quarantine(true));
    must(book.book.set_quarantine(false));
    pay(50);
  }
  void pay(int count) {
    for (int i = 0; i < count; ++i) pay_once(book.session, book.fresh_id(), i);
  }
  void pay_once(Session& session, const PaymentId& id, int i) const {
    const auto n = static_cast<size_t>(i);
    must(session.pay(Payment(id).debit(book.world, 1).credit(accounts[n % accounts.size()], 1)));
  }

  SmallBook book;
  std::vector<Account> accounts;
  OpenArena arena{book};
  const commit::Store& store = arena.store();
};

// Loads it into `twin` and brings the book on to where it is now. Empty: those are the cells.
std::string difference_after_loading(const Storage& storage, const std::string& name,
                                     const commit::Store& living, Twin& twin) {
  twin.clear();
  const auto loaded = load_checkpoint(storage, name, twin.store());
  if (!loaded) return loaded.error().message();
  apply_all(twin.store(), records_of(living, loaded->position.lsn() + 1, log::log_end(living)));
  return first_difference(living, twin.store());
}

class JournalCheckpoint : public testing::Test {
 protected:
  Result<CheckpointInfo> write(Storage& storage) {
    return write_checkpoint(live_.store, storage, checkpoint_request(live_.store));
  }
  std::string only_name() {
    const auto names = must(list_checkpoints(disk_));
    EXPECT_EQ(names.size(), 1u);
    return names.front();
  }

  BusyBook live_;
  Twin twin_{live_.arena.mapping()};
  FaultyStorage disk_{1};
};

TEST_F(JournalCheckpoint, IsTheBookAtItsPosition) {
  const CheckpointInfo info = must(write(disk_));
  EXPECT_EQ(info.position, live_.book.book.position());
  EXPECT_EQ(info.name, checkpoint_name(info.position));
  EXPECT_EQ(info.bytes, disk_.content(info.name).size());
  for (const auto& read :
       {verify_checkpoint(disk_, info.name), load_checkpoint(disk_, info.name, twin_.store())}) {
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->position, info.position);
    EXPECT_EQ(read->cells, info.cells);
    EXPECT_EQ(read->records, info.records);
    EXPECT_EQ(read->bytes, info.bytes);
  }
  EXPECT_EQ(first_difference(live_.store, twin_.store()), "");
  const CheckpointHeader header = must(read_checkpoint_header(disk_, info.name));
  EXPECT_EQ(header.index, info.position.lsn()) << "as index_of() said";
  EXPECT_EQ(header.book_time_ms, live_.store.control().book_time.load_relaxed());
  for (uint32_t i = 0; i < kTermStarts; ++i)
    EXPECT_EQ(header.term_starts[i], live_.store.control().term_starts[i].load_relaxed());
  EXPECT_EQ(header.shape.header.incarnation, live_.arena.mapping().header().incarnation);
}

TEST_F(JournalCheckpoint, OfABookInWhichNothingWasCommitted) {
  ScratchDirectory directory;
  CreateOptions asked = small_options();
  asked.directory = directory.path();
  const Book book = must(Book::create("book", asked));
  const auto mapping = must(arena::attach(directory.path(), "book", arena::Access::read_only));
  const commit::Store store(*mapping);
  const CheckpointInfo info = must(write_checkpoint(store, disk_, checkpoint_request(store)));
  EXPECT_EQ(info.position, Position{});
  EXPECT_EQ(info.cells + info.records, 0u);
  Twin twin(*mapping);
  EXPECT_EQ(difference_after_loading(disk_, only_name(), store, twin), "");
}

// Every checkpoint that is written while another thread pays as fast as it can.
TEST_F(JournalCheckpoint, IsExactWhilePaymentsGoOn) {
  Session session = must(live_.book.book.open_session());
  base::AtomicU64 is_over{};
  std::thread payer([&] {
    for (int i = 0; i < 20'000; ++i) live_.pay_once(session, payment_id(5'000'000 + i), i);
    is_over.store_release(1);
  });
  std::vector<std::pair<std::string, uint64_t>> taken;
  std::vector<std::unique_ptr<FaultyStorage>> disks;
  while (!is_over.load_acquire() || taken.empty()) {
    disks.push_back(std::make_unique<FaultyStorage>(1));
    const CheckpointInfo info = must(write(*disks.back()));
    taken.emplace_back(info.name, info.records);
    sleep_us(2000);
  }
  payer.join();
  uint64_t redone = 0;
  for (size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(difference_after_loading(*disks[i], taken[i].first, live_.store, twin_), "");
    redone += taken[i].second;
  }
  EXPECT_GT(redone, 0u) << "somebody paid during a scan";
}

// Payments in the middle of the scan, at a place that was copied and one that was not.
bool holds_what_was_committed_during_the_scan(Mutant mutant) {
  BusyBook live;
  Twin twin(live.arena.mapping());
  FaultyStorage disk(1);
  CheckpointRequest request = checkpoint_request(live.store);
  request.must_stop = [&] {
    live.pay(3);
    return false;
  };
  base::probes.mutant = mutant;
  const auto written = write_checkpoint(live.store, disk, request);
  base::probes.mutant = Mutant::none;
  return written && difference_after_loading(disk, written->name, live.store, twin).empty();
}

TEST(CheckpointRedo, HoldsWhatWasCommittedDuringTheScan) {
  EXPECT_TRUE(holds_what_was_committed_during_the_scan(Mutant::none));
  EXPECT_FALSE(holds_what_was_committed_during_the_scan(Mutant::checkpoint_skips_redo));
}

// A term that begins during the scan is one of the checkpoint's.
TEST_F(JournalCheckpoint, KnowsTheTermsThatBeganDuringTheScan) {
  CheckpointRequest request = checkpoint_request(live_.store);
  int looks = 0;
  request.must_stop = [&] {
    if (++looks == 3) {
      must(live_.book.book.set_quarantine(true));
      must(live_.book.book.set_quarantine(false));
    }
    return false;
  };
  const CheckpointInfo info = must(write_checkpoint(live_.store, disk_, request));
  EXPECT_EQ(info.position.term(), 3u);
  const CheckpointHeader header = must(read_checkpoint_header(disk_, info.name));
  EXPECT_EQ(header.term_starts[3], live_.store.control().term_starts[3].load_relaxed());
  EXPECT_NE(header.term_starts[3], 0u);
}

TEST_F(JournalCheckpoint, WaitsUntilWhatItCopiedIsSynced) {
  CheckpointRequest request = checkpoint_request(live_.store);
  uint64_t asked_up_to = 0;
  const RecordSource source = request.records;
  request.records = [&](uint64_t from, uint64_t to, const auto& sink) {
    asked_up_to = to;
    return source(from, to, sink);
  };
  const CheckpointInfo info = must(write_checkpoint(live_.store, disk_, request));
  EXPECT_EQ(asked_up_to, info.position.lsn() + 1);
}

TEST_F(JournalCheckpoint, KeepsTheLastTwo) {
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) {
    live_.pay(5);
    names.insert(names.begin(), must(write(disk_)).name);
    const size_t kept = std::min<size_t>(names.size(), 2);
    EXPECT_EQ(must(list_checkpoints(disk_)),
              std::vector<std::string>(names.begin(), names.begin() + static_cast<long>(kept)));
  }
  EXPECT_EQ(must(disk_.list()).size(), 2u) << "and nothing else is left";
  EXPECT_EQ(must(write(disk_)).name, names.front()) << "nothing new: the same again";
  EXPECT_THAT(must(list_checkpoints(disk_)), ElementsAre(names[0], names[1]));
}

TEST_F(JournalCheckpoint, StoppedLeavesNothing) {
  for (const int after : {0, 1, 5}) {
    CheckpointRequest request = checkpoint_request(live_.store);
    int looks = 0;
    request.must_stop = [&] { return looks++ == after; };
    EXPECT_EQ(code_of(write_checkpoint(live_.store, disk_, request)), Code::wait_cancelled);
    EXPECT_THAT(must(disk_.list()), ElementsAre());
  }
}

// Several chunks of cells, and of records; cells that were never written lie between the others.
TEST_F(JournalCheckpoint, HasAsManyChunksAsItTakes) {
  live_.pay(20'000);
  CheckpointRequest request = checkpoint_request(live_.store);
  int looks = 0;
  request.must_stop = [&] {
    if (++looks == 2) live_.pay(4'000);
    return false;
  };
  const CheckpointInfo info = must(write_checkpoint(live_.store, disk_, request));
  EXPECT_GT(info.bytes, 2 * kChunkBytesMax);
  EXPECT_GT(info.records, 3'900u);
  EXPECT_EQ(must(verify_checkpoint(disk_, info.name)).cells, info.cells);
  EXPECT_EQ(difference_after_loading(disk_, info.name, live_.store, twin_), "");
}

TEST_F(JournalCheckpoint, NamesTellPositions) {
  EXPECT_EQ(checkpoint_name(Position{281474976710700}), "checkpoint-00000281474976710700");
  EXPECT_EQ(checkpoint_position("checkpoint-00000281474976710700"), Position{281474976710700});
  for (const char* name : {"checkpoint-", "checkpoint-1", "checkpoint.new", "segment-1",
                           "checkpoint-0000028147497671070x", "checkpoint-99999999999999999999"})
    EXPECT_FALSE(checkpoint_position(name)) << name;
}

class DamagedCheckpoint : public JournalCheckpoint {
 protected:
  DamagedCheckpoint() {
    CheckpointRequest request = checkpoint_request(live_.store);
    request.must_stop = [&] {
      live_.pay(2);
      return false;
    };
    name_ = must(write_checkpoint(live_.store, disk_, request)).name;
    sound_ = disk_.content(name_);
  }
  // Neither verifying nor loading takes it.
  Error refusal(const std::vector<std::byte>& content) {
    disk_.put(name_, content);
    const auto verified = verify_checkpoint(disk_, name_);
    if (verified) return Error{.code = Code{}, .detail = "verified"};
    const auto loaded = load_checkpoint(disk_, name_, twin_.store());
    if (loaded) return Error{.code = Code{}, .detail = "loaded"};
    EXPECT_EQ(loaded.error().code, verified.error().code);
    EXPECT_THAT(loaded.error().detail, HasSubstr(name_));
    return verified.error();
  }

  std::string name_;
  std::vector<std::byte> sound_;
};

TEST_F(DamagedCheckpoint, IsRefusedWhereverABitIsWrong) {
  const uint64_t seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  test::Random random(seed);
  std::vector<size_t> places;
  for (size_t i = 0; i < sizeof(CheckpointHeader); i += 4) places.push_back(i);
  for (size_t i = 0; i < 2 * sizeof(ChunkHeader); ++i) places.push_back(kBlockBytes + i);
  for (size_t i = 0; i < 500; ++i) places.push_back(random.below(sound_.size()));
  for (const size_t place : places) {
    std::vector<std::byte> spoiled = sound_;
    spoiled[place] ^= std::byte{static_cast<uint8_t>(1u << random.below(8))};
    const Error error = refusal(spoiled);
    ASSERT_NE(error.code, Code{}) << "byte " << place << " " << error.detail;
    if (place >= kBlockBytes) {
      EXPECT_THAT(error.detail, HasSubstr("offset ")) << "byte " << place;
    }
  }
  disk_.put(name_, sound_);
  EXPECT_EQ(difference_after_loading(disk_, name_, live_.store, twin_), "");
}

TEST_F(DamagedCheckpoint, IsRefusedWhereItWasCutOff) {
  for (size_t bytes = 0; bytes < sound_.size(); bytes += 1000) {
    const Error error = refusal({sound_.begin(), sound_.begin() + static_cast<long>(bytes)});
    ASSERT_TRUE(error.code == Code::truncated || error.code == Code::damaged)
        << bytes << " bytes: " << error.detail;
  }
  std::vector<std::byte> longer = sound_;
  longer.resize(longer.size() + kBlockBytes);
  EXPECT_THAT(refusal(longer).detail, HasSubstr("goes on behind its end"));
}

TEST_F(DamagedCheckpoint, SaysWhatItIs) {
  std::vector<std::byte> content = sound_;
  content[0] ^= std::byte{1};
  EXPECT_EQ(refusal(content).code, Code::foreign_file);
  CheckpointHeader header;
  std::memcpy(&header, sound_.data(), sizeof header);
  const auto with = [&](auto change) {
    CheckpointHeader changed = header;
    change(changed);
    seal(changed);
    std::vector<std::byte> bytes = sound_;
    std::memcpy(bytes.data(), &changed, sizeof changed);
    return bytes;
  };
  EXPECT_EQ(refusal(with([](auto& h) { h.format = 2; })).code, Code::format_newer);
  EXPECT_EQ(refusal(with([](auto& h) { h.format = 0; })).code, Code::format_older);
  EXPECT_EQ(refusal(with([](auto& h) { --h.position; })).code, Code::damaged) << "not as its name";
  EXPECT_EQ(refusal(with([](auto& h) { ++h.start_lsn; })).code, Code::damaged);
  EXPECT_EQ(refusal(with([](auto& h) { ++h.journal_id; })).code, Code::damaged);
  EXPECT_EQ(code_of(verify_checkpoint(disk_, checkpoint_name({77}))), Code::book_missing);
}

// Pieces of two checkpoints of the same journal, each sound and in its place.
TEST_F(DamagedCheckpoint, IsRefusedWhereItsPiecesWereNotWrittenTogether) {
  std::vector<std::byte> contents[2];
  for (auto& content : contents) {
    // The same cells again, so that the chunks are equally long.
    for (int i = 0; i < 2; ++i) must(live_.book.session.set_limits(live_.accounts[0], {}));
    FaultyStorage disk(1);
    name_ = must(write(disk)).name;
    content = disk.content(name_);
  }
  ASSERT_EQ(contents[0].size(), contents[1].size());
  std::vector<std::byte> old_header = contents[1], old_chunk = contents[1];
  std::copy_n(contents[0].begin(), kBlockBytes, old_header.begin());
  EXPECT_THAT(refusal(old_header).detail, HasSubstr("its header says that it is of position"));
  ChunkHeader cells;
  std::memcpy(&cells, contents[0].data() + kBlockBytes, sizeof cells);
  std::copy_n(contents[0].begin() + kBlockBytes, cells.bytes, old_chunk.begin() + kBlockBytes);
  EXPECT_THAT(refusal(old_chunk).detail, HasSubstr("not written together"));
}

TEST_F(DamagedCheckpoint, IsNotLoadedIntoABookOfAnotherShape) {
  CreateOptions asked = options();
  asked.accounts += 64;
  const BusyBook other(asked);
  const Twin twin(other.arena.mapping());
  const auto loaded = load_checkpoint(disk_, name_, twin.store());
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().detail, HasSubstr("other tables"));
}

TEST_F(JournalCheckpoint, IsNotWrittenOfADamagedBook) {
  const auto& table = live_.arena.mapping().cells(arena::CellTable::accounts);
  commit::Cell& cell = live_.store.cell(table.first_unit);
  const uint64_t state = cell.state.load_relaxed();
  cell.state.store_relaxed(state - 1);
  const auto written = write(disk_);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::damaged);
  EXPECT_THAT(written.error().detail, HasSubstr("cell " + std::to_string(table.first_unit)));
  EXPECT_THAT(must(disk_.list()), ElementsAre());
  cell.state.store_relaxed(state);
}

// Whatever fails: the one before is there and whole, and the next try succeeds.
TEST_F(JournalCheckpoint, FailsWhereTheDiskDoesAndLeavesTheOneBefore) {
  const std::string before = must(write(disk_)).name;
  for (uint64_t nth = 1;; ++nth) {
    live_.pay(1);
    disk_.fail({.nth = nth, .error_number = ENOSPC});
    const auto written = write(disk_);
    const bool has_struck = disk_.fault_has_struck();
    disk_.fail({});
    if (!has_struck) {
      EXPECT_GT(nth, 8u);
      break;
    }
    if (!written) {
      EXPECT_EQ(written.error().code, Code::no_space) << "operation " << nth;
    }
    const auto names = must(list_checkpoints(disk_));
    EXPECT_EQ(difference_after_loading(disk_, names.front(), live_.store, twin_), "") << nth;
    must(write(disk_));
    EXPECT_EQ(must(disk_.list()).size(), 2u) << "operation " << nth;
  }
}

// After a loss of power at any operation, every checkpoint that has its name is whole.
bool survives_loss_of_power(Mutant mutant) {
  BusyBook live;
  Twin twin(live.arena.mapping());
  const auto request = checkpoint_request(live.store);
  bool survived = true;
  for (uint64_t seed = 1; seed <= 3; ++seed)
    for (uint64_t nth = 1;; ++nth) {
      FaultyStorage disk(seed * 1000 + nth);
      must(write_checkpoint(live.store, disk, request));
      live.pay(1);
      base::probes.mutant = mutant;
      disk.lose_power_at(nth);
      const auto written = write_checkpoint(live.store, disk, request);
      base::probes.mutant = Mutant::none;
      const bool is_over = disk.has_power();
      disk.crash();
      const auto names = must(list_checkpoints(disk));
      survived &= !names.empty();
      if (written) survived &= !names.empty() && names.front() == written->name;
      for (const std::string& name : names)
        survived &= difference_after_loading(disk, name, live.store, twin).empty();
      if (is_over) break;
    }
  return survived;
}

TEST(CheckpointAndPower, EveryNamedOneIsWhole) {
  EXPECT_TRUE(survives_loss_of_power(Mutant::none));
  EXPECT_FALSE(survives_loss_of_power(Mutant::checkpoint_not_synced));
}

class CheckpointWriterKilled : public testing::TestWithParam<FaultPoint> {};

TEST_P(CheckpointWriterKilled, LeavesTheOlderOnesAndTheNextCleansUp) {
  BusyBook live;
  Twin twin(live.arena.mapping());
  const ScratchDirectory scratch;
  const auto storage = must(DirectoryStorage::open(scratch.path()));
  std::vector<std::string> before;
  for (int i = 0; i < 2; ++i) {
    live.pay(2);
    before.push_back(
        must(write_checkpoint(live.store, *storage, checkpoint_request(live.store))).name);
  }
  live.pay(2);
  Child writer([&] {
    static const FaultPoint point = GetParam();
    const OpenArena own(live.book);
    base::probes.fault = [](FaultPoint reached) {
      if (reached == point) kill(getpid(), SIGKILL);
    };
    (void)!write_checkpoint(own.store(), *storage, checkpoint_request(own.store()));
  });
  ASSERT_TRUE(writer.was_killed_by(SIGKILL));
  const auto names = must(list_checkpoints(*storage));
  EXPECT_GE(names.size(), 2u);
  for (const std::string& name : before) EXPECT_THAT(names, testing::Contains(name));
  for (const std::string& name : names)
    EXPECT_EQ(difference_after_loading(*storage, name, live.store, twin), "") << name;
  must(write_checkpoint(live.store, *storage, checkpoint_request(live.store)));
  EXPECT_EQ(scratch.entries().size(), 2u);
  EXPECT_EQ(difference_after_loading(*storage, must(list_checkpoints(*storage)).front(), live.store,
                                     twin),
            "");
}

INSTANTIATE_TEST_SUITE_P(EachPoint, CheckpointWriterKilled,
                         testing::Values(FaultPoint::checkpoint_cells_written,
                                         FaultPoint::checkpoint_before_rename,
                                         FaultPoint::checkpoint_after_rename,
                                         FaultPoint::checkpoint_before_clean_up));

}  // namespace
}  // namespace casbook::journal
