// A follower's arena: equal to the leader's in every cell and every record, whatever the entries
// are cut into; and an error that names the place where they are not of one log.
#include <cstring>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/log_reader.h"
#include "support/child_process.h"
#include "support/replica_arena.h"

namespace casbook::replicate {
namespace {

using namespace test_support;
using testing::HasSubstr;

class ReplicaApply : public testing::Test {
 protected:
  void apply_all(ReplicaArena& replica, const std::vector<LogEntry>& entries) {
    for (const LogEntry& entry : entries) must(replica->apply(entry));
  }
  std::string error_of(ReplicaArena& replica, const LogEntry& entry) {
    const auto applied = replica->apply(entry);
    EXPECT_EQ(code_of(applied), Code::damaged);
    return applied ? "" : applied.error().detail;
  }

  BusyLeader leader_;
  FollowerBook book_{leader_.replica.mapping()};
  ReplicaArena follower_ = book_.open();
};

TEST_F(ReplicaApply, MakesTheSameCellsAndTheSameRecords) {
  apply_all(follower_, leader_.entries());
  EXPECT_EQ(difference(leader_.store(), follower_.store()), "");
  std::set<commit::Kind> kinds;
  std::set<commit::Mode> modes;
  for (uint64_t lsn = 1; lsn < log::log_end(follower_.store()); ++lsn) {
    log::Record record;
    ASSERT_EQ(log::fetch(follower_.store(), lsn, record), log::Fetch::got);
    kinds.insert(record.kind);
    for (uint32_t i = 0; i < record.change_count; ++i) modes.insert(record.changes[i].mode());
  }
  EXPECT_EQ(kinds.size(), 12u) << "every kind occurs";
  EXPECT_EQ(modes.size(), 5u) << "every mode occurs";
}

TEST_F(ReplicaApply, MakesAnOrdinaryBook) {
  apply_all(follower_, leader_.entries());
  Book book = book_.attach();
  const CheckReport report = book.check();
  EXPECT_TRUE(report.ok) << report.problems.front();
  EXPECT_EQ(book.position(), leader_.book.book.position());
  for (const Account account : leader_.accounts)
    EXPECT_EQ(must(book.balance(account)).available, leader_.book.available(account));
  EXPECT_EQ(must(book.history(leader_.accounts[0])).size(),
            must(leader_.book.book.history(leader_.accounts[0])).size());
  const auto found = must(book.lookup(payment_id(1'000'001)));
  EXPECT_EQ(found.position, must(leader_.book.book.lookup(payment_id(1'000'001))).position);
  EXPECT_EQ(book.leases().size(), 2u);
  EXPECT_EQ(book.status().term, 3u);
  EXPECT_FALSE(book.status().open);
}

TEST_F(ReplicaApply, TakesEntriesOfAnySizeAndOfOneTermEach) {
  for (const uint64_t bytes_max : {uint64_t{1}, uint64_t{700}, uint64_t{1} << 20}) {
    FollowerBook book{leader_.replica.mapping()};
    ReplicaArena follower = book.open();
    const auto entries = leader_.entries(bytes_max);
    for (const LogEntry& entry : entries) {
      EXPECT_TRUE(entry.count == 1 || entry.body.size() <= bytes_max);
      must(follower->apply(entry));
      EXPECT_EQ(follower->next_lsn(), entry.first_lsn + entry.count);
    }
    EXPECT_EQ(difference(leader_.store(), follower.store()), "") << bytes_max;
    if (bytes_max > 1000) {
      EXPECT_EQ(entries.size(), 3u) << "of one term each";
    }
  }
}

TEST_F(ReplicaApply, BarriersAndConfigurationsChangeNothing) {
  must(follower_->apply(
      {.index = 1, .term = 5, .type = journal::EntryType::change, .first_lsn = 1}));
  must(follower_->apply(
      {.index = 2, .term = 5, .type = journal::EntryType::barrier, .first_lsn = 1}));
  EXPECT_EQ(follower_->next_lsn(), 1u);
  EXPECT_EQ(follower_.store().control().gate.load_relaxed(), 1u << 1);
}

TEST_F(ReplicaApply, WhatIsThereAlreadyIsComparedAndSkipped) {
  const auto entries = leader_.entries();
  for (size_t i = 0; i < entries.size(); ++i) {
    must(follower_->apply(entries[i]));
    must(follower_->apply(entries[i / 2]));
  }
  apply_all(follower_, entries);
  EXPECT_EQ(difference(leader_.store(), follower_.store()), "");
}

TEST_F(ReplicaApply, GoesOnWhereTheLastOneStopped) {
  auto entries = leader_.entries();
  for (const LogEntry& entry : entries) {
    const ReplicaArena replica = book_.open();
    must(replica->apply(entry));
  }
  EXPECT_EQ(difference(leader_.store(), follower_.store()), "");
}

// --- divergence ---

// The `at`th record of an entry, changed by `change` and sealed again.
LogEntry with_record(const LogEntry& entry, uint32_t at,
                     const std::function<void(log::Record&)>& change) {
  LogEntry changed = entry;
  changed.body.clear();
  const auto* words = reinterpret_cast<const uint64_t*>(entry.body.data());
  for (uint32_t i = 0; i < entry.count; ++i) {
    log::Record record;
    const uint32_t count = log::encoded_words(words[1]);
    EXPECT_TRUE(log::decode(words, count, record));
    words += count;
    if (i == at) change(record);
    log::EncodedRecord encoded;
    log::encode(log::image_of(record), encoded);
    const auto bytes = std::as_bytes(encoded.span());
    changed.body.insert(changed.body.end(), bytes.begin(), bytes.end());
  }
  return changed;
}

class ReplicaDivergence : public ReplicaApply {
 protected:
  // All but the last entries, which have to be more than one record of a payment.
  ReplicaDivergence() {
    leader_.pay(10);
    auto entries = leader_.entries(3000);
    last_ = entries.back();
    entries.pop_back();
    apply_all(follower_, entries);
  }
  // Of the first change in this mode in the entry.
  std::string with_change(commit::Mode mode, const std::function<void(log::Change&)>& change) {
    for (uint32_t r = 0; r < last_.count; ++r) {
      bool is_changed = false;
      const LogEntry entry = with_record(last_, r, [&](log::Record& record) {
        for (uint32_t i = 0; i < record.change_count && !is_changed; ++i)
          if (record.changes[i].mode() == mode) {
            change(record.changes[i]), is_changed = true;
            place_ = "lsn " + std::to_string(record.position.lsn()) + ": cell " +
                     std::to_string(record.changes[i].unit());
          }
      });
      if (is_changed) return error_of(follower_, entry);
    }
    return "no such change in the entry";
  }
  LogEntry last_;
  std::string place_;
};

TEST_F(ReplicaDivergence, OfAVersionIsNamed) {
  const std::string detail = with_change(commit::Mode::set, [](log::Change& c) { ++c.prior; });
  EXPECT_THAT(detail, HasSubstr(place_));
  EXPECT_THAT(detail, HasSubstr("version"));
}
TEST_F(ReplicaDivergence, OfAValueIsNamed) {
  const std::string detail = with_change(commit::Mode::set, [](log::Change& c) { ++c.old_value; });
  EXPECT_THAT(detail, HasSubstr(place_));
  EXPECT_THAT(detail, HasSubstr("value"));
}
TEST_F(ReplicaDivergence, OfAnAddedValueIsNamed) {
  const std::string detail = with_change(commit::Mode::add, [](log::Change& c) { ++c.old_value; });
  EXPECT_THAT(detail, HasSubstr(place_));
  EXPECT_THAT(detail, HasSubstr("value"));
}
TEST_F(ReplicaDivergence, OfACheckedVersionIsNamed) {
  const std::string detail = with_change(commit::Mode::check, [](log::Change& c) { ++c.prior; });
  EXPECT_THAT(detail, HasSubstr(place_));
  EXPECT_THAT(detail, HasSubstr("word version"));
}
TEST_F(ReplicaDivergence, OfWhatIsThereAlreadyIsNamed) {
  must(follower_->apply(last_));
  const std::string detail =
      error_of(follower_, with_record(last_, 1, [](log::Record& record) { ++record.time_ms; }));
  EXPECT_THAT(detail, HasSubstr("lsn " + std::to_string(last_.first_lsn + 1)));
  EXPECT_THAT(detail, HasSubstr("other content"));
}
TEST_F(ReplicaDivergence, AHoleIsNamed) {
  leader_.pay(10);
  EXPECT_THAT(error_of(follower_, leader_.entries(3000).back()),
              HasSubstr("the next one here is lsn " + std::to_string(last_.first_lsn)));
}
TEST_F(ReplicaDivergence, AnEarlierTermIsNamed) {
  LogEntry entry = with_record(last_, 0, [](log::Record& record) {
    record.position = Position::of(2, record.position.lsn());
  });
  entry.term = 2;
  EXPECT_THAT(error_of(follower_, entry), HasSubstr("this arena is in term 3"));
}
TEST_F(ReplicaDivergence, BytesThatAreNoRecordsAreNamed) {
  LogEntry entry = last_;
  entry.body[entry.body.size() - 9] ^= std::byte{1};
  EXPECT_THAT(error_of(follower_, entry), HasSubstr("not the records"));
  entry = last_;
  entry.body.resize(entry.body.size() - 8);
  EXPECT_THAT(error_of(follower_, entry), HasSubstr("not the records"));
  entry = last_;
  --entry.count;
  EXPECT_THAT(error_of(follower_, entry), HasSubstr("not the records"));
}
TEST_F(ReplicaDivergence, WriteSetsThatNobodyMakesAreNamed) {
  const auto first = [&](const std::function<void(log::Record&)>& change) {
    return error_of(follower_, with_record(last_, 0, change));
  };
  EXPECT_THAT(first([](log::Record& r) { r.changes[0].where = 1ull << 60; }), HasSubstr("no such"));
  EXPECT_THAT(first([](log::Record& r) { std::swap(r.changes[0], r.changes[1]); }),
              HasSubstr("out of order"));
  EXPECT_THAT(first([](log::Record& r) { r.changes[1] = r.changes[0]; }), HasSubstr("named twice"));
  EXPECT_THAT(first([](log::Record& r) { r.changes[0].where |= 7; }), HasSubstr("a mode"));
}
// And is applied as it is after all of them: nothing was changed by what was refused.
TEST_F(ReplicaDivergence, LeavesTheArenaAsItWas) {
  (void)with_change(commit::Mode::set, [](log::Change& c) { ++c.prior; });
  must(follower_->apply(last_));
  EXPECT_EQ(difference(leader_.store(), follower_.store()), "");
}

// --- beside others ---

TEST(ReplicaBackpressure, OfAUsersFollowerIsAnsweredAndTriedAgain) {
  BusyLeader leader(1024);
  leader.work(2);
  FollowerBook book(leader.replica.mapping());
  ReplicaArena follower = book.open();
  Book attached = book.attach();
  LogFollower reader = must(attached.follow("auditor", FullPolicy::refuse_payments, true));
  int held = 0;
  for (int i = 0; i < 12; ++i) {
    leader.work(10);
    LogEntry entry;
    // From where the follower is: the leader's own ring is not held.
    while ((entry = must(leader.replica->take(follower->next_lsn(), 1 << 20))).count != 0) {
      for (auto applied = follower->apply(entry); !applied; applied = follower->apply(entry)) {
        ASSERT_EQ(applied.error().code, Code::backpressure) << applied.error().message();
        ++held;
        while (must(reader.next())) {
        }
        reader.release();
      }
    }
  }
  EXPECT_GT(held, 0);
  EXPECT_EQ(difference(leader.store(), follower.store()), "");
}

// Readers of other processes see a book that is whole at every position.
TEST_F(ReplicaApply, OthersReadMeanwhile) {
  struct Stop {
    base::AtomicU64 asked;
  };
  Shared<Stop> stop;
  const Account world = leader_.book.world;
  std::vector<Child> readers;
  for (int r = 0; r < 2; ++r)
    readers.emplace_back([&] {
      Book book = r == 0 ? book_.observe() : book_.attach();
      uint64_t looks = 0;
      for (; stop->asked.load_relaxed() == 0; ++looks) {
        const auto audited = book.audit();
        require(audited ? audited->ok : audited.error().code == Code::overrun, "audit");
        require(static_cast<bool>(book.snapshot()) || true, "snapshot");
        const auto balance = book.balance(world);
        require(balance || balance.error().code == Code::account_missing, "balance");
        const auto log = book.read_log({}, Level::memory);
        require(static_cast<bool>(log), "read_log");
        const CheckReport report = book.check();
        require(report.ok, report.ok ? "" : report.problems.front().c_str());
      }
      require(looks > 3, "hardly looked");
    });
  for (int i = 0; i < 15; ++i) {
    leader_.work(1);
    for (const LogEntry& entry : leader_.entries(900))
      if (entry.first_lsn + entry.count > follower_->next_lsn()) {
        must(follower_->apply(entry));
        sleep_us(200);
      }
  }
  stop->asked.store_relaxed(1);
  for (Child& reader : readers) EXPECT_TRUE(reader.succeeded());
  EXPECT_EQ(difference(leader_.store(), follower_.store()), "");
}

// --- terms ---

// How long after the last payment of another leader the first one comes here, in ms. A payment that
// finds the horizon of the ids late by a 64th of the window moves it first, by a record of its own;
// no other record comes between.
class ReplicaPromoted : public ReplicaApply, public testing::WithParamInterface<int64_t> {
 protected:
  ReplicaPromoted() {
    base::InjectedClock& clock = base::injected_clock;
    clock.virtual_ns = (base::wall_clock_ms() - clock.wall_offset_ms) * 1'000'000;  // stands still
    step_wall_clock(kHorizonLagMs + 1);
    leader_.pay(1);
  }
  static constexpr int64_t kHorizonLagMs = 10'000 / 64;  // of the leader's window
  bool moves_horizon() const { return GetParam() > kHorizonLagMs; }
};
INSTANTIATE_TEST_SUITE_P(AtOnceAndLate, ReplicaPromoted, testing::Values(0, 150, 200));

TEST_P(ReplicaPromoted, OpensATermOfItsOwn) {
  apply_all(follower_, leader_.entries());
  Book book = book_.attach();
  Session session = must(book.open_session());
  const auto pay = [&](uint64_t id) {
    return session.pay(
        Payment(payment_id(id)).debit(leader_.book.world, 1).credit(leader_.accounts[0], 1));
  };
  EXPECT_EQ(code_of(pay(1)), Code::book_closed);
  EXPECT_EQ(code_of(follower_->promote(3)), Code::bad_argument) << "its term was led by another";
  const Position opened = must(follower_->promote(7));
  EXPECT_EQ(opened, Position::of(7, log::log_end(leader_.store())));
  EXPECT_EQ(must(follower_->promote(7)), opened) << "the same answer";
  step_wall_clock(GetParam());
  const Receipt receipt = must(pay(1));
  EXPECT_EQ(receipt.position, Position::of(7, opened.lsn() + (moves_horizon() ? 2 : 1)));
  if (moves_horizon()) {
    log::Record between;
    ASSERT_EQ(log::fetch(follower_.store(), opened.lsn() + 1, between), log::Fetch::got);
    EXPECT_EQ(between.kind, commit::Kind::move_horizon);
  }
  EXPECT_EQ(code_of(follower_->promote(8)), Code::bad_argument) << "it is open";

  const Position sealed = must(follower_->seal(7));
  EXPECT_EQ(sealed, Position::of(7, receipt.position.lsn() + 1));
  EXPECT_EQ(must(follower_->seal(7)), sealed);
  EXPECT_EQ(code_of(pay(2)), Code::book_closed);
  EXPECT_EQ(code_of(follower_->seal(9)), Code::bad_argument);
}

// A clean step-down: what it led is in the log, and it follows in the same arena.
TEST_F(ReplicaApply, WhoLedAndLostNothingFollowsInPlace) {
  apply_all(follower_, leader_.entries());
  must(follower_->promote(4));
  must(follower_->seal(4));
  FollowerBook book(leader_.replica.mapping());
  ReplicaArena third = book.open();
  apply_all(third, leader_.entries());
  const LogEntry led = must(follower_->take(log::log_end(leader_.store()), 1 << 20));
  EXPECT_EQ(led.count, 2u);
  must(third->apply(led));
  must(third->promote(5));
  must(follower_->apply(must(third->take(third->next_lsn() - 1, 1 << 20))));
  EXPECT_EQ(follower_.store().control().gate.load_relaxed(), 5u << 1) << "in term 5, shut";
  EXPECT_EQ(records_of(follower_.store(), 1, follower_->next_lsn()),
            records_of(third.store(), 1, third->next_lsn()));
}

TEST_F(ReplicaApply, AnOpenBookIsNotAppliedTo) {
  EXPECT_THAT(
      error_of(leader_.replica, {.index = 1, .term = 3, .first_lsn = 1, .count = 1, .body = {}}),
      HasSubstr("not the records"));
  leader_.pay(1);
  auto entries = leader_.entries(1);
  apply_all(follower_, {entries.begin(), entries.end() - 1});
  must(follower_->promote(4));
  EXPECT_EQ(code_of(follower_->apply(entries.back())), Code::damaged);
}

TEST_F(ReplicaApply, AQuarantinedArenaIsNotAppliedTo) {
  auto entries = leader_.entries();
  must(follower_->apply(entries[0]));
  must(book_.attach().set_quarantine(true));
  EXPECT_EQ(code_of(follower_->apply(entries[1])), Code::quarantined);
  EXPECT_EQ(code_of(follower_->promote(9)), Code::quarantined);
}

}  // namespace
}  // namespace casbook::replicate
