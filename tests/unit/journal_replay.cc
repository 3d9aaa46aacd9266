// Cells brought forward by records: exactly, in any order, and only by what is sound.
#include <algorithm>
#include <iostream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "journal/replay.h"
#include "log/log_reader.h"
#include "support/faulty_storage.h"
#include "support/random.h"
#include "support/twin.h"

namespace casbook::journal {
namespace {

using namespace test_support;
using test::FaultyStorage;
using testing::HasSubstr;

CreateOptions options() {
  CreateOptions options = small_options();
  options.payments = 2000;
  options.records = 4096;
  return options;
}

// A book with a little of everything that leaves a record, in three terms.
class BusyBook {
 public:
  BusyBook() {
    for (int i = 0; i < 6; ++i)
      accounts_.push_back(book.open_with("account " + std::to_string(i), 1000));
    pay(100);
    reopen();
    must(book.session.close_account(book.open("closed")));
    must(book.session.set_limits(accounts_[0], {.min_available = -500}));
    const Grant grant = must(book.session.try_acquire("lease"));
    must(book.session.renew(grant.lease, std::chrono::seconds(9)));
    must(book.session.release(must(book.session.try_acquire("other lease")).lease));
    EXPECT_EQ(code_of(book.session.pay(Payment(book.fresh_id())
                                           .debit(accounts_[1], 1'000'000)
                                           .credit(accounts_[2], 1'000'000))),
              Code::insufficient_available);
    reopen();
    pay(100);
  }
  void pay(int count) {
    for (int i = 0; i < count; ++i)
      must(book.session.pay(Payment(book.fresh_id())
                                .debit(book.world, 1)
                                .credit(accounts_[static_cast<size_t>(i) % 6], 1)));
  }
  void reopen() {
    must(book.book.set_quarantine(true));
    must(book.book.set_quarantine(false));
  }

  SmallBook book{options()};
  OpenArena arena{book};
  const commit::Store& store = arena.store();

 private:
  std::vector<Account> accounts_;
};

class JournalReplay : public testing::Test {
 protected:
  uint64_t end() const { return log::log_end(live_.store); }
  EncodedRecords all() const { return records_of(live_.store, 1, end()); }
  Result<Replayed> replay_all(uint64_t from = 1) {
    return replay(twin_.store(), disk_, kTestJournalId, from);
  }

  BusyBook live_;
  Twin twin_{live_.arena.mapping()};
  FaultyStorage disk_{1};
};

TEST_F(JournalReplay, MakesTheCellsOfTheBook) {
  write_segments(disk_, live_.arena.mapping(), all());
  const auto replayed = replay_all();
  ASSERT_TRUE(replayed) << replayed.error().message();
  EXPECT_EQ(first_difference(live_.store, twin_.store()), "");
  EXPECT_EQ(replayed->records, end() - 1);
  EXPECT_EQ(replayed->end.next_lsn, end());
  EXPECT_EQ(replayed->end.position(), live_.book.book.position());
  EXPECT_EQ(replayed->entries, replayed->end.index);
  EXPECT_FALSE(replayed->was_torn);
  EXPECT_EQ(replayed->newest_ms, live_.store.control().book_time.load_relaxed());
  ASSERT_EQ(replayed->terms.size(), 2u);
  for (uint64_t i = 0; i < 2; ++i)
    EXPECT_EQ(replayed->terms[i].value, live_.store.control().term_starts[i + 2].load_relaxed());
}

TEST_F(JournalReplay, CutsEntriesAnywhere) {
  for (const JournalCut cut : {JournalCut{1, 1000}, JournalCut{1000, 1}, JournalCut{3, 3}}) {
    FaultyStorage disk(1);
    write_segments(disk, live_.arena.mapping(), all(), cut);
    twin_.clear();
    ASSERT_TRUE(replay(twin_.store(), disk, kTestJournalId, 1));
    EXPECT_EQ(first_difference(live_.store, twin_.store()), "");
  }
}

TEST_F(JournalReplay, BeginsInTheMiddleOfAnEntry) {
  const EncodedRecords records = all();
  write_segments(disk_, live_.arena.mapping(), records);
  for (const uint64_t from : {uint64_t{2}, uint64_t{40}, end() - 1, end()}) {
    twin_.clear();
    apply_all(twin_.store(), records_of(live_.store, 1, from));
    const auto replayed = replay_all(from);
    ASSERT_TRUE(replayed) << replayed.error().message();
    EXPECT_EQ(replayed->records, end() - from);
    EXPECT_EQ(first_difference(live_.store, twin_.store()), "");
  }
}

// Behind it somebody may be writing.
TEST_F(JournalReplay, LooksAtNothingBehindTheEntryThatItIsToEndWith) {
  write_segments(disk_, live_.arena.mapping(), all());
  const std::string first = segment_name(1);
  std::vector<std::byte> content = disk_.content(first);
  const uint64_t second_entry = 2 * kBlockBytes;
  content[second_entry + 100] ^= std::byte{1};
  disk_.put(first, content);
  for (const uint64_t to : {1, 6, 7}) {
    twin_.clear();
    const auto replayed = replay(twin_.store(), disk_, kTestJournalId, 1, to);
    ASSERT_TRUE(replayed) << to << ": " << replayed.error().message();
    EXPECT_EQ(replayed->records, 7u);
  }
  EXPECT_EQ(code_of(replay(twin_.store(), disk_, kTestJournalId, 1, 8)), Code::damaged);
}

// What was before it does not come: of that the checkpoint knows more.
TEST_F(JournalReplay, LeavesOutWhatIsBeforeItsBegin) {
  write_segments(disk_, live_.arena.mapping(), all(), {.per_entry = 10, .per_segment = 1000});
  const uint64_t from = 16;
  ASSERT_TRUE(replay_all(from));
  Twin expected(live_.arena.mapping());
  apply_all(expected.store(), records_of(live_.store, from, end()));
  EXPECT_EQ(first_difference(expected.store(), twin_.store()), "");
}

bool any_order_makes_the_same_cells(base::Mutant mutant) {
  const BusyBook live;
  const Twin twin(live.arena.mapping());
  EncodedRecords records = records_of(live.store, 1, log::log_end(live.store));
  const size_t count = records.size();
  for (size_t i = 0; i < count; ++i) records.push_back(records[i]);
  const uint64_t seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  std::shuffle(records.begin(), records.end(), random);
  base::probes.mutant = mutant;
  apply_all(twin.store(), records);
  base::probes.mutant = base::Mutant::none;
  return first_difference(live.store, twin.store()).empty();
}

TEST(RecordsInAnyOrderAndTwice, MakeTheSameCells) {
  EXPECT_TRUE(any_order_makes_the_same_cells(base::Mutant::none));
  EXPECT_FALSE(any_order_makes_the_same_cells(base::Mutant::replay_ignores_versions));
}

// Sealed anew: what only their author could have got wrong.
class JournalReplayOf : public JournalReplay {
 protected:
  void expect_damage(const EncodedRecords& records, const char* what, uint64_t from = 1) {
    FaultyStorage disk(1);
    write_segments(disk, live_.arena.mapping(), records);
    const auto replayed = replay(twin_.store(), disk, kTestJournalId, from);
    ASSERT_FALSE(replayed);
    EXPECT_EQ(replayed.error().code, Code::damaged);
    EXPECT_THAT(replayed.error().detail, HasSubstr(what));
    EXPECT_THAT(replayed.error().detail, HasSubstr("segment-0000"));
    EXPECT_THAT(replayed.error().detail, HasSubstr("offset "));
  }
};

TEST_F(JournalReplayOf, AGap) {
  EncodedRecords records = all();
  records.erase(records.begin() + 20);
  expect_damage(records, "a record of another position, at lsn 21");
}

TEST_F(JournalReplayOf, ASpoiledRecord) {
  EncodedRecords records = all();
  records[30][9] ^= 1;
  expect_damage(records, "its checksum does not fit, at lsn 31");
  records = all();
  records[30].pop_back();
  expect_damage(records, "its checksum does not fit, at lsn 31");
}

TEST_F(JournalReplayOf, ACellThatIsNotThere) {
  EncodedRecords records = all();
  log::Record record;
  for (const uint64_t unit : {live_.store.units(), uint64_t{1}, uint64_t{1} << 55}) {
    ASSERT_TRUE(log::decode(records[40].data(), static_cast<uint32_t>(records[40].size()), record));
    record.change_count = 1;
    record.changes[0] = {unit << 8 | static_cast<uint64_t>(commit::Mode::set), 0, 1, 0};
    const log::RecordImage image = log::image_of(record);
    log::EncodedRecord encoded;
    log::encode(image, encoded);
    EncodedRecords spoiled = records;
    spoiled[40].assign(encoded.words, encoded.words + encoded.count);
    expect_damage(spoiled, "names a cell which is not there, at lsn 41");
    EXPECT_EQ(code_of(apply_record(twin_.store(), spoiled[40])), Code::damaged);
  }
}

TEST_F(JournalReplayOf, LessThanWasAskedFor) {
  EncodedRecords records = all();
  records.resize(50);
  expect_damage(records, "the journal ends before lsn 60", 60);
}

TEST_F(JournalReplay, EndsWhereTheTailIsTorn) {
  write_segments(disk_, live_.arena.mapping(), all(), {.per_entry = 1, .per_segment = 1000});
  const JournalEnd whole = replay_all()->end;
  auto bytes = disk_.content(segment_name(1));
  bytes[whole.offset - kBlockBytes + sizeof(EntryHeader)] ^= std::byte{1};
  disk_.put(segment_name(1), bytes);
  twin_.clear();
  const auto replayed = replay_all();
  ASSERT_TRUE(replayed) << replayed.error().message();
  EXPECT_TRUE(replayed->was_torn);
  EXPECT_EQ(replayed->end.next_lsn, end() - 1);
  Twin expected(live_.arena.mapping());
  apply_all(expected.store(), records_of(live_.store, 1, end() - 1));
  EXPECT_EQ(first_difference(expected.store(), twin_.store()), "");
}

TEST_F(JournalReplay, OfNothingIsNothing) {
  const auto replayed = replay_all();
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->records, 0u);
  EXPECT_EQ(replayed->end.next_lsn, 0u);
}

TEST_F(JournalReplay, FailsWhereTheDiskDoes) {
  write_segments(disk_, live_.arena.mapping(), all());
  const uint64_t before = disk_.count(test::kFallible);
  ASSERT_TRUE(replay_all());
  const uint64_t operations = disk_.count(test::kFallible) - before;
  for (uint64_t nth = 1; nth <= operations; ++nth) {
    twin_.clear();
    disk_.fail({.nth = nth, .error_number = EIO});
    EXPECT_EQ(code_of(replay_all()), Code::io_error) << "operation " << nth;
  }
}

}  // namespace
}  // namespace casbook::journal
