// Digests of books: a word, or an entry, that is another one on one of two nodes is found in one
// round over the book, with its place; nothing is found where nothing is, however busy the leader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <numeric>
#include <thread>

#include "replicate/divergence_watch.h"
#include "support/random.h"
#include "support/replica_arena.h"

namespace casbook::replicate {
namespace {

using namespace test_support;
using testing::HasSubstr;

// --- sums ---

TEST(PlaceSums, NameTheOnlyPlaceThatDiffers) {
  test::Random random(1);
  for (int run = 0; run < 2000; ++run) {
    std::vector<uint64_t> list(1 + random.below(600));
    for (uint64_t& value : list) value = random.one_in(2) ? random.next() : random.below(3);
    const auto at = static_cast<uint32_t>(random.below(list.size()));
    const uint64_t other = list[at] ^ uint64_t { 1 } << random.below(64);
    PlaceSummer a, b;
    for (uint32_t i = 0; i < list.size(); ++i) {
      a.add(i, list[i]);
      b.add(i, i == at ? other : list[i]);
    }
    ASSERT_NE(a.sums(), b.sums());
    ASSERT_EQ(differing_place(a.sums(), b.sums()), at);
    PlaceSums step;
    for (uint32_t i = 0; i < list.size(); ++i) step = with(step, i, list[i]);
    ASSERT_EQ(step, a.sums()) << "whichever way they are summed";
  }
}

TEST(PlaceSums, OfTwoPlacesDifferAndNameNone) {
  test::Random random(2);
  for (int run = 0; run < 2000; ++run) {
    PlaceSummer a, b;
    for (uint32_t i = 0; i < 500; ++i) {
      const uint64_t value = random.next();
      a.add(i, value);
      b.add(i, i == 7 || i == 300 ? random.next() : value);
    }
    ASSERT_NE(a.sums(), b.sums());
    const auto place = differing_place(a.sums(), b.sums());
    ASSERT_TRUE(!place || *place >= 500) << "by a chance of 1 in 2^52";
  }
}

class Entries : public EntrySource {
 public:
  EntryPtr entry(uint64_t index) override {
    const auto found = entries_.find(index);
    return found == entries_.end() ? nullptr : found->second;
  }
  void put(uint64_t index, uint64_t term, std::string_view text) {
    LogEntry entry{.index = index, .term = term, .count = 1, .body = {}};
    const auto bytes = std::as_bytes(std::span(text));
    entry.body.assign(bytes.begin(), bytes.end());
    entries_[index] = std::make_shared<LogEntry>(std::move(entry));
  }
  void put_all(const std::vector<LogEntry>& list) {
    for (const LogEntry& entry : list) entries_[entry.index] = std::make_shared<LogEntry>(entry);
  }
  void cut_behind(uint64_t index) { entries_.erase(entries_.upper_bound(index), entries_.end()); }

 private:
  std::map<uint64_t, EntryPtr> entries_;
};

TEST(EntrySums, AreEqualWhereverSummingBegan) {
  Entries log;
  for (uint64_t i = 1; i <= 100; ++i) log.put(i, 1, "entry " + std::to_string(i));
  EntrySums one, other;
  one.take(log, 1);
  one.take(log, 100);
  for (uint64_t i = 40; i <= 100; i += 3) other.take(log, i);
  EXPECT_EQ(one.run_before(100), 1u);
  EXPECT_EQ(other.run_before(100), 40u);
  EXPECT_EQ(one.between(40, 100), other.between(40, 100));
  EXPECT_EQ(one.between(50, 77), other.between(50, 77));
  EXPECT_FALSE(other.between(39, 100)) << "it has not seen entry 40";
}

TEST(EntrySums, NameTheEntryThatDiffers) {
  Entries log, flipped;
  for (uint64_t i = 1; i <= 100; ++i) log.put(i, 1, "entry"), flipped.put(i, 1, "entry");
  flipped.put(61, 1, "entrx");
  EntrySums one, other;
  one.take(log, 1), other.take(flipped, 1);
  one.take(log, 90), other.take(flipped, 90);
  EXPECT_EQ(one.between(1, 60), other.between(1, 60));
  ASSERT_NE(one.between(1, 90), other.between(1, 90));
  const Divergence found = locate_entries(1, 90, *one.between(1, 90), *other.between(1, 90));
  EXPECT_EQ(found.kind, Divergence::Kind::entry);
  EXPECT_EQ(found.first, 61u);
}

TEST(EntrySums, ForgetWhatAnotherLeaderReplaced) {
  Entries log, other;
  for (uint64_t i = 1; i <= 20; ++i) log.put(i, 1, "a"), other.put(i, 1, "a");
  EntrySums sums, expected;
  sums.take(log, 1);
  sums.take(log, 20);
  log.cut_behind(12), other.cut_behind(12);
  for (uint64_t i = 13; i <= 15; ++i) log.put(i, 2, "b"), other.put(i, 2, "b");
  sums.take(log, 15);
  expected.take(other, 1);
  expected.take(other, 15);
  EXPECT_EQ(sums.between(1, 15), expected.between(1, 15));
}

// --- books ---

uint64_t& word_of(const commit::Store& store, uint64_t unit, uint32_t offset) {
  return store.mapping().region<uint64_t>(arena::Region::cells)[unit * 8 + offset];
}

class DigestOfBooks : public testing::Test {
 protected:
  DigestOfBooks() { follow(); }

  // Of entries that were applied there may be more now.
  void follow() {
    list_ = leader_.entries();
    log_.put_all(list_);
    apply(list_);
  }
  void apply(const std::vector<LogEntry>& list) {
    for (const LogEntry& entry : list)
      if (entry.first_lsn + entry.count > follower_->next_lsn()) must(follower_->apply(entry));
  }
  DigestPlan plan(uint64_t first_unit = 0) {
    return {.term = 3,
            .number = ++number_,
            .index = list_.size(),
            .position = list_.back().last(),
            .first_unit = first_unit,
            .blocks = 16};
  }
  // A round over the whole book. Empty: nothing differs.
  std::vector<Divergence> compare_all() {
    std::vector<Divergence> found;
    uint64_t unit = 0;
    do {
      const Digest digest = leaders_.make(leader_.store(), log_, plan(unit));
      const Comparison comparison = followers_.compare(follower_.store(), log_, digest);
      if (comparison.answer.differing != DigestAnswer::kNothing)
        found.push_back(comparison.divergence);
      unit = unit_behind(digest);
    } while (unit < leader_.store().units());
    return found;
  }

  BusyLeader leader_;
  FollowerBook book_{leader_.replica.mapping()};
  ReplicaArena follower_ = book_.open();
  Entries log_;
  std::vector<LogEntry> list_;
  uint64_t number_ = 0;
  Digests leaders_, followers_;
};

TEST_F(DigestOfBooks, SaysNothingOfBooksThatAreEqual) {
  EXPECT_TRUE(compare_all().empty());
  const Digest digest = leaders_.make(leader_.store(), log_, plan());
  const auto answer = followers_.compare(follower_.store(), log_, digest).answer;
  EXPECT_EQ(answer.equal, 0xffffu) << "each of 16 blocks";
  EXPECT_TRUE(answer.are_entries_equal);
}

// Of each table, used or not; of the state all but the bit that says that it is taken, under which
// the cell is read by its words, as everybody reads it.
TEST_F(DigestOfBooks, FindTheFlippedBitInOneRound) {
  test::Random random(3);
  std::map<uint32_t, int> flips;
  for (int run = 0; run < 400; ++run) {
    const auto table_number = static_cast<uint32_t>(random.below(arena::kCellTableCount));
    const auto& table =
        leader_.replica.mapping().cells(static_cast<arena::CellTable>(table_number));
    const uint32_t words = commit::kTableWords[table_number];
    const uint64_t cell = random.below(std::min<uint64_t>(table.count, 40));
    const uint64_t unit = table.first_unit + cell * commit::units_of(words);
    const auto at = static_cast<uint32_t>(random.below(2 + 2 * words));
    const uint64_t bit = uint64_t{1} << random.below(at == 0 ? 63 : 64);
    word_of(follower_.store(), unit, at) ^= bit;
    const auto found = compare_all();
    ASSERT_EQ(found.size(), 1u) << "table " << table_number << " word " << at << " bit " << bit;
    EXPECT_EQ(found[0].kind, Divergence::Kind::word);
    EXPECT_EQ(found[0].position, list_.back().last());
    EXPECT_EQ(found[0].first * 8 + found[0].offset, unit * 8 + at);
    const std::string where = found[0].where(leader_.store());
    EXPECT_THAT(where, HasSubstr(" " + std::to_string(cell) + ","));
    EXPECT_THAT(where, HasSubstr("(unit " + std::to_string(unit) + ")"));
    if (at >= 2) {
      const std::string word = "word " + std::to_string(at / 2 - 1);
      EXPECT_THAT(where, HasSubstr(word + (at % 2 ? ", version" : ", value")));
    }
    word_of(follower_.store(), unit, at) ^= bit;
    ++flips[table_number];
  }
  EXPECT_EQ(flips.size(), arena::kCellTableCount);
  EXPECT_TRUE(compare_all().empty());
}

TEST_F(DigestOfBooks, FindWhatTheLeaderItselfHasWrong) {
  const auto& accounts = leader_.replica.mapping().cells(arena::CellTable::accounts);
  word_of(leader_.store(), accounts.first_unit + 5, 2) += 100;
  const auto found = compare_all();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].where(leader_.store()),
            "account 5, word 0, value (unit " + std::to_string(accounts.first_unit + 5) + ")");
}

TEST_F(DigestOfBooks, OfSeveralWordsNameTheBlock) {
  const auto& accounts = leader_.replica.mapping().cells(arena::CellTable::accounts);
  const uint64_t unit = accounts.first_unit;
  word_of(follower_.store(), unit + 1, 2) ^= 4;
  word_of(follower_.store(), unit + 2, 4) ^= 8;
  const auto found = compare_all();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, Divergence::Kind::cells);
  EXPECT_LE(found[0].first, unit + 1);
  EXPECT_GE(found[0].last, unit + 2);
  EXPECT_THAT(found[0].where(leader_.store()), HasSubstr("several words"));
}

TEST_F(DigestOfBooks, FindAnEntryOfOtherBytes) {
  compare_all();  // summing begins
  leader_.pay(40);
  follow();
  ASSERT_GT(list_.size(), 3u);
  Entries other;
  std::vector<LogEntry> flipped = list_;
  flipped[flipped.size() - 2].body[100] ^= std::byte{16};
  other.put_all(flipped);
  Digests followers;
  DigestPlan before = plan();
  before.index = 1;
  (void)followers.compare(follower_.store(), other, leaders_.make(leader_.store(), log_, before));
  const Digest digest = leaders_.make(leader_.store(), log_, plan());
  const Comparison comparison = followers.compare(follower_.store(), other, digest);
  EXPECT_EQ(comparison.answer.differing, DigestAnswer::kEntries);
  EXPECT_EQ(comparison.divergence.where(leader_.store()),
            "log entry " + std::to_string(list_.size() - 1));
  EXPECT_TRUE(followers_.compare(follower_.store(), log_, digest).answer.are_entries_equal);
}

// Commits go on in the leader's book while digests of it are made. How many blocks were compared,
// how many differed.
struct Compared {
  uint64_t blocks = 0, equal = 0, differing = 0;
};
class DigestOfABusyBook : public DigestOfBooks {
 protected:
  // `is_late`: the follower has applied more when it compares.
  Compared run(bool is_late) {
    Compared compared;
    for (int round = 0; round < 30; ++round) {
      leader_.pay(4);
      list_ = leader_.entries(700);
      log_.put_all(list_);
      DigestPlan planned = plan();
      planned.blocks = 64;
      leader_.pay(3);  // behind the position
      std::atomic<bool> is_over{false};
      std::thread payer([&] {
        for (int i = 0; i < 400 && !is_over; ++i) pay_one(i);
      });
      const Digest digest = leaders_.make(leader_.store(), log_, planned);
      is_over = true;
      payer.join();
      apply(list_);
      if (is_late) leader_.pay(5), apply(leader_.entries());
      const auto answer = followers_.compare(follower_.store(), log_, digest).answer;
      compared.blocks += digest.blocks.size();
      compared.equal += static_cast<uint64_t>(__builtin_popcountll(answer.equal));
      compared.differing += answer.differing != DigestAnswer::kNothing;
    }
    return compared;
  }

 private:
  void pay_one(int i) {
    must(leader_.book.session.pay(
        Payment(payment_id(9'000'000 + number_ * 1000 + static_cast<uint64_t>(i)))
            .debit(leader_.book.world, 1)
            .credit(leader_.accounts[static_cast<size_t>(i) % leader_.accounts.size()], 1)));
  }
};

TEST_F(DigestOfABusyBook, LeaveOutWhatChangesAndFindNothing) {
  const Compared exact = run(false);
  EXPECT_EQ(exact.differing, 0u);
  EXPECT_EQ(exact.equal, exact.blocks) << "at the very position every block says something";
}

TEST_F(DigestOfABusyBook, FindNothingWhereTheFollowerIsBeyond) {
  const Compared late = run(true);
  EXPECT_EQ(late.differing, 0u);
  EXPECT_LT(late.equal, late.blocks) << "a run that shows nothing";
  EXPECT_GT(late.equal, late.blocks / 2);
}

TEST_F(DigestOfABusyBook, ThatKeepChangedCellsAreFound) {
  base::probes.mutant = base::Mutant::digest_keeps_changed;
  EXPECT_GT(run(false).differing, 0u);
}

// --- who is wrong ---

constexpr int64_t kMs = 1'000'000;

class WatchOfALeader : public testing::Test {
 protected:
  WatchOfALeader() { watch_.begin(5); }
  // The next digest, and the answers to it, by node: what is at block 1.
  DivergenceWatch::Judgement ask(const std::map<uint64_t, uint64_t>& answers, size_t voters) {
    now_ns_ += 100 * kMs;
    const auto plan = watch_.plan(10, Position::of(5, 77), 4, now_ns_);
    EXPECT_TRUE(plan);
    Digest digest{.term = plan->term,
                  .number = plan->number,
                  .index = plan->index,
                  .position = plan->position,
                  .first_unit = plan->first_unit,
                  .blocks = {}};
    digest.blocks.assign(4, DigestBlock{0, {kRight, 2 * kRight}});
    first_units_.push_back(digest.first_unit);
    watch_.made(digest);
    DivergenceWatch::Judgement last;
    std::vector<uint64_t> others(voters - 1);
    std::iota(others.begin(), others.end(), 2);
    for (const auto& [node, value] : answers) {
      DigestAnswer answer{.term = 5, .number = digest.number, .equal = 0xf, .sums = {}};
      if (value != kRight)
        answer.equal = 0xd, answer.differing = 1, answer.sums = {value, 2 * value};
      auto judgement = watch_.answered(node, answer, others, now_ns_);
      if (judgement.is_leader_odd || !judgement.odd.empty()) last = judgement;
    }
    return last;
  }

  static constexpr uint64_t kRight = 1000;
  DivergenceWatch watch_{{.node = 1}};
  std::vector<uint64_t> first_units_;
  int64_t now_ns_ = 1;
};

TEST_F(WatchOfALeader, SaysNothingWhereAllAreEqual) {
  for (int i = 0; i < 10; ++i) {
    const auto judgement = ask({{2, kRight}, {3, kRight}}, 3);
    EXPECT_TRUE(judgement.odd.empty());
    EXPECT_FALSE(judgement.is_leader_odd);
  }
  EXPECT_EQ(first_units_[1], 4 * kDigestBlockUnits) << "it goes on through the book";
}

TEST_F(WatchOfALeader, TellsTheOneThatIsAlone) {
  for (const bool is_first : {true, false}) {
    const auto judgement = ask(is_first ? std::map<uint64_t, uint64_t>{{2, 7}, {3, kRight}}
                                        : std::map<uint64_t, uint64_t>{{2, kRight}, {3, 7}},
                               3);
    EXPECT_EQ(judgement.odd, std::vector<uint64_t>{is_first ? 2u : 3u});
    EXPECT_TRUE(judgement.verdict.is_of_majority);
    EXPECT_FALSE(judgement.is_leader_odd);
  }
}

TEST_F(WatchOfALeader, FindsItselfAlone) {
  EXPECT_FALSE(ask({{2, 7}}, 3).is_leader_odd) << "one against one";
  const auto judgement = ask({{2, 7}, {3, 7}}, 3);
  EXPECT_TRUE(judgement.is_leader_odd);
  EXPECT_TRUE(judgement.odd.empty());
  EXPECT_EQ(judgement.divergence.position, Position::of(5, 77));
  EXPECT_FALSE(ask({{2, 7}, {3, 7}}, 5).is_leader_odd) << "two of five are no majority";
  EXPECT_TRUE(ask({{2, 7}, {3, 7}, {4, 7}, {5, kRight}}, 5).is_leader_odd);
}

TEST_F(WatchOfALeader, LooksAgainUntilAMajoritySays) {
  EXPECT_TRUE(ask({{2, 7}}, 3).odd.empty());
  for (int i = 0; i < 19; ++i) EXPECT_TRUE(ask({{2, 7}}, 3).odd.empty()) << i;
  EXPECT_EQ(first_units_[0], 0u);
  for (size_t i = 1; i < first_units_.size(); ++i)
    EXPECT_EQ(first_units_[i], i * kDigestBlockUnits) << "where it differed, each time";
  const auto judgement = ask({{2, 7}}, 3);
  EXPECT_EQ(judgement.odd, std::vector<uint64_t>{2}) << "after two seconds, as the leader has it";
  EXPECT_FALSE(judgement.verdict.is_of_majority);
}

TEST_F(WatchOfALeader, BothDifferEachInItsOwnWay) {
  EXPECT_TRUE(ask({{2, 7}, {3, 8}}, 3).odd.empty());
  EXPECT_FALSE(ask({{2, 7}, {3, 8}}, 3).is_leader_odd);
}

TEST_F(WatchOfALeader, ThatJudgesAloneIsFound) {
  base::probes.mutant = base::Mutant::digest_judged_alone;
  const auto judgement = ask({{2, 7}, {3, 7}}, 3);
  base::probes.mutant = base::Mutant::none;
  EXPECT_FALSE(judgement.is_leader_odd);
  EXPECT_EQ(judgement.odd.size(), 2u) << "the right ones";
}

TEST_F(WatchOfALeader, KeepsToItsPace) {
  // 4 blocks of 4 KiB at 8 MiB/s.
  int64_t now_ns = 0;
  uint64_t digests = 0;
  for (; now_ns < 1000 * kMs; now_ns += kMs / 10)
    digests += watch_.plan(10, Position::of(5, 77), 4, now_ns).has_value();
  EXPECT_LE(digests, 513u);
  EXPECT_GE(digests, 450u);
}

TEST(WatchOfAFollower, ComparesWhenSoMuchIsApplied) {
  DivergenceWatch watch({.node = 2});
  watch.begin(5);
  watch.came({.term = 5, .number = 1, .index = 10, .blocks = {}});
  watch.came({.term = 4, .number = 9, .index = 9, .blocks = {}});
  EXPECT_EQ(watch.due(9), nullptr);
  ASSERT_NE(watch.due(10), nullptr);
  EXPECT_EQ(watch.due(10), nullptr);
  watch.came({.term = 5, .number = 2, .index = 10, .blocks = {}});
  watch.begin(6);
  EXPECT_EQ(watch.due(10), nullptr) << "of a leader that is deposed";
}

TEST(WatchOfAFollower, KnowsWhatItIsJudgedFor) {
  DivergenceWatch watch({.node = 2});
  watch.begin(5);
  watch.compared({.answer = {.term = 5, .number = 3, .differing = 1, .sums = {}},
                  .divergence = {.kind = Divergence::Kind::word, .first = 640}});
  watch.compared({.answer = {.term = 5, .number = 4, .sums = {}}, .divergence = {}});
  EXPECT_EQ(watch.judged({.term = 5, .number = 3})->first, 640u);
  EXPECT_FALSE(watch.judged({.term = 5, .number = 4})) << "nothing differed there";
  EXPECT_FALSE(watch.judged({.term = 4, .number = 3}));
}

}  // namespace
}  // namespace casbook::replicate
