// The preparer and the collector meet at the name of the next segment: one fills the file of that
// name, the other gives it its own. Here the preparer comes at the worst moment.
#include <functional>

#include <gtest/gtest.h>

#include "journal/appender.h"
#include "journal/segment_records.h"
#include "log/log_writer.h"
#include "support/faulty_storage.h"
#include "support/memory_arena.h"

namespace casbook::test {
namespace {

using journal::Appender;

constexpr uint64_t kJournalId = 77;
constexpr const char* kSpareName = "segment.new";
constexpr journal::AppenderOptions kOptions{.segment_bytes = 4 * journal::kBlockBytes,
                                            .buffers = 2};

// Does something else right before each spare gets its name.
class InterruptedStorage final : public journal::Storage {
 public:
  explicit InterruptedStorage(Storage& storage) : storage_(storage) {}
  std::function<void()> before_naming = [] {};

  Result<std::vector<std::string>> list() const override { return storage_.list(); }
  Result<std::unique_ptr<journal::File>> create(const std::string& name) override {
    return storage_.create(name);
  }
  Result<std::unique_ptr<journal::File>> open(const std::string& name,
                                              Access access) const override {
    return storage_.open(name, access);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (from == kSpareName) before_naming();
    return storage_.rename(from, to);
  }
  Result<void> remove(const std::string& name) override { return storage_.remove(name); }
  Result<void> sync_directory() override { return storage_.sync_directory(); }
  Result<std::unique_ptr<journal::IoQueue>> open_queue(uint32_t depth) override {
    return storage_.open_queue(depth);
  }
  std::string describe() const override { return storage_.describe(); }

 private:
  Storage& storage_;
};

class JournalAppender : public testing::Test {
 protected:
  JournalAppender() { arena_.format(true, 1'000'000); }

  void pay(log::LogWriter& writer) {
    commit::WriteSet set;
    set.add(arena_.account(0), 0, -1, INT64_MIN, INT64_MAX);
    set.add(arena_.account(1), 0, 1, INT64_MIN, INT64_MAX);
    set.describe(commit::Kind::payment, 1);
    ASSERT_EQ(writer.commit(set).outcome, commit::Outcome::committed);
  }
  // Until all is durable, as a daemon does.
  void settle(Appender& appender) {
    for (int round = 0; round < 100; ++round) {
      const auto taken = appender.take(arena_.store());
      ASSERT_TRUE(taken) << taken.error().message();
      if (*taken == Appender::Taken::no_segment) {
        ASSERT_TRUE(appender.prepare_spare());
      }
      if (*taken == Appender::Taken::nothing && appender.is_settled()) return;
      if (appender.is_settled()) continue;
      const auto completed = appender.complete();
      ASSERT_TRUE(completed) << completed.error().message();
    }
    FAIL() << "it does not settle";
  }
  // One by one, each durable before the next.
  void write_twelve(Appender& appender) {
    log::LogWriter writer(arena_.store(), 0);
    for (int i = 0; i < 12 && !HasFatalFailure(); ++i) {
      pay(writer);
      settle(appender);
    }
  }
  // With an appender of its own, which is closed then.
  void write_twelve() {
    auto opened = Appender::open(disk_, kJournalId, {}, {}, kOptions);
    ASSERT_TRUE(opened) << opened.error().message();
    write_twelve(**opened);
  }
  void write_twelve_and_cut_behind_six() {
    write_twelve();
    if (HasFatalFailure()) return;
    const auto end = journal::end_at(disk_, kJournalId, 6);
    ASSERT_TRUE(end) << end.error().message();
    ASSERT_TRUE(Appender::open(disk_, kJournalId, {}, *end, kOptions));
  }
  // Or where they begin.
  uint64_t last_entry_read(std::vector<journal::Segment> segments) {
    uint64_t last = segments.front().header.first_index - 1;
    journal::EntryReader reader(disk_, std::move(segments));
    for (;;) {
      const auto read = reader.next();
      EXPECT_TRUE(read) << read.error().message();
      if (!read || !*read) return last;
      last = (*read)->header.index;
    }
  }
  uint64_t records_in_journal() {
    uint64_t count = 0;
    const uint64_t end = log::log_end(arena_.store());
    const auto read = journal::read_records(disk_, kJournalId, 1, end, [&](auto) { ++count; });
    EXPECT_TRUE(read) << read.error().message();
    return count;
  }

  FaultyStorage disk_{1};
  MemoryArena& arena_ = MemoryArena::of_shape(
      {.sessions = 1, .accounts = 8, .ring = 512, .blocks = 32, .block_bytes = 8192});
};

TEST_F(JournalAppender, AReaderBeginsBehindAnyEntry) {
  write_twelve();
  if (HasFatalFailure()) return;
  for (uint64_t before = 1; before < 12; ++before) {
    const auto end = journal::end_at(disk_, kJournalId, before);
    ASSERT_TRUE(end) << end.error().message();
    auto segments = journal::list_segments(disk_, kJournalId);
    ASSERT_TRUE(segments) << segments.error().message();
    journal::EntryReader reader(disk_, *segments, *end);
    // Progress: each round reads one.
    for (uint64_t index = before + 1; index <= 12; ++index) {
      const auto read = reader.next();
      ASSERT_TRUE(read) << read.error().message();
      ASSERT_TRUE(*read) << "behind " << before;
      EXPECT_EQ((*read)->header.index, index);
    }
    // Where none ends the chain does not fit.
    journal::JournalEnd elsewhere = *end;
    elsewhere.chain ^= 1;
    journal::EntryReader astray(disk_, *segments, elsewhere);
    const auto nothing = astray.next();
    EXPECT_TRUE(!nothing || !*nothing);
  }
}

TEST_F(JournalAppender, ASpareThatIsBeingNamedIsNotPreparedAnew) {
  InterruptedStorage storage(disk_);
  auto opened = Appender::open(storage, kJournalId, {}, {}, kOptions);
  ASSERT_TRUE(opened) << opened.error().message();
  Appender& appender = **opened;
  uint32_t namings = 0;
  storage.before_naming = [&] {
    ++namings;
    EXPECT_FALSE(appender.wants_spare());
    EXPECT_TRUE(appender.prepare_spare());
  };
  write_twelve(appender);
  if (HasFatalFailure()) return;
  EXPECT_GE(namings, 2u) << "no segment was rotated";
  EXPECT_EQ(appender.durable().lsn(), 12u);
  EXPECT_EQ(records_in_journal(), 12u);
}

// A removal that comes back after a loss of power would leave a hole between the segments.
TEST_F(JournalAppender, ASegmentThatWasRemovedStaysSo) {
  write_twelve();
  if (HasFatalFailure()) return;
  const auto before = journal::list_segments(disk_, kJournalId);
  ASSERT_TRUE(before && before->size() >= 3) << before->size();
  const uint64_t syncs = disk_.count(only(Operation::sync_directory));
  const auto kept = journal::remove_segments_below(disk_, kJournalId, 12);
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_EQ(disk_.count(only(Operation::sync_directory)) - syncs, before->size() - kept->count)
      << "one by one";
  disk_.crash();
  const auto after = journal::list_segments(disk_, kJournalId);
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(after->size(), kept->count);
}

// The header of a later segment cuts: those before it may begin behind it.
TEST_F(JournalAppender, WhatWasCutOffIsNeededByNobody) {
  write_twelve_and_cut_behind_six();
  if (HasFatalFailure()) return;
  const auto last_below = [this](uint64_t lsn) {
    const auto index = journal::last_index_below(disk_, kJournalId, lsn);
    return index ? *index : UINT64_MAX;
  };
  EXPECT_EQ(last_below(7), 6u) << "all but the last segment";
  EXPECT_LT(last_below(6), 6u);
  EXPECT_EQ(last_below(0), 0u);
  const auto kept = [this](uint64_t index) {
    const auto result = journal::remove_segments_below(disk_, kJournalId, 7, index);
    return result ? result->count : 0;
  };
  const uint64_t before = kept(0);
  EXPECT_GT(before, 3u) << "a journal that shows nothing";
  EXPECT_LT(kept(5), before);
  EXPECT_GT(kept(5), 1u) << "entry 6 is still to be forgotten";
  EXPECT_EQ(kept(6), 1u);
}

// Whoever removes the oldest segments may die between two of them. Nobody is to begin with one of
// which nothing counts.
TEST_F(JournalAppender, WhatARemovalThatDiedLeavesBeginsWithWhatCounts) {
  write_twelve_and_cut_behind_six();
  if (HasFatalFailure()) return;
  const auto whole = journal::list_segments(disk_, kJournalId);
  ASSERT_TRUE(whole);
  for (size_t removed = 0; removed + 1 < whole->size(); ++removed) {
    ASSERT_TRUE(disk_.remove(journal::segment_name((*whole)[removed].number)));
    const auto left = journal::list_segments(disk_, kJournalId);
    ASSERT_TRUE(left) << left.error().message();
    EXPECT_LE(left->front().header.first_index, 7u) << removed + 1 << " are gone";
    EXPECT_EQ(last_entry_read(*left), 6u);
  }
  // The next one makes an end of it.
  ASSERT_TRUE(journal::remove_segments_below(disk_, kJournalId, 7, 6));
  const auto names = disk_.list();
  ASSERT_TRUE(names);
  EXPECT_EQ(std::count_if(names->begin(), names->end(),
                          [](const std::string& name) { return journal::segment_number(name); }),
            1);
}

}  // namespace
}  // namespace casbook::test
