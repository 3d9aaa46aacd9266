// The arena that a node serves while it is exchanged, sealed and left: metrics, checkpoints, and
// what the next daemon finds.
#include <atomic>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "daemon/hosted_arena.h"
#include "support/child_process.h"
#include "support/cluster_book.h"
#include "support/faulty_storage.h"
#include "support/follower_rebuild.h"

namespace casbook::daemon {
namespace {

using namespace test_support;
using test::FaultyStorage;
using testing::HasSubstr;

uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(socket, reinterpret_cast<const sockaddr*>(&address), size);
  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  close(socket);
  return ntohs(address.sin_port);
}

std::string scrape(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET, address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    constexpr std::string_view kRequest = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(write(fd, kRequest.data(), kRequest.size()), static_cast<ssize_t>(kRequest.size()));
    char piece[4096];
    for (ssize_t bytes; (bytes = read(fd, piece, sizeof piece)) > 0;)
      answer.append(piece, static_cast<size_t>(bytes));
  }
  close(fd);
  return answer;
}

// A leader's records in the journal of a node that has no arena yet.
class Hosted : public testing::Test {
 protected:
  Hosted() {
    config_.book = "book";
    config_.create.directory = directory_.path();
    config_.cluster.id = "test", config_.cluster.node = 2;
    config_.checkpoint = {.every_bytes = 0, .every = std::chrono::milliseconds(0)};
  }
  void write_journal(uint64_t from, uint64_t to) {
    write_segments(disk_, leader_.replica.mapping(), records_of(leader_.store(), from, to),
                   {.per_entry = 7, .per_segment = 30});
  }
  uint64_t end() const { return log::log_end(leader_.store()); }
  Position last() const { return leader_.book.book.position(); }
  HostedArena& host() { return host_.emplace(config_, disk_, state_); }
  static uint64_t role(const HostedArena& arena) {
    return arena.lines().replication->role.load_relaxed();
  }
  static constexpr auto kFollowing = static_cast<uint64_t>(arena::ReplicaRole::following);

  BusyLeader leader_;
  FaultyStorage disk_{1};
  ScratchDirectory directory_;
  Config config_;
  const journal::JournalState state_{.journal_id = kTestJournalId, .reserved_term = 9};
  std::optional<HostedArena> host_;
};

// They read the book of the arena that is there, and that one has to live as long as they do.
TEST_F(Hosted, MetricsAreOfTheArenaThatIsThereNow) {
  const uint16_t port = free_port();
  config_.metrics.address = "127.0.0.1:" + std::to_string(port);
  write_journal(1, end());
  HostedArena& arena = host();
  const auto committed = [&] {
    return "casbook_committed_lsn{book=\"book\"} " + std::to_string(arena.next_lsn() - 1) + "\n";
  };
  for (uint64_t term = 5; term < 8; ++term) {
    must(arena.rebuild(last()));
    std::string text = scrape(port);
    std::erase(text, '\r');
    EXPECT_THAT(text, HasSubstr(committed()));
    must(arena.promote(term));
    arena.seal(term);
    text = scrape(port);
    std::erase(text, '\r');
    EXPECT_THAT(text, HasSubstr(committed()));
  }
}

// A leader may be deposed before its book was opened for it: the book goes on following.
TEST_F(Hosted, ASealOfATermThatWasNeverOpenedChangesNothing) {
  write_journal(1, end());
  HostedArena& arena = host();
  must(arena.rebuild(last()));
  arena.seal(7);
  EXPECT_EQ(role(arena), kFollowing);
  EXPECT_EQ(arena.position(), last());
  must(arena.promote(7));
  EXPECT_EQ(arena.position().term(), 7u);
  EXPECT_EQ(role(arena), static_cast<uint64_t>(arena::ReplicaRole::leading));
  arena.seal(7);
  EXPECT_EQ(role(arena), static_cast<uint64_t>(arena::ReplicaRole::sealed));
}

// Checkpoints are begun by another thread than the one that exchanges arenas.
TEST_F(Hosted, CheckpointsAreBegunWhileArenasAreExchanged) {
  write_journal(1, end());
  HostedArena& arena = host();
  arena.set_journal_end([this] { return end() - 1; });
  must(arena.rebuild(last()));
  mallopt(M_PERTURB, 0x5a);  // what was let go is not to be taken for what is there
  std::atomic<bool> is_over = false;
  std::jthread keeper([&] {
    while (!is_over) {
      arena.lines().journal->checkpoint_asked.add_relaxed(1);
      for (int i = 0; i < 100; ++i) arena.keep_checkpoints(0);
    }
  });
  for (int i = 0; i < 100; ++i) {
    must(arena.rebuild(last()));
    EXPECT_EQ(arena.position(), last());
  }
  is_over = true;
  keeper.join();
  mallopt(M_PERTURB, 0);
  EXPECT_NE(must(disk_.list()).size(), 0u);
}

// What a majority has on disk may be ahead of this node's own disk, and a checkpoint is completed
// by records that it reads there.
TEST_F(Hosted, ACheckpointWaitsForTheJournalOfItsOwnNode) {
  const uint64_t part = 7 * 20;
  write_journal(1, part + 1);
  std::atomic<uint64_t> synced = part;
  HostedArena& arena = host();
  arena.set_journal_end([&] { return synced.load(); });
  must(arena.rebuild(must(leader_.replica->take(part, 1)).last()));
  ASSERT_EQ(arena.next_lsn(), part + 1);
  for (uint64_t lsn = part + 1; lsn < end();) {
    const replicate::LogEntry entry = must(leader_.replica->take(lsn, 2000));
    must(arena.apply(entry));
    lsn += entry.count;
  }
  arena.tell_durable(last());
  const HostedArena::Lines lines = arena.lines();
  lines.journal->checkpoint_asked.add_relaxed(1);
  const auto answered = [&] { return lines.journal->checkpoint_answered.load_relaxed() != 0; };
  arena.keep_checkpoints(0);
  sleep_us(50'000);
  EXPECT_FALSE(answered()) << "records that are not on this disk yet";
  for (const std::string& name : must(disk_.list()))
    if (journal::segment_number(name)) must(disk_.remove(name));
  write_journal(1, end());
  synced = end() - 1;
  EXPECT_TRUE(await(answered));
  EXPECT_EQ(lines.journal->checkpoint_failures.load_relaxed(), 0u);
  EXPECT_EQ(Position{lines.journal->checkpoint_position.load_relaxed()}, last());
}

// Segments of entries that the log still begins with stay: what they say besides records (who is in
// the cluster) is to be noted first.
class KeptSegments : public Hosted {
 protected:
  static constexpr uint64_t kBarriers = 2;
  KeptSegments() {
    write_all();
    host().set_journal_end([this] { return end() - 1; });
    must(host_->rebuild(last()));
  }
  void write_all() {
    for (const std::string& name : must(disk_.list()))
      if (journal::segment_number(name)) must(disk_.remove(name));
    write_segments(disk_, leader_.replica.mapping(), records_of(leader_.store(), 1, end()),
                   {.per_entry = 7, .per_segment = 30, .barriers = kBarriers});
    before_ = segments().size();
  }
  std::vector<journal::Segment> segments() const {
    return must(journal::list_segments(disk_, kTestJournalId));
  }
  // That the log begins with.
  uint64_t base() const { return segments().front().header.first_index - 1; }
  void look(uint64_t log_base) {
    host_->keep_segments(log_base, ++looks_);
    sleep_us(20'000);
  }
  void take_checkpoint() {
    const HostedArena::Lines lines = host_->lines();
    const uint64_t asked = lines.journal->checkpoint_asked.load_relaxed() + 1;
    lines.journal->checkpoint_asked.store_relaxed(asked);
    ASSERT_TRUE(await([&] {
      host_->keep_checkpoints(0);
      return lines.journal->checkpoint_answered.load_relaxed() == asked;
    }));
    ASSERT_EQ(lines.journal->checkpoint_failures.load_relaxed(), 0u);
  }
  // The second of two makes superfluous what lies before the first.
  void take_two_checkpoints() {
    host_->tell_durable(last());
    take_checkpoint();
    const uint64_t from = end();
    leader_.pay(3);
    must(host_->apply(must(leader_.replica->take(from, 4096))));
    write_all();
    host_->tell_durable(last());
    take_checkpoint();
  }

  uint64_t before_ = 0, looks_ = 0;
};

TEST_F(KeptSegments, WithoutACheckpointAreAll) {
  EXPECT_EQ(host_->superfluous_index(), 0u);
  look(UINT64_MAX);
  EXPECT_EQ(segments().size(), before_);
  EXPECT_EQ(host_->superfluous_index(), 0u);
}

TEST_F(KeptSegments, AreNotThoseThatTheLogForgot) {
  take_two_checkpoints();
  EXPECT_TRUE(await([this] { return host_->superfluous_index() > kBarriers; }));
  EXPECT_EQ(segments().size(), before_) << "the log begins with them";
  const uint64_t superfluous = host_->superfluous_index();
  look(kBarriers);
  EXPECT_TRUE(await([this] { return base() == kBarriers; }));
  look(superfluous - 1);
  EXPECT_LT(base(), superfluous);
  look(superfluous);
  EXPECT_TRUE(await([&] { return base() == superfluous; }));
}

// A daemon that goes on with the arena that is there knows nothing of the log at first.
TEST_F(KeptSegments, AreAllWhileTheLogIsNotKnown) {
  take_two_checkpoints();
  host_.reset();
  ASSERT_TRUE(must(host().attach()));
  EXPECT_EQ(segments().size(), before_);
  EXPECT_GT(host_->superfluous_index(), kBarriers);
  look(kBarriers);
  EXPECT_TRUE(await([this] { return base() == kBarriers; }));
}

// The rules of checkpoints come later than the arena that is gone on with.
TEST_F(KeptSegments, AreThoseThatSomebodyReads) {
  take_two_checkpoints();
  host_.reset();
  ASSERT_TRUE(must(host().attach()));
  journal::SegmentHolds holds;
  host_->spare_segments(&holds);
  auto hold = holds.hold();
  look(UINT64_MAX);
  EXPECT_EQ(segments().size(), before_);
  hold.reset();
  look(UINT64_MAX);
  EXPECT_TRUE(await([this] { return base() > kBarriers; }));
  host_.reset();
}

// --- what the next daemon finds ---

class LeftArena : public Hosted {
 protected:
  LeftArena() {
    write_journal(1, end());
    must(host().rebuild(last()));
  }
  // Whether the next daemon goes on with it.
  bool is_gone_on_with() {
    host_.reset();
    return must(host().attach());
  }
};

TEST_F(LeftArena, OfAFollowerIsGoneOnWith) {
  EXPECT_TRUE(is_gone_on_with());
  EXPECT_EQ(host_->position(), last());
}

TEST_F(LeftArena, OfAKilledLeaderIsNot) {
  must(host_->promote(7));
  EXPECT_FALSE(is_gone_on_with());
}

TEST_F(LeftArena, OfASealedLeaderIsNot) {
  must(host_->promote(7));
  host_->seal(7);
  EXPECT_FALSE(is_gone_on_with());
}

// A majority has all of it. That its node is deposed in the next moment changes nothing about that.
TEST_F(LeftArena, OfALeaderThatWasStoppedCleanlyIsGoneOnWith) {
  must(host_->promote(7));
  const Position opened = host_->position();
  host_->seal(7);
  host_->mark_clean();
  host_->seal(7);
  EXPECT_TRUE(is_gone_on_with());
  EXPECT_GE(host_->position(), opened);
  must(host_->promote(8));
  EXPECT_EQ(host_->position().term(), 8u);
}

}  // namespace
}  // namespace casbook::daemon
