// A node's log over a disk that loses and tears: what is called persisted is there after a loss of
// power, what another leader's entries replaced never comes back.
#include <gtest/gtest.h>

#include <cstring>

#include "replicate/raft_log.h"
#include "support/faulty_storage.h"

namespace casbook::test {
namespace {

using journal::EntryType;
using replicate::EntryPtr;
using replicate::LogEntry;
using replicate::RaftLog;

constexpr uint64_t kJournal = 7;

// Opens, drives and reopens one log; what it should hold stands beside it.
class LogOnDisk {
 public:
  explicit LogOnDisk(FaultyStorage& storage) : storage_(storage) {}

  Result<void> open(uint64_t memory_bytes = 1 << 20) {
    const replicate::Configuration configuration{{{1, "10.0.0.1:1"}, {2, "10.0.0.2:1"}}};
    auto log =
        RaftLog::open(storage_, kJournal, {}, configuration,
                      {.appender = {.segment_bytes = 64 * journal::kBlockBytes, .buffers = 3},
                       .memory_bytes = memory_bytes});
    if (!log) return log.error();
    log_ = std::move(*log);
    return {};
  }
  void close() { log_.reset(); }
  RaftLog& log() { return *log_; }

  // An entry whose content says which it is; now and then one of consensus's own.
  EntryPtr make(uint64_t index, uint64_t term, uint64_t first_lsn) const {
    auto entry = std::make_shared<LogEntry>();
    entry->index = index, entry->term = term, entry->first_lsn = first_lsn;
    if (index % 7 == 0) {
      entry->type = EntryType::barrier, entry->first_lsn = 0;
      return entry;
    }
    entry->count = 1 + static_cast<uint32_t>(index % 3);
    entry->body.resize(64 + index * 97 % 3000);
    std::memset(entry->body.data(), static_cast<int>(index * 31 + term), entry->body.size());
    return entry;
  }
  void append(uint64_t from, uint64_t count, uint64_t term) {
    std::vector<EntryPtr> entries;
    const EntryPtr there = log_->entry(from);
    uint64_t lsn = there ? there->first_lsn : log_->next_lsn();
    for (uint64_t i = from; i < from + count; ++i) {
      entries.push_back(make(i, term, lsn));
      lsn += entries.back()->count;
    }
    log_->append(entries);
  }
  uint64_t lsn_behind(uint64_t index) {
    const EntryPtr entry = log_->entry(index);
    return entry ? entry->first_lsn + entry->count : 0;
  }
  // Until nothing moves.
  Result<void> drive() {
    for (int idle = 0; idle < 3;) {
      const uint64_t before = log_->persisted_index();
      if (auto done = log_->pump(); !done) return done;
      if (!log_->appender().is_settled())
        if (auto done = log_->appender().complete(); !done) return done;
      if (auto done = log_->appender().prepare_spare(); !done) return done;
      if (auto done = log_->roll(); !done) return done;
      idle = log_->is_settled() || log_->persisted_index() == before ? idle + 1 : 0;
    }
    return {};
  }

 private:
  FaultyStorage& storage_;
  std::unique_ptr<RaftLog> log_;
};

bool is_equal(const EntryPtr& one, const EntryPtr& other) {
  return one && other && one->index == other->index && one->term == other->term &&
         one->type == other->type && one->count == other->count && one->body == other->body;
}

TEST(ReplicateLog, BeginsWithTheConfiguration) {
  FaultyStorage one(1), other(2);
  LogOnDisk a(one), b(other);
  ASSERT_TRUE(a.open());
  ASSERT_TRUE(b.open());
  EXPECT_EQ(a.log().last_index(), 1u);
  EXPECT_EQ(a.log().persisted_index(), 1u);
  EXPECT_EQ(a.log().entry(1)->type, EntryType::change);
  EXPECT_TRUE(is_equal(a.log().entry(1), b.log().entry(1)));
  one.crash();
  a.close();
  ASSERT_TRUE(a.open());
  EXPECT_TRUE(is_equal(a.log().entry(1), b.log().entry(1)));
}

TEST(ReplicateLog, PersistsAndComesBack) {
  FaultyStorage storage(3);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open());
  disk.append(2, 300, 2);
  EXPECT_EQ(disk.log().persisted_index(), 1u);
  ASSERT_TRUE(disk.drive());
  EXPECT_EQ(disk.log().persisted_index(), 301u);
  disk.close();
  storage.crash();
  ASSERT_TRUE(disk.open());
  ASSERT_EQ(disk.log().last_index(), 301u);
  for (uint64_t i = 2; i <= 301; ++i) {
    const uint64_t lsn = disk.log().entry(i)->first_lsn;
    ASSERT_TRUE(is_equal(disk.log().entry(i), disk.make(i, 2, lsn))) << i;
    ASSERT_EQ(disk.log().term_at(i), 2u);
    ASSERT_EQ(disk.log().index_of(disk.lsn_behind(i) - 1),
              i % 7 == 0 ? disk.log().index_of(disk.lsn_behind(i - 1) - 1) : i);
  }
}

TEST(ReplicateLog, ReplacedEntriesAreNotPersistedAndDoNotComeBack) {
  FaultyStorage storage(4);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open());
  disk.append(2, 100, 2);
  ASSERT_TRUE(disk.drive());
  ASSERT_EQ(disk.log().persisted_index(), 101u);
  disk.append(50, 10, 3);
  // The disk has other entries there.
  EXPECT_EQ(disk.log().persisted_index(), 49u);
  EXPECT_EQ(disk.log().last_index(), 59u);
  ASSERT_TRUE(disk.drive());
  EXPECT_EQ(disk.log().persisted_index(), 59u);
  disk.close();
  storage.crash();
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.log().last_index(), 59u);
  EXPECT_EQ(disk.log().term_at(49), 2u);
  EXPECT_EQ(disk.log().term_at(50), 3u);
  // And again, of what was read back.
  disk.append(30, 5, 4);
  ASSERT_TRUE(disk.drive());
  disk.close();
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.log().last_index(), 34u);
  EXPECT_EQ(disk.log().term_at(30), 4u);
  EXPECT_EQ(disk.log().term_at(29), 2u);
}

TEST(ReplicateLog, ReadsBackWhatLeftTheMemory) {
  FaultyStorage storage(5);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open(4096));
  disk.append(2, 200, 2);
  ASSERT_TRUE(disk.drive());
  disk.append(150, 60, 3);
  ASSERT_TRUE(disk.drive());
  disk.log().used(209);
  for (const uint64_t i : {2ull, 3ull, 4ull, 149ull, 150ull, 151ull, 20ull, 209ull, 8ull}) {
    const EntryPtr entry = disk.log().entry(i);
    ASSERT_TRUE(entry) << i;
    EXPECT_TRUE(is_equal(entry, disk.make(i, i < 150 ? 2 : 3, entry->first_lsn))) << i;
  }
  EXPECT_FALSE(disk.log().entry(210));
}

// A follower far behind asks for all, entry by entry and each in pieces. The disk is read about as
// often as by somebody who reads the journal once.
TEST(ReplicateLog, ReadsNoSegmentAnewForEachPieceThatIsAskedFor) {
  constexpr uint64_t kEntries = 500, kPieces = 4;
  constexpr Operations kReading =
      only(Operation::list) | only(Operation::open) | only(Operation::read);
  FaultyStorage storage(7);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open(4096));
  disk.append(2, kEntries - 1, 2);
  ASSERT_TRUE(disk.drive());
  disk.log().used(kEntries);
  const uint64_t begun = storage.count(kReading);
  auto segments = journal::list_segments(storage, kJournal);
  ASSERT_TRUE(segments);
  ASSERT_GT(segments->size(), 5u);
  journal::EntryReader once(storage, *std::move(segments));
  for (auto read = once.next(); read && *read;) read = once.next();
  const uint64_t needed = storage.count(kReading) - begun;
  for (uint64_t i = 2; i < kEntries; ++i)
    for (uint64_t piece = 0; piece < kPieces; ++piece) ASSERT_TRUE(disk.log().entry(i)) << i;
  EXPECT_LT(storage.count(kReading) - begun - needed, 3 * needed);
}

// Who leads asks so in its turn.
TEST(ReplicateLog, ReadsNothingForOneWhoTakesWhatIsAtHand) {
  constexpr Operations kReading =
      only(Operation::list) | only(Operation::open) | only(Operation::read);
  FaultyStorage storage(10);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open(4096));
  disk.append(2, 200, 2);
  ASSERT_TRUE(disk.drive());
  disk.log().used(201);
  const uint64_t begun = storage.count(kReading);
  EXPECT_FALSE(disk.log().at_hand(100));
  EXPECT_FALSE(disk.log().at_hand(90));
  EXPECT_EQ(disk.log().body_bytes(90), disk.make(90, 2, 1)->body.size());
  EXPECT_EQ(disk.log().term_of(90), 2u);
  EXPECT_FALSE(disk.log().at_hand(202));
  EXPECT_FALSE(disk.log().body_bytes(202));
  EXPECT_EQ(storage.count(kReading), begun);
  ASSERT_TRUE(disk.log().wants_read());
  ASSERT_TRUE(disk.log().read_wanted());
  EXPECT_GT(storage.count(kReading), begun);
  const EntryPtr entry = disk.log().at_hand(90);
  ASSERT_TRUE(entry);
  EXPECT_TRUE(is_equal(entry, disk.make(90, 2, entry->first_lsn)));
  // Those behind it came with it.
  EXPECT_TRUE(disk.log().at_hand(91));
  EXPECT_FALSE(disk.log().read_wanted());
}

// Whatever is read, from wherever: what the log has there is what is given.
std::string read_and_replace(uint64_t seed) {
  FaultyStorage storage(seed);
  Random random(seed * 11 + 3);
  LogOnDisk disk(storage);
  if (!disk.open(4096)) return "cannot open";
  std::vector<uint64_t> terms{0, 1};  // of each index
  for (uint64_t term = 2; term < 20; ++term) {
    const uint64_t from = 2 + random.below(terms.size() - 1), count = 1 + random.below(200);
    disk.append(from, count, term);
    terms.resize(from);
    terms.insert(terms.end(), count, term);
    for (int look = 0; look < 10; ++look) {
      if (random.one_in(4) && !disk.drive()) return "cannot write";
      disk.log().used(disk.log().persisted_index());
      const uint64_t index = 2 + random.below(terms.size() - 2);
      const bool may_wait = random.one_in(2);
      EntryPtr entry = may_wait ? disk.log().entry(index) : disk.log().at_hand(index);
      if (!entry && !may_wait) disk.log().read_wanted(), entry = disk.log().entry(index);
      if (!entry) return "entry " + std::to_string(index) + " is not there";
      if (!is_equal(entry, disk.make(index, terms[index], entry->first_lsn)))
        return "entry " + std::to_string(index) + " is another";
    }
  }
  return "";
}

TEST(ReplicateLog, ReadsBackWhatItHasThereThoughItWasReplaced) {
  for (uint64_t seed = 1; seed <= 60; ++seed)
    ASSERT_EQ(read_and_replace(seed), "") << "seed " << seed;
}

// What is on disk leaves the memory also while nobody has applied it, and is there when it is.
TEST(ReplicateLog, HoldsNoMoreInMemoryForABookThatLags) {
  FaultyStorage storage(8);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open(4096));
  disk.append(2, 200, 2);
  ASSERT_TRUE(disk.drive());
  disk.log().used(1);
  const uint64_t begun = storage.count(only(Operation::read));
  const EntryPtr entry = disk.log().entry(2);
  EXPECT_TRUE(is_equal(entry, disk.make(2, 2, entry->first_lsn)));
  EXPECT_GT(storage.count(only(Operation::read)), begun);
}

TEST(ReplicateLog, KnowsThePositionOfItsBase) {
  FaultyStorage storage(9);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open());
  disk.append(2, 100, 2);
  ASSERT_TRUE(disk.drive());
  disk.log().used(101);
  const Position at = disk.log().position_at(50);
  ASSERT_NE(at, Position{});
  ASSERT_TRUE(disk.log().compact(50));
  EXPECT_EQ(disk.log().position_at(50), at);
}

TEST(ReplicateLog, Compacts) {
  FaultyStorage storage(6);
  LogOnDisk disk(storage);
  ASSERT_TRUE(disk.open());
  disk.append(2, 100, 2);
  EXPECT_FALSE(disk.log().compact(50));  // neither used nor persisted
  ASSERT_TRUE(disk.drive());
  disk.log().used(60);
  EXPECT_FALSE(disk.log().compact(61));
  EXPECT_TRUE(disk.log().compact(50));
  EXPECT_EQ(disk.log().base_index(), 50u);
  EXPECT_EQ(disk.log().base_term(), 2u);
  EXPECT_FALSE(disk.log().entry(50));
  EXPECT_TRUE(disk.log().entry(51));
  disk.append(51, 3, 3);  // cut just behind the base
  ASSERT_TRUE(disk.drive());
  EXPECT_EQ(disk.log().persisted_index(), 53u);
}

// Appends, cuts, drives and loses the power at random. Of what was persisted nothing is lost.
std::string run(uint64_t seed) {
  FaultyStorage storage(seed);
  Random random(seed * 7 + 1);
  LogOnDisk disk(storage);
  std::vector<uint64_t> terms{0, 1};  // of each index
  uint64_t persisted = 1, term = 1;
  if (!disk.open()) return "cannot open";
  for (int life = 0; life < 5; ++life) {
    storage.lose_power_at(20 + random.below(120));
    for (int step = 0; step < 60 && storage.has_power(); ++step) {
      const uint64_t last = disk.log().last_index();
      const bool cuts = random.below(6) == 0;
      const uint64_t from = cuts && last > 1 ? 2 + random.below(last - 1) : last + 1;
      const uint64_t count = 1 + random.below(8);
      if (random.below(3) != 0) {
        disk.append(from, count, ++term);
        terms.resize(from);
        terms.insert(terms.end(), count, term);
        persisted = std::min(persisted, from - 1);
      } else {
        (void)disk.drive();
      }
      if (storage.has_power()) persisted = std::max(persisted, disk.log().persisted_index());
    }
    disk.close();
    storage.crash();
    if (auto opened = disk.open(); !opened) return "reopen: " + opened.error().message();
    if (disk.log().last_index() < persisted) return "persisted entries are lost";
    for (uint64_t i = 1; i <= persisted; ++i)
      if (disk.log().term_at(i) != terms[i]) return "entry " + std::to_string(i) + " is another's";
    // What else is there is of some earlier moment; the model goes on from it.
    terms.resize(1);
    for (uint64_t i = 1; i <= disk.log().last_index(); ++i) terms.push_back(disk.log().term_at(i));
    persisted = disk.log().last_index();
  }
  return "";
}

TEST(ReplicateLog, KeepsWhatIsPersistedThroughLossesOfPower) {
  const uint64_t base =
      std::getenv("CASBOOK_SEED") ? std::strtoull(std::getenv("CASBOOK_SEED"), nullptr, 10) : 1;
  for (uint64_t seed = base; seed < base + 100; ++seed) ASSERT_EQ(run(seed), "") << "seed " << seed;
}

}  // namespace
}  // namespace casbook::test
