// One node of consensus among messages that the test makes up: Consensus alone, and what the test
// says the others said.
#pragma once

#include <stdexcept>

#include <gtest/gtest.h>

#include "support/consensus_cluster.h"

namespace casbook::test {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return *std::move(result);
}

template <class M>
std::vector<M> all_of(const replicate::Update& update) {
  std::vector<M> found;
  for (const replicate::Outgoing& outgoing : update.messages)
    if (const auto* m = std::get_if<M>(&outgoing.message)) found.push_back(*m);
  return found;
}

inline replicate::EntryPtr records(uint64_t index, uint64_t term) {
  return std::make_shared<replicate::LogEntry>(
      replicate::LogEntry{.index = index, .term = term, .body = {}});
}
inline replicate::EntryPtr change(uint64_t index, uint64_t term,
                                  const replicate::Configuration& configuration) {
  return std::make_shared<replicate::LogEntry>(
      replicate::LogEntry{.index = index,
                          .term = term,
                          .type = journal::EntryType::change,
                          .body = replicate::encode(configuration)});
}
// The first three members, the last one at another port.
inline replicate::Configuration moved(uint64_t port) {
  replicate::Configuration configuration = ConsensusCluster::configuration(3);
  configuration.servers[2].address = "10.0.0.3:" + std::to_string(port);
  return configuration;
}

class LoneNode {
 public:
  static constexpr uint8_t kVoteResultVersion = 2;  // libraft's, as of 0.22

  explicit LoneNode(replicate::Recovered recovered, replicate::ConsensusOptions options = {}) {
    consensus = must(replicate::Consensus::open(recovered, options, now));
  }
  explicit LoneNode(uint64_t id = 2, uint64_t nodes = 3) : LoneNode(fresh(id, nodes)) {}

  static replicate::Recovered fresh(uint64_t id, uint64_t nodes = 3) {
    return {.node = id, .term = 1, .entries = {ConsensusCluster::first_entry(nodes)}};
  }

  // From node 1. The entries are of these terms, behind `prev`.
  replicate::Update append(uint64_t term, uint64_t prev, uint64_t prev_term,
                           std::vector<uint64_t> terms, uint64_t commit = 1) {
    replicate::AppendEntries m{
        .term = term, .prev_index = prev, .prev_term = prev_term, .commit = commit};
    for (const uint64_t each : terms) m.entries.push_back(records(++prev, each));
    m.count = static_cast<uint32_t>(terms.size());
    return receive(1, m);
  }
  replicate::Update receive(uint64_t from, const replicate::Message& m) {
    return must(consensus->receive(from, m, ++now));
  }
  replicate::Update persisted(uint64_t index, uint64_t term) {
    return must(consensus->persisted(index, term, ++now));
  }
  replicate::Update time_out() {
    now = std::max(now + 1, consensus->deadline_ms());
    return must(consensus->timeout(now));
  }
  replicate::VoteResult vote(bool is_pre_vote) const {
    return {.version = kVoteResultVersion,
            .term = consensus->term() + is_pre_vote,
            .is_granted = true,
            .is_pre_vote = is_pre_vote};
  }
  // Leader of the next term by the votes of these, its barrier on disk.
  replicate::Update lead(std::vector<uint64_t> by) {
    while (all_of<replicate::VoteRequest>(time_out()).empty()) {
    }
    for (const uint64_t voter : by) receive(voter, vote(true));
    replicate::Update won;
    for (const uint64_t voter : by) won = receive(voter, vote(false));
    EXPECT_EQ(consensus->role(), replicate::Role::leader);
    persisted(consensus->last_index(), consensus->term());
    return won;
  }
  // That follower has all up to `index` on disk.
  replicate::Update match(uint64_t from, uint64_t index) {
    return receive(from, replicate::AppendResult{
                             .version = 1, .term = consensus->term(), .last_index = index});
  }
  replicate::Update submit(replicate::EntryPtr entry) {
    return must(consensus->submit(std::move(entry), ++now));
  }

  std::unique_ptr<replicate::Consensus> consensus;
  int64_t now = 1'000'000;
};

}  // namespace casbook::test
