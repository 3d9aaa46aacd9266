// Raft's rules, by libraft's raft_step(): events in, updates out. No I/O, no threads, no clock of
// its own; keeps indices and terms, never an entry's bytes.
//
// Guards here are against the traps that replicate/README.md lists (D1 to D27).
//
// Not thread-safe. Nothing here waits.
#pragma once

#include <optional>
#include <string>

#include <casbook/result.h>

#include "replicate/message.h"

namespace casbook::replicate {

// standby: has the log and follows, counts for nothing and stands for no election. joining: a
// stand-by that the leader makes a voter as soon as it has nearly all (membership.h).
enum class ServerRole : uint8_t { voter = 0, standby = 1, joining = 2 };
struct Server {
  uint64_t id = 0;
  std::string address;  // of its daemon, "10.0.0.1:7400": told to callers by `not_leader`
  ServerRole role = ServerRole::voter;
  bool is_voter() const { return role == ServerRole::voter; }
  bool operator==(const Server&) const = default;
};
// The members, by ascending id; none: not known yet.
struct Configuration {
  std::vector<Server> servers;
  const Server* find(uint64_t id) const;  // null: no member
  bool has_voter(uint64_t id) const;
  uint32_t voters() const;
  bool operator==(const Configuration&) const = default;
};
// A single voter would lead again without a new term (D17).
constexpr uint32_t kVotersMin = 2;
constexpr uint32_t kServersMax = 7;
constexpr uint32_t kAddressBytesMax = 255;
// bad_argument, with what is wrong: too few voters, too many members, ids that do not ascend, an
// address that is empty, too long, not printable or there twice.
Result<void> check(const Configuration& configuration);
// The body of an EntryType::change; configuration.cc has the bytes. damaged: not one.
// format_newer: of a version that this program does not know.
std::vector<std::byte> encode(const Configuration& configuration);
Result<Configuration> decode_configuration(std::span<const std::byte> body);

enum class Role { follower, candidate, leader };

// What a node comes back with from its disk.
struct Recovered {
  uint64_t node = 0;  // not 0
  // Not below the term of any entry. 0 next to the first entry alone: a crash before the first
  // save.
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

// Fatal errors of events, after which the node has to stop: damaged (a committed entry differs from
// the leader's), no_memory. All others change nothing.
class Consensus {
 public:
  // damaged: what was recovered contradicts itself.
  static Result<std::unique_ptr<Consensus>> open(const Recovered& recovered,
                                                 const ConsensusOptions& options, int64_t now_ms);
  ~Consensus();

  // Events. The update has to be carried out before the next event. `now_ms` never falls.
  //
  // bad_argument: no node that follows the rules says this; drop it. Of AppendEntries as many
  // entries count as are there. `Received` is not for here.
  Result<Update> receive(uint64_t from, const Message& message, int64_t now_ms);
  // The entry `index` of `term` is on disk and all before it are; in the order of the updates. Of
  // an entry that was replaced meanwhile it is without effect (D13).
  Result<Update> persisted(uint64_t index, uint64_t term, int64_t now_ms);
  // When deadline_ms() is reached: heartbeats, elections. book_full: the terms are used up, this
  // node leads no more; said once per election timeout.
  Result<Update> timeout(int64_t now_ms);
  // Leader only; entry->index is last_index() + 1. not_leader: also when entry->term is not term(),
  // and while leadership is being transferred. bad_argument: a change that is none, or that comes
  // before the one before it, or an entry of this term, is committed: see may_change().
  Result<Update> submit(EntryPtr entry, int64_t now_ms);
  // 0: to the one that has most. not_leader, bad_argument.
  Result<Update> transfer(uint64_t to, int64_t now_ms);
  // The log was cut at its old end: entries up to `index` are gone from it. No messages come of it.
  // bad_argument: it is not committed, or not on disk. Followers that lack an entry behind it do
  // not get on from this leader.
  Result<Update> compacted(uint64_t index, int64_t now_ms);

  // Whether this node may become leader; true at first. While false it follows and votes, asks
  // nobody for a vote, and takes no leadership that is handed to it. One that leads goes on.
  void set_may_lead(bool may_lead);

  Role role() const;
  uint64_t term() const;
  // As far as known, in this term (D18). Without an address: the log does not have it yet.
  std::optional<Server> leader() const;
  uint64_t last_index() const;
  // On this node's disk, as far as persisted() said.
  uint64_t stored_index() const;
  // Never falls, see D2. Of a follower it may be beyond stored_index().
  uint64_t commit_index() const;
  int64_t deadline_ms() const;
  // Of the last change in the log, committed or not.
  const Configuration& configuration() const;
  // Counts what happens to it: another one, cut off, committed.
  uint64_t configuration_version() const;
  // The last one that is known to be committed. Until the one behind it is, both are in force: who
  // is in either of them has to be heard.
  const Configuration& committed_configuration() const;
  uint64_t committed_configuration_index() const;
  // Leads, and no change is under way: submit() takes one.
  bool may_change() const;
  // Leads, and hands the lead over just now: submit() takes nothing.
  bool is_transferring() const;
  // Of a follower, as the leader knows: what it has on disk. 0: not known, not leader.
  uint64_t match_index(uint64_t node) const;

 private:
  struct Impl;
  explicit Consensus(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace casbook::replicate
