// Copies of a journal: what comes is what was sent, under an identity of its own; or nothing does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "journal/replay.h"
#include "log/log_reader.h"
#include "support/copied_log.h"
#include "support/faulty_storage.h"
#include "support/random.h"

namespace casbook::journal {
namespace {

using namespace test_support;
using base::Mutant;
using test::FaultyStorage;
using testing::HasSubstr;

constexpr uint64_t kFrom = 7, kTo = 9;  // journal ids

Result<std::unique_ptr<CopyTarget>> receive(FaultyStorage& to, const CopyMessages& messages,
                                            const CopyTargetOptions& options) {
  auto target = CopyTarget::open(to, options);
  if (!target) return target;
  for (const auto& message : messages)
    if (auto taken = (*target)->take(message); !taken) return taken.error();
  return target;
}

class JournalCopy : public testing::Test {
 protected:
  JournalCopy() { must(source_.open()); }
  CopyMessages messages() {
    return must(messages_of(*must(CopySource::open(from_, kFrom, source_.end()))));
  }
  CopyTargetOptions options(uint64_t segments_before = 0) const {
    return {.journal_id = kTo,
            .shape = {},
            .segments_before = segments_before,
            .segment_bytes = kCopySegmentBytes};
  }

  FaultyStorage from_{1}, to_{2};
  CopiedLog source_{from_, kFrom}, copy_{to_, kTo};
};

TEST_F(JournalCopy, IsTheLogEntryByEntry) {
  source_.append(120, 2);
  source_.append(30, 5);
  must(source_.drive());
  auto target = must(receive(to_, messages(), options()));
  ASSERT_TRUE(target->is_whole());
  EXPECT_EQ(target->begin().base_index, 0u);
  EXPECT_EQ(target->begin().end_index, 151u);
  must(install(to_, target->installation()));
  must(copy_.open());
  EXPECT_EQ(copy_.said(), source_.said());
  // And goes on.
  copy_.append(20, 5), source_.append(20, 5);
  must(copy_.drive());
  copy_.close();
  must(copy_.open());
  EXPECT_EQ(copy_.said(), source_.said());
}

TEST_F(JournalCopy, IsOfWhatIsSyncedAndNotReplaced) {
  source_.append(60, 2);
  must(source_.drive());
  source_.replace(40, 10, 3);
  must(source_.drive());
  source_.append(5, 3);  // in memory only
  auto target = must(receive(to_, messages(), options()));
  EXPECT_EQ(target->begin().end_index, 49u);
  EXPECT_EQ(target->begin().end_term, 3u);
  must(install(to_, target->installation()));
  must(copy_.open());
  auto expected = source_.said();
  expected.resize(49);
  EXPECT_EQ(copy_.said(), expected);
}

// Its segments are gone before there is a checkpoint: they had no record.
TEST_F(JournalCopy, MayBeginBehindEntriesWithoutRecords) {
  for (uint64_t index = 2; index <= 4; ++index) {
    const replicate::EntryPtr barrier = std::make_shared<replicate::LogEntry>(replicate::LogEntry{
        .index = index, .term = index, .type = EntryType::barrier, .first_lsn = 1, .body = {}});
    source_.log().append({&barrier, 1});
  }
  must(source_.drive());
  source_.close();
  must(source_.open());
  source_.append(3, 4);
  must(source_.drive());
  must(from_.remove(segment_name(1)));
  auto target = must(receive(to_, messages(), options()));
  const uint64_t base = must(list_segments(from_, kFrom)).front().header.first_index - 1;
  ASSERT_GT(base, 0u);
  EXPECT_EQ(target->begin().base_index, base);
  must(install(to_, target->installation()));
  must(copy_.open());
  EXPECT_EQ(copy_.log().base_index(), base);
  EXPECT_EQ(copy_.said(base + 1), source_.said(base + 1));
}

TEST_F(JournalCopy, ComesWholeOrNotAtAll) {
  source_.append(40, 2);
  must(source_.drive());
  const CopyMessages all = messages();
  for (size_t i = 0; i < all.size(); ++i) {
    CopyMessages missing = all, doubled = all, cut = all;
    missing.erase(missing.begin() + static_cast<ptrdiff_t>(i));
    doubled.insert(doubled.begin() + static_cast<ptrdiff_t>(i), all[i]);
    cut.resize(i);
    for (const CopyMessages& messages : {missing, doubled}) {
      const auto received = receive(to_, messages, options());
      EXPECT_TRUE(!received || !(*received)->is_whole()) << i;
    }
    EXPECT_FALSE(must(receive(to_, cut, options()))->is_whole()) << i;
    if (i + 1 == all.size()) continue;
    CopyMessages swapped = all;
    std::swap(swapped[i], swapped[i + 1]);
    const auto received = receive(to_, swapped, options());
    EXPECT_TRUE(!received || !(*received)->is_whole()) << i;
  }
  // What came of it is nowhere, once it is given up.
  EXPECT_FALSE(must(finish_installation(to_)));
  EXPECT_THAT(must(to_.list()), testing::IsEmpty());
}

TEST_F(JournalCopy, IsBrokenOffWhenItsEndIsReplacedMeanwhile) {
  source_.append(60, 2);
  must(source_.drive());
  const CopySource::End end = source_.end();
  source_.replace(40, 30, 3);
  must(source_.drive());
  const auto opened = CopySource::open(from_, kFrom, end);
  const Result<CopyMessages> messages =
      opened ? messages_of(**opened) : Result<CopyMessages>(opened.error());
  ASSERT_FALSE(messages);
  EXPECT_THAT(messages.error().detail, HasSubstr("entry 61 was replaced"));
}

TEST_F(JournalCopy, NamesAMessageThatIsNone) {
  source_.append(3, 2);
  must(source_.drive());
  const CopyMessages all = messages();
  test::Random random(5);
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::byte> bytes = all[random.below(all.size())];
    bytes.resize(random.below(bytes.size() + 1));
    for (int flips = 0; flips < 3 && !bytes.empty(); ++flips)
      bytes[random.below(bytes.size())] ^= static_cast<std::byte>(1u << random.below(8));
    auto target = must(CopyTarget::open(to_, options()));
    (void)!target->take(bytes);
    EXPECT_FALSE(target->is_whole());
  }
}

// --- with a checkpoint ---------------------------------------------------------------------------

class CheckpointCopy : public testing::Test {
 protected:
  CheckpointCopy() {
    for (int i = 0; i < 4; ++i) accounts_.push_back(book_.open_with("a" + std::to_string(i), 1000));
    must(source_.open());
  }
  void pay(int count) {
    for (int i = 0; i < count; ++i)
      must(book_.session.pay(Payment(book_.fresh_id())
                                 .debit(book_.world, 1)
                                 .credit(accounts_[static_cast<size_t>(i) % 4], 1)));
    source_.take(arena_.store(), log::log_end(arena_.store()), 3);
    must(source_.drive());
  }
  CheckpointInfo take_checkpoint() {
    CheckpointRequest request = checkpoint_request(arena_.store());
    request.journal_id = kFrom;
    request.index_of = [this](uint64_t lsn) { return source_.log().index_of(lsn); };
    return must(write_checkpoint(arena_.store(), from_, request));
  }
  std::unique_ptr<CopyTarget> copy() {
    auto source = must(CopySource::open(from_, kFrom, source_.end(),
                                        [](uint64_t) { return std::vector(100, std::byte{7}); }));
    return must(receive(to_, must(messages_of(*source)),
                        {.journal_id = kTo, .shape = shape_, .segment_bytes = kCopySegmentBytes}));
  }

  SmallBook book_;
  std::vector<Account> accounts_;
  OpenArena arena_{book_};
  const BookShape shape_ = must(shape_of(arena_.mapping()));
  FaultyStorage from_{1}, to_{2};
  CopiedLog source_{from_, kFrom, shape_}, copied_{to_, kTo, shape_};
};

TEST_F(CheckpointCopy, IsTheBook) {
  pay(40);
  const CheckpointInfo checkpoint = take_checkpoint();
  pay(41);
  auto target = copy();
  ASSERT_TRUE(target->is_whole());
  EXPECT_EQ(target->begin().position, checkpoint.position.value);
  EXPECT_GT(target->begin().base_index, 1u);
  must(install(to_, target->installation()));
  must(copied_.open());
  EXPECT_EQ(copied_.log().base_index(), target->begin().base_index);
  EXPECT_EQ(copied_.said(target->begin().base_index + 1),
            source_.said(target->begin().base_index + 1));
  EXPECT_EQ(must(read_checkpoint_header(to_, checkpoint.name)).journal_id, kTo);
  Twin twin(arena_.mapping());
  must(load_checkpoint(to_, checkpoint.name, twin.store()));
  apply_all(twin.store(), records_of(arena_.store(), checkpoint.position.lsn() + 1,
                                     log::log_end(arena_.store())));
  EXPECT_EQ(first_difference(arena_.store(), twin.store()), "");
  EXPECT_EQ(to_.content("configuration")[99], std::byte{7});
}

// A checkpoint that ends inside of an entry: the entry comes too.
TEST_F(CheckpointCopy, HasTheEntryThatTheCheckpointEndsIn) {
  pay(5);
  const CheckpointInfo checkpoint = take_checkpoint();
  const uint64_t index = source_.log().index_of(checkpoint.position.lsn());
  pay(1);
  auto target = copy();
  EXPECT_EQ(target->begin().committed_index, index);
  EXPECT_EQ(target->begin().base_index, index - 1);
}

TEST_F(CheckpointCopy, WithoutOneBitOfTheCheckpointIsNone) {
  pay(40);
  take_checkpoint();
  auto source = must(CopySource::open(from_, kFrom, source_.end()));
  CopyMessages all = must(messages_of(*source));
  test::Random random(3);
  for (int i = 0; i < 60; ++i) {
    CopyMessages flipped = all;
    auto& piece = flipped[1];
    ASSERT_EQ(piece[0], std::byte{2}) << "a piece of the checkpoint";
    piece[9 + random.below(piece.size() - 9)] ^= static_cast<std::byte>(1u << random.below(8));
    const auto received = receive(
        to_, flipped, {.journal_id = kTo, .shape = shape_, .segment_bytes = kCopySegmentBytes});
    EXPECT_FALSE(received) << i;
  }
}

}  // namespace
}  // namespace casbook::journal
