// A copy takes the place of a journal, and the process dies, the power goes or the disk fails at
// every change that this makes: the next start has the old journal whole or the new one whole.
#include <gtest/gtest.h>

#include "support/copied_log.h"
#include "support/faulty_storage.h"

namespace casbook::journal {
namespace {

using namespace test_support;
using base::Mutant;
using test::FaultyStorage;

constexpr uint64_t kFrom = 7, kOwn = 9;  // journal ids

CopyMessages copy_of_another(std::vector<std::string>& said) {
  FaultyStorage storage(1);
  CopiedLog source(storage, kFrom);
  must(source.open());
  source.append(90, 4);
  must(source.drive());
  said = source.said();
  return must(messages_of(*must(CopySource::open(storage, kFrom, source.end()))));
}

// A node with a log of its own, which gets a copy.
class Node {
 public:
  explicit Node(uint64_t seed) : storage(seed) {
    CopiedLog own(storage, kOwn);
    must(own.open());
    own.append(50, 2);
    must(own.drive());
    own.replace(30, 40, 3);  // with a cut in it
    must(own.drive());
    old_ = own.said();
  }

  Result<void> take(const CopyMessages& messages) {
    auto target = CopyTarget::open(
        storage, {.journal_id = kOwn, .segments_before = 100, .segment_bytes = kCopySegmentBytes});
    if (!target) return target.error();
    for (const auto& message : messages)
      if (auto taken = (*target)->take(message); !taken) return taken;
    is_whole = (*target)->is_whole();
    const Installation installation = (*target)->installation();
    target->reset();
    is_installing = true;
    return install(storage, installation);
  }

  // As the next start finds it. What is wrong; empty: nothing.
  std::string look(const std::vector<std::string>& copied, bool& is_new) {
    auto finished = finish_installation(storage);
    if (!finished) return finished.error().message();
    CopiedLog log(storage, kOwn);
    if (auto opened = log.open(); !opened) return opened.error().message();
    const auto said = log.said();
    is_new = said == copied;
    if (!is_new && said != old_) return "neither the old journal nor the new one";
    const auto names = must(storage.list());
    for (const std::string& name : names)
      if (name.starts_with("incoming.") || name.starts_with("received.") ||
          name.starts_with("install"))
        return name + " is left";
    return "";
  }

  FaultyStorage storage;
  bool is_whole = false, is_installing = false;

 private:
  std::vector<std::string> old_;
};

class CopyInstallation : public testing::Test {
 protected:
  std::vector<std::string> copied_;
  const CopyMessages messages_ = copy_of_another(copied_);
};

TEST_F(CopyInstallation, TakesThePlaceOfTheOldJournal) {
  Node node(3);
  must(node.take(messages_));
  bool is_new = false;
  EXPECT_EQ(node.look(copied_, is_new), "");
  EXPECT_TRUE(is_new);
}

// Of taking the copy and of installing it.
uint64_t changes_of(const CopyMessages& messages) {
  Node node(3);
  const uint64_t before = node.storage.count(test::kChanges);
  must(node.take(messages));
  return node.storage.count(test::kChanges) - before;
}

TEST_F(CopyInstallation, IsWholeOrNotAtAllWhenThePowerGoes) {
  const uint64_t changes = changes_of(messages_);
  ASSERT_GT(changes, 20u);
  uint64_t kept = 0, replaced = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed)
    for (uint64_t nth = 1; nth <= changes; ++nth) {
      Node node(seed);
      node.storage.lose_power_at(nth);
      (void)!node.take(messages_);
      node.storage.crash();
      bool is_new = false;
      ASSERT_EQ(node.look(copied_, is_new), "") << "seed " << seed << ", change " << nth;
      ++(is_new ? replaced : kept);
    }
  EXPECT_GT(kept, 0u);
  EXPECT_GT(replaced, 0u);
}

// And once more in the start that finishes it.
TEST_F(CopyInstallation, IsFinishedByAStartThatWasInterruptedToo) {
  const uint64_t changes = changes_of(messages_);
  for (uint64_t nth = changes / 2; nth <= changes; ++nth)
    for (uint64_t again = 1; again <= 12; ++again) {
      Node node(nth);
      node.storage.lose_power_at(nth);
      (void)!node.take(messages_);
      node.storage.crash();
      node.storage.lose_power_at(again);
      (void)!finish_installation(node.storage);
      node.storage.crash();
      bool is_new = false;
      ASSERT_EQ(node.look(copied_, is_new), "") << "changes " << nth << ", " << again;
    }
}

// The page cache stays: as where the daemon is killed, or the disk answers an error once.
TEST_F(CopyInstallation, IsWholeOrNotAtAllWhenTheDiskFails) {
  Node counting(3);
  const uint64_t before = counting.storage.count(test::kFallible);
  must(counting.take(messages_));
  const uint64_t operations = counting.storage.count(test::kFallible) - before;
  for (uint64_t nth = 1; nth <= operations; ++nth) {
    Node node(3);
    node.storage.fail({.nth = nth, .error_number = EIO, .is_lasting = true});
    const auto taken = node.take(messages_);
    node.storage.fail({});
    bool is_new = false;
    ASSERT_EQ(node.look(copied_, is_new), "") << "operation " << nth;
    EXPECT_TRUE(taken ? is_new : true) << "operation " << nth;
  }
}

// Half a copy that is taken for a whole one is seen.
TEST_F(CopyInstallation, OfHalfACopyIsSeen) {
  base::probes.mutant = Mutant::copy_installed_half;
  Node node(3);
  const CopyMessages half(messages_.begin(), messages_.begin() + 40);
  (void)!node.take(half);
  base::probes.mutant = Mutant::none;
  EXPECT_TRUE(node.is_whole);
  bool is_new = false;
  EXPECT_NE(node.look(copied_, is_new), "");
}

// --- the rule ------------------------------------------------------------------------------------

TEST(MayInstall, NothingThatWasAcknowledgedIsLost) {
  struct Case {
    OfferedLog copy;
    OwnLog own;
    bool is_allowed;
    const char* why;
  };
  const Case cases[] = {
      {{100, 5, 80}, {40, 3, 5}, true, "behind what is committed there"},
      {{100, 5, 80}, {80, 5, 5}, true, "as long as what is committed there"},
      {{100, 5, 80}, {90, 4, 5}, true, "has an entry of the term that this node is in"},
      {{100, 5, 80}, {101, 5, 5}, false, "this node has more of that term"},
      {{100, 5, 80}, {90, 6, 6}, false, "this node has an entry of a later term"},
      {{100, 5, 80},
       {90, 4, 6},
       false,
       "what this node acknowledged to the leader of term 6 may not be in it"},
      {{100, 5, 80}, {70, 4, 6}, true, "whatever it acknowledged, it is committed there"},
      {{100, 7, 80}, {90, 4, 6}, true, "of a later term than any leader it knows"},
      {{100, 5, 80}, {0, 0, 1}, true, "a new node"},
  };
  for (const Case& each : cases)
    EXPECT_EQ(may_install(each.copy, each.own), each.is_allowed) << each.why;
  // Without the rule all of them are.
  base::probes.mutant = Mutant::copy_installed_unruled;
  for (const Case& each : cases) EXPECT_TRUE(may_install(each.copy, each.own)) << each.why;
  base::probes.mutant = Mutant::none;
}

}  // namespace
}  // namespace casbook::journal
