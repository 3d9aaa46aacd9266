// A node of the cluster: consensus, log, transport and book, put together. Decides what goes out,
// what the book has to do next, and what callers may be told.
//
//   collect()    leader: records of the book -> an entry -> consensus -> disk, network
//   receive()    datagrams -> consensus, acknowledgements -> what is reached
//   disk_moved() what is synced -> consensus
//   tick()       heartbeats, elections, repairs, rounds of proof
//   next_task()  what the book's own thread does: apply, promote, rebuild
//
// Standing of the book:
//
//   following --elected, all up to the barrier applied--> promoting --OPEN(term)--> leading
//       ^                                                                             |
//       |                                              deposed: SEAL(term), at once   |
//       +------- a new arena, up to what is committed ------------ sealed <-----------+
//
//   following, leading --found to be another book, or by hand--> quarantined, for good: the node
//   votes and keeps the log; one that leads hands over first
//
// A state machine: one caller at a time, no threads, no clock. PROTOCOL.md has the rules.
#pragma once

#include <array>

#include "base/probe.h"
#include "journal/configuration_file.h"
#include "journal/state_file.h"
#include "replicate/announce.h"
#include "replicate/divergence_watch.h"
#include "replicate/laggards.h"
#include "replicate/membership.h"
#include "replicate/peer_disks.h"
#include "replicate/raft_log.h"
#include "replicate/transport.h"
#include "replicate/write_delay.h"

namespace casbook::replicate {

// The book, as a node sees it. Called under whatever keeps the Replicator's callers apart; none of
// these blocks.
class HostedBook {
 public:
  virtual ~HostedBook() = default;
  // No commit of that term is claimed any more once this returns.
  virtual void seal(uint64_t term) = 0;
  // Whole records from `from_lsn` on, of one term, into `entry`: first_lsn, count, term, body.
  // False: there is none.
  virtual Result<bool> take(uint64_t from_lsn, uint64_t bytes_max, LogEntry& entry) = 0;
  virtual uint64_t end_lsn() const = 0;  // one behind the last record
  virtual Waits waits() const = 0;
  virtual void tell_quorum(Position position) = 0;
  virtual void tell_durable(Position position) = 0;
  virtual void tell_leader(const std::optional<Server>& leader, uint64_t term) = 0;
  virtual void tell_leading_until(int64_t ns) = 0;  // 0: not leading
  // Requests for proof that this node leads, counted; and those that were proven.
  virtual uint64_t confirm_asked() const = 0;
  virtual void tell_confirmed(uint64_t asked) = 0;
  // Nothing is committed in it any more; where it diverged, nothing is read from it either.
  virtual void quarantine(const std::optional<Divergence>& divergence) = 0;
};

// Why a node's book is not used any more.
struct Quarantine {
  std::optional<Divergence> divergence;  // nothing: by hand, or as `error` says
  bool is_of_majority = false;           // that found the divergence
  std::optional<Error> error{};
};

struct ReplicatorOptions {
  Server self;
  // Where the log's own is not known: of a journal whose base is older than the file that keeps it
  // (journal/configuration_file.h); whom a node without a log hears first.
  Configuration configuration;
  ConsensusOptions consensus{};
  TransportOptions transport{};
  uint64_t entry_bytes_max = 32 << 10;
  // Not committed yet, at most; bounds what a deposed leader has to unlearn entry by entry (D4).
  uint64_t window_entries = 4096;
  uint64_t window_bytes = 4ull << 20;
  LagLimits lag{};
  WriteDelayLimits write{};
  uint64_t digest_bytes_per_second = 8ull << 20;  // of cells that are compared; 0: none are
};

enum class Standing { following, promoting, leading, sealed, quarantined };

struct Task {
  enum class Kind {
    none,
    apply,    // `entry` to the book, then applied(entry->index)
    promote,  // OPEN(term) and what belongs to it, then promoted(term)
    rebuild,  // a new arena, at least to `committed` of the log or less; then rebuilt(index)
    digest,   // by `plan`; then digested()
    compare,  // with `digest`; then compared()
  };
  Kind kind = Kind::none;
  EntryPtr entry;
  uint64_t term = 0;
  Position committed;
  DigestPlan plan{};
  std::shared_ptr<const Digest> digest{};
};

class Replicator {
 public:
  // `state` as read from the storage, of this cluster and node. `applied`: entries up to this index
  // are in the book already; `needs_rebuild`: the book may have more than the log, or there is
  // none.
  static Result<std::unique_ptr<Replicator>> open(const ReplicatorOptions& options,
                                                  journal::Storage& storage,
                                                  const journal::JournalState& state, RaftLog& log,
                                                  Network& network, const ClusterKeys& keys,
                                                  HostedBook& book, uint64_t applied,
                                                  bool needs_rebuild, int64_t now_ns);

  // Errors of all: the node cannot go on (disk of the state file, consensus out of memory, a term
  // beyond the last).
  Result<void> receive(std::span<const std::byte> datagram, int64_t now_ns);
  Result<void> tick(int64_t now_ns);
  int64_t deadline_ns() const;
  // True: there may be more at once.
  Result<bool> collect(int64_t now_ns);
  Result<void> disk_moved(int64_t now_ns);
  // The node is going to end: from here on entries wait for nothing on their way to the disk.
  Result<void> write_at_once(int64_t now_ns);
  void set_keys(const ClusterKeys& keys) { transport_->set_keys(keys); }
  // False: this node has no room on its disk. It leads no longer than another can, and stands for
  // no election, but follows.
  Result<void> set_able(bool is_able, int64_t now_ns);
  // What is asked about the members; membership.h has the rules. The answer is there after a later
  // event.
  Result<uint64_t> ask(const MemberRequest& request, int64_t now_ns);
  std::optional<Result<void>> take_answer(uint64_t ticket) {
    return membership_.take_answer(ticket);
  }
  const Configuration& configuration() const { return consensus_->configuration(); }
  const Configuration& committed_configuration() const {
    return consensus_->committed_configuration();
  }
  uint64_t configuration_version() const { return consensus_->configuration_version(); }
  // What the file `configuration` has, for a copy of the journal; empty: there is none yet.
  std::vector<std::byte> configuration_of_copy() const {
    return kept_.index == 0 ? std::vector<std::byte>() : journal::encode(kept_);
  }
  // The log is going to lose its old end. False: consensus still needs it.
  Result<bool> compacted(uint64_t index, int64_t now_ns);

  // Whether next_task() may have one that somebody waits for, or an entry to apply; of time alone
  // nobody is told.
  bool has_task() const;
  bool has_entry() const;
  Task next_task();
  void applied(uint64_t index);
  void promoted(uint64_t term);
  void rebuilt(uint64_t index);
  void digested(const Digest& digest);
  void compared(const Comparison& comparison);
  // The book was found quarantined, or what was applied did not fit: `error`. It is so for good.
  Result<void> quarantine(const std::optional<Error>& error, int64_t now_ns);

  // The log of the leader begins behind what this node has: a copy has to come from there.
  struct CatchUp {
    Server leader;
    uint64_t base_index = 0;
  };
  std::optional<CatchUp> catch_up_wanted() const;

  Standing standing() const { return standing_; }
  Role role() const { return consensus_->role(); }
  uint64_t term() const { return consensus_->term(); }
  // That the book was opened for last, and has to be sealed in. Consensus may be ahead of it.
  uint64_t led_term() const { return led_term_; }
  uint64_t commit_index() const { return consensus_->commit_index(); }
  uint64_t applied_index() const { return applied_; }
  uint64_t persisted_index() const { return persisted_; }
  // Its address may be empty: it is not known here.
  std::optional<Server> leader() const;
  struct NodeState {
    uint64_t id = 0, received_index = 0, synced_index = 0;
    int64_t heard_ns = 0;
    std::optional<ServerRole> role;  // nothing: no member
  };
  // As the leader knows; this node itself among them.
  std::vector<NodeState> nodes() const;
  struct Counts {
    uint64_t elections = 0, step_downs = 0;
  };
  const Counts& counts() const { return counts_; }
  const Transport& transport() const { return *transport_; }
  PeerDisks& disks() { return disks_; }
  const std::optional<Quarantine>& quarantine() const { return quarantine_; }
  const DivergenceWatch::Counts& digests() const { return divergence_.counts(); }

 private:
  struct Follower {
    uint64_t id = 0, received = 0, round = 0;
    uint64_t boot = 0;      // that `received` is of: memory ends with it
    uint64_t lag_boot = 0;  // that the laggards know
    AppendResult result{};  // the last that was no rejection
    int64_t heard_ns = 0;   // when consensus heard of it
    bool is_voter = false;
  };
  // A member that was removed, and has to hear of it.
  struct Leaving {
    uint64_t id = 0, match = 0, index = 0;
    int64_t until_ns = 0, next_ns = 0;
  };
  struct Round {
    uint64_t number = 0, asked = 0;
    int64_t sent_ns = 0;
  };

  Replicator(const ReplicatorOptions& options, journal::Storage& storage,
             const journal::JournalState& state, RaftLog& log, Network& network, HostedBook& book,
             PeerDisks disks);
  // What another node says against the rules is dropped.
  static bool is_fatal(const Error& error) {
    return error.code == Code::damaged || error.code == Code::no_memory ||
           error.code == Code::book_full;
  }
  Result<void> hand_over();
  Result<void> check_disks();
  Result<void> carry_out(Result<Update>&& update);
  void note_role();
  void lead();
  void step_down();
  void tell_progress();
  void tell_leader();
  uint64_t majority_of(std::vector<uint64_t> values) const;
  uint64_t quorum_index() const;
  bool are_payments_held() const {
    return membership_.holds_payments() || consensus_->is_transferring();
  }
  bool is_window_open() const;
  bool wants_to_lead() const {
    return is_able_ && (!quarantine_ || base::mutated(base::Mutant::quarantined_stands));
  }
  void decide_may_lead() {
    consensus_->set_may_lead(wants_to_lead() && standing_ != Standing::sealed);
  }
  int64_t now_ms() const { return now_ns_ / 1'000'000; }
  int64_t election_timeout_ns() const {
    return options_.consensus.election_timeout_ms * int64_t{1'000'000};
  }

  // --- replicator_messages.cc
  void on_message(uint64_t from, Message&& message);
  void acknowledge(uint64_t from, const AppendEntries& append, bool is_rejected);
  void begin_hearing(uint64_t term);
  void tell_received(uint64_t leader);
  void on_received(uint64_t from, const Received& received);
  Follower* find_follower(uint64_t node);
  void note_result(uint64_t from, const AppendResult& result);
  void prove_contact(uint64_t from);

  // --- replicator_laggards.cc
  void note_lag(const Follower& follower);
  void offer_copies(std::vector<Outgoing>& messages) const;
  bool is_out(uint64_t node);
  void spare_laggards(std::vector<Outgoing>& messages);
  void on_offer(uint64_t from, const Offer& offer);

  // --- replicator_disk.cc
  Result<void> hand_to_disk();
  void want_disk(uint64_t index, bool is_alone);
  void note_disk_wanted(const DiskWanted& wanted);
  void answer_without_disk();
  void want_disk_for_the_sent();

  // --- replicator_rounds.cc
  void begin_round();
  void note_rounds();
  void tell_leading(int64_t round_sent_ns);

  // --- replicator_divergence.cc
  bool take_digest_talk(uint64_t from, Message& message);
  void on_digest_answer(uint64_t from, const DigestAnswer& answer);
  void tell_unfit(uint64_t leader, const Digest& digest);
  void enter(Quarantine&& quarantine);
  Task next_comparison();

  // --- replicator_members.cc
  bool is_there(uint64_t node) const;
  Result<void> recover_configuration(Recovered& recovered, uint64_t applied);
  Result<void> keep_configuration(uint64_t index, const Configuration& configuration);
  Result<void> note_configuration();
  Result<void> name_peers();
  bool is_voter() const { return configuration().has_voter(options_.self.id); }
  MembershipView membership_view() const;
  Result<void> tend_members();
  Result<void> change(const Configuration& to);
  void forgive_removed();
  Result<void> tell_leaving();
  void note_leaving(uint64_t from, const AppendResult& result);

  const ReplicatorOptions options_;
  journal::Storage& storage_;
  journal::JournalState state_;
  RaftLog& log_;
  Network& network_;
  HostedBook& book_;
  std::unique_ptr<Consensus> consensus_;
  PeerDisks disks_;
  std::unique_ptr<Transport> transport_;
  std::optional<Error> failure_;  // met inside a delivery
  int64_t refused_since_ns_ = 0;  // for its disk; 0: not
  int64_t now_ns_ = 0;

  Standing standing_ = Standing::following;
  Role role_ = Role::follower;
  uint64_t term_ = 0;       // that role_ was noted in
  uint64_t led_term_ = 0;   // that the book was or is being opened for
  bool is_tasked_ = false;  // promote or rebuild is under way
  bool is_able_ = true;
  int64_t next_hand_over_ns_ = 0;
  int64_t leaderless_since_ns_ = 0;  // 0: it is known who leads
  uint64_t handed_to_ = 0;           // the last time, to whom
  WriteDelay write_delay_;
  uint64_t disk_wanted_ = 0;  // as a leader: up to where the disk was asked for
  uint64_t applied_ = 0, persisted_ = 0;
  uint64_t window_bytes_ = 0;                            // of entries that are not committed
  std::deque<std::pair<uint64_t, uint64_t>> in_flight_;  // {index, bytes}
  Position quorum_told_, durable_told_;
  std::optional<Server> leader_told_;
  uint64_t leader_term_told_ = 0;

  std::vector<Follower> followers_;
  Laggards laggards_;
  uint64_t round_ = 0, confirm_sent_ = 0;
  std::deque<Round> rounds_;
  int64_t next_round_ns_ = 0;
  int64_t proven_ns_ = 0;  // when the last round of this term was sent that a majority answered
  // As a follower: of the term heard_term_.
  uint64_t heard_term_ = 0, heard_round_ = 0, matched_ = 0;
  int64_t answer_due_ns_ = INT64_MAX;  // of what was received and is told when the disk has it
  std::optional<Offer> offer_;         // the last one of a leader
  Counts counts_;
  DivergenceWatch divergence_;
  std::optional<Quarantine> quarantine_;

  Membership membership_;
  journal::KeptConfiguration kept_;
  uint64_t configuration_seen_ = UINT64_MAX;  // version
  std::vector<Leaving> leaving_;
};

}  // namespace casbook::replicate
