// The configuration beside the segments: over a disk that loses, what is read is the old one or the
// new one, and the new one where its writer came back. And in a node's life: a change, its entry
// made superfluous, power lost at every step of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/probe.h"
#include "journal/configuration_file.h"
#include "replicate/replicator.h"
#include "support/consensus_cluster.h"
#include "support/faulty_storage.h"

namespace casbook::test {
namespace {

using namespace replicate;
using journal::KeptConfiguration;
using testing::HasSubstr;

constexpr uint64_t kJournal = 7, kCluster = 9;
constexpr int64_t kMs = 1'000'000;

KeptConfiguration kept(uint64_t index, uint64_t nodes) {
  return {.journal_id = kJournal,
          .index = index,
          .term = 2,
          .body = encode(ConsensusCluster::configuration(nodes))};
}

TEST(KeptConfiguration, ComesBackWholeAfterALossOfPower) {
  uint64_t old_ones = 0, new_ones = 0;
  for (uint64_t nth = 1; nth <= 12; ++nth)
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      FaultyStorage storage(seed);
      ASSERT_TRUE(journal::write_configuration(storage, kept(5, 3)));
      storage.lose_power_at(nth);
      const bool is_written = static_cast<bool>(journal::write_configuration(storage, kept(9, 5)));
      storage.crash();
      const auto found = journal::read_configuration(storage);
      ASSERT_TRUE(found) << found.error().message();
      const bool is_new = found->index == 9;
      EXPECT_EQ(found->body, kept(0, is_new ? 5 : 3).body);
      EXPECT_TRUE(is_new || !is_written);
      ++(is_new ? new_ones : old_ones);
    }
  EXPECT_GT(old_ones, 20u);
  EXPECT_GT(new_ones, 20u);
}

TEST(KeptConfiguration, RefusesWhatItIsNot) {
  FaultyStorage storage(1);
  EXPECT_EQ(journal::read_configuration(storage).error().code, Code::book_missing);
  ASSERT_TRUE(journal::write_configuration(storage, kept(5, 3)));
  const auto content = storage.content(journal::kConfigurationName);
  const auto code = [&](size_t at, int change) {
    auto spoiled = content;
    spoiled[at] = static_cast<std::byte>(static_cast<int>(spoiled[at]) + change);
    storage.put(journal::kConfigurationName, spoiled);
    const auto read = journal::read_configuration(storage);
    return read ? Code{} : read.error().code;
  };
  EXPECT_EQ(code(4000, 0), Code{});
  EXPECT_EQ(code(8, 1), Code::format_newer);
  for (const size_t at : {0, 12, 16, 24, 32, 48, 56, 70})
    EXPECT_EQ(code(at, 1), Code::damaged) << at;
  storage.put(journal::kConfigurationName, std::span(content).first(100));
  EXPECT_EQ(journal::read_configuration(storage).error().code, Code::damaged);
}

// A book of nothing but entries of a size.
class PlainBook final : public HostedBook {
 public:
  uint64_t end = 1, term = 0, bytes = 60'000;
  void seal(uint64_t) override {}
  Result<bool> take(uint64_t from_lsn, uint64_t, LogEntry& entry) override {
    if (from_lsn >= end) return false;
    entry.first_lsn = from_lsn, entry.count = 1, entry.term = term;
    entry.body.resize(bytes);
    return true;
  }
  uint64_t end_lsn() const override { return end; }
  Waits waits() const override { return Waits::for_disk; }
  void tell_quorum(Position) override {}
  void tell_durable(Position) override {}
  void tell_leader(const std::optional<Server>&, uint64_t) override {}
  void tell_leading_until(int64_t) override {}
  uint64_t confirm_asked() const override { return 0; }
  void tell_confirmed(uint64_t) override {}
  void quarantine(const std::optional<Divergence>&) override {}
};

// Two voters in one thread, each with a disk that may lose its power.
class Pair {
 public:
  explicit Pair(uint64_t seed) {
    for (uint64_t id = 1; id <= 2; ++id) nodes_.push_back(std::make_unique<Node>(*this, id, seed));
    for (auto& node : nodes_) EXPECT_TRUE(open(*node)) << "node " << node->id;
  }

  struct Node final : Network {
    Node(Pair& owner, uint64_t number, uint64_t seed)
        : pair(owner), id(number), storage(seed * 2 + number) {}
    void multicast(std::span<const std::byte> d) override { pair.carry(3 - id, d); }
    void unicast(uint64_t to, std::span<const std::byte> d) override { pair.carry(to, d); }
    void flush() override {}
    uint32_t datagram_bytes() const override { return 1400; }

    Pair& pair;
    const uint64_t id;
    FaultyStorage storage;
    PlainBook book;
    std::unique_ptr<RaftLog> log;
    std::unique_ptr<Replicator> node;
    uint64_t boots = 0;
  };

  Result<void> open(Node& it) {
    it.node.reset(), it.log.reset();
    const Configuration two = ConsensusCluster::configuration(2);
    auto state = journal::read_state(it.storage);
    if (!state) {
      state = journal::JournalState{
          .journal_id = kJournal, .reserved_term = 1, .cluster = kCluster, .node = it.id};
      if (auto written = journal::write_state(it.storage, *state); !written) return written;
    }
    auto log =
        RaftLog::open(it.storage, kJournal, {}, two,
                      {.appender = {.segment_bytes = 64 * journal::kBlockBytes, .buffers = 3}});
    if (!log) return log.error();
    it.log = std::move(*log);
    ReplicatorOptions options{.self = two.servers[it.id - 1], .configuration = two};
    options.transport.cluster = kCluster, options.transport.node = it.id;
    options.transport.boot = options.transport.seed = it.id * 100 + ++it.boots;
    options.consensus.seed = static_cast<uint32_t>(it.id);
    auto node = Replicator::open(options, it.storage, *state, *it.log, it, key_, it.book,
                                 it.log->base_index(), false, now_);
    if (!node) return node.error();
    it.node = std::move(*node);
    return {};
  }

  Node& node(uint64_t id) { return *nodes_[id - 1]; }
  Node* leader() {
    for (auto& each : nodes_)
      if (each->node && each->node->standing() == Standing::leading) return each.get();
    return nullptr;
  }
  // A node whose disk fails is down.
  void run(int64_t ms) {
    for (const int64_t end = now_ + ms * kMs; now_ < end; now_ += kMs / 2) {
      auto arrivals = std::exchange(arrivals_, {});
      for (auto& [to, datagram] : arrivals)
        if (to <= 2 && node(to).node) settle(node(to), node(to).node->receive(datagram, now_));
      for (auto& each : nodes_)
        if (each->node) settle(*each, turn(*each));
    }
  }
  bool run_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 5000 && !condition(); ++i) run(1);
    return condition();
  }
  void pay(uint64_t entries) {
    leader()->book.term = leader()->node->led_term();
    leader()->book.end += entries;
  }
  // A checkpoint at what is applied: segments that are covered go, as the daemon does it.
  Result<void> drop_old_segments(Node& it) {
    auto segments = journal::list_segments(it.storage, kJournal);
    if (!segments) return segments.error();
    while (segments->size() > 1 &&
           (*segments)[1].header.first_index <= it.node->applied_index() + 1) {
      if (auto gone = it.storage.remove(journal::segment_name((*segments)[0].number)); !gone)
        return gone;
      segments->erase(segments->begin());
    }
    if (auto synced = it.storage.sync_directory(); !synced) return synced;
    const uint64_t index = segments->front().header.first_index - 1;
    if (index <= it.log->base_index()) return {};
    const auto compacted = it.node->compacted(index, now_);
    if (compacted && *compacted) (void)it.log->compact(index);
    return compacted ? Result<void>() : compacted.error();
  }

 private:
  void carry(uint64_t to, std::span<const std::byte> datagram) {
    arrivals_.emplace_back(to, std::vector<std::byte>(datagram.begin(), datagram.end()));
  }
  void settle(Node& it, const Result<void>& done) {
    if (!done) it.node.reset();
  }
  Result<void> turn(Node& it) {
    if (now_ >= it.node->deadline_ns())
      if (auto done = it.node->tick(now_); !done) return done;
    for (int i = 0; i < 8; ++i) {
      auto collected = it.node->collect(now_);
      if (!collected) return collected.error();
      if (!*collected) break;
    }
    if (!it.log->appender().is_settled())
      if (auto done = it.log->appender().complete(); !done) return done;
    if (auto done = it.log->appender().prepare_spare(); !done) return done;
    if (auto done = it.log->roll(); !done) return done;
    if (auto done = it.node->disk_moved(now_); !done) return done;
    for (Task task = it.node->next_task(); task.kind != Task::Kind::none;
         task = it.node->next_task()) {
      if (task.kind == Task::Kind::apply) {
        if (task.entry->count) it.book.end = task.entry->first_lsn + task.entry->count;
        it.node->applied(task.entry->index);
      }
      if (task.kind == Task::Kind::promote) it.node->promoted(task.term);
      if (task.kind == Task::Kind::rebuild) it.node->rebuilt(it.node->commit_index());
    }
    return {};
  }

  ClusterKey key_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::pair<uint64_t, std::vector<std::byte>>> arrivals_;
  int64_t now_ = 1'000'000'000;
};

// The follower has the change, forgets the segment with its entry, and loses power at the nth step
// from the change on. Whether it still knows three members where its log has the entry no more.
struct Outcome {
  uint64_t forgot = 0, dropped = 0;
};
void lose_power(uint64_t nth, uint64_t seed, Outcome& outcome) {
  Pair pair(seed);
  ASSERT_TRUE(pair.run_until([&] { return pair.leader(); }));
  Pair::Node& leader = *pair.leader();
  Pair::Node& follower = pair.node(3 - leader.id);
  follower.storage.lose_power_at(nth);
  const auto asked = leader.node->ask({.kind = MemberRequest::Kind::add,
                                       .id = 3,
                                       .address = "10.0.0.3:7400",
                                       .stays_standby = true,
                                       .until_ns = INT64_MAX},
                                      1'000'000'000);
  ASSERT_TRUE(asked);
  for (int i = 0; i < 30 && follower.node; ++i) {
    pair.run(5);
    if (pair.leader()) pair.pay(2);
    if (follower.node && i % 3 == 2) (void)!pair.drop_old_segments(follower);
  }
  follower.storage.crash();
  const auto opened = pair.open(follower);
  ASSERT_TRUE(opened) << opened.error().message();
  if (follower.log->base_index() < 3) return;  // the change is entry 3
  ++outcome.dropped;
  outcome.forgot += follower.node->configuration().servers.size() != 3;
}

TEST(KeptConfiguration, OutlivesItsEntry) {
  Outcome outcome;
  for (uint64_t nth = 4; nth <= 160; nth += 6) lose_power(nth, nth, outcome);
  EXPECT_GT(outcome.dropped, 5u) << "a run that shows nothing";
  EXPECT_EQ(outcome.forgot, 0u);
  Outcome broken;
  base::probes.mutant = base::Mutant::configuration_not_kept;
  for (uint64_t nth = 100; nth <= 160; nth += 10) lose_power(nth, nth, broken);
  base::probes.mutant = base::Mutant::none;
  EXPECT_GT(broken.forgot, 0u) << "not kept, and not missed";
}

}  // namespace
}  // namespace casbook::test
