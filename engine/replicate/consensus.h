// Raft's rules, by libraft's raft_step(): events in, updates out. No I/O, no threads, no clock of
// its own; keeps indices and terms, never an entry's bytes.
//
// Guards here are against the traps that replicate/README.md lists (D1 to D14).
#pragma once

#include <optional>
#include <string>

#include <casbook/result.h>

#include "replicate/message.h"

namespace casbook::replicate {

struct Server {
  uint64_t id = 0;
  std::string address;  // of its daemon, "10.0.0.1:7400": told to callers by `not_leader`
  bool operator==(const Server&) const = default;
};
// The voters, by ascending id.
struct Configuration {
  std::vector<Server> servers;
  bool operator==(const Configuration&) const = default;
};
// The body of an EntryType::change. damaged: not one.
std::vector<std::byte> encode(const Configuration& configuration);
Result<Configuration> decode_configuration(std::span<const std::byte> body);

enum class Role { follower, candidate, leader };

// What a node comes back with from its disk.
struct Recovered {
  uint64_t node = 0;
  uint64_t term = 0, voted_for = 0;
  // Before the first entry that is kept; 0: all are.
  uint64_t base_index = 0, base_term = 0;
  Configuration configuration;    // as of base_index; used when that is not 0
  std::vector<EntryPtr> entries;  // behind the base: index, term, type; body of changes only
};

struct ConsensusOptions {
  uint32_t election_timeout_ms = 150;  // and up to twice that, at random
  uint32_t heartbeat_ms = 30;
  uint32_t inflight_max = 4096;  // entries sent and not answered, per follower
  uint32_t seed = 1;
};

// In the order in which it has to be done: term and vote on disk, then entries to the log (from
// the first one's index on they replace what is there), then messages out.
struct Update {
  bool has_term_or_vote = false;
  uint64_t term = 0, voted_for = 0;
  std::vector<EntryPtr> entries;
  std::vector<Outgoing> messages;
};

class Consensus {
 public:
  static Result<std::unique_ptr<Consensus>> open(const Recovered& recovered,
                                                 const ConsensusOptions& options, int64_t now_ms);
  ~Consensus();

  // Events. The update has to be carried out before the next event. `now_ms` never falls.
  Result<Update> receive(uint64_t from, const Message& message, int64_t now_ms);
  // All entries up to `index` are on disk: of those that update() handed out last, see D13.
  Result<Update> persisted(uint64_t index, int64_t now_ms);
  // When deadline_ms() is reached: heartbeats, elections.
  Result<Update> timeout(int64_t now_ms);
  // Leader only; entry->index is last_index() + 1 and entry->term is term(). not_leader.
  Result<Update> submit(EntryPtr entry, int64_t now_ms);
  Result<Update> transfer(uint64_t to, int64_t now_ms);
  // The log was cut at its old end: entries up to `index` are gone from it. No messages come of it.
  Result<Update> compacted(uint64_t index, int64_t now_ms);

  // False: this node stands for no election, but votes and follows. At first true.
  void set_may_lead(bool may_lead);

  Role role() const;
  uint64_t term() const;
  std::optional<Server> leader() const;  // as far as known, in this term
  uint64_t last_index() const;
  // Never falls, see D2.
  uint64_t commit_index() const;
  int64_t deadline_ms() const;
  const Configuration& configuration() const;
  // Of a follower, as the leader knows: what it has on disk.
  uint64_t match_index(uint64_t node) const;

 private:
  struct Impl;
  explicit Consensus(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace casbook::replicate
