// What is asked of a leader about the members of its cluster, and what it does on the way there.
//
//   add       stand-by at once; a voter as soon as it has nearly all (unless it shall stay one)
//   promote   of a stand-by: a voter as soon as it has nearly all
//   remove    out of the configuration; of the leader itself: no more payments, then out, and with
//             that committed it steps down in favour of whoever has most
//   transfer  no more payments, all of them into the log, then the lead
//
// One at a time, and each change only when the one before and an entry of this term are committed
// (consensus.h). Who joins is made a voter whoever leads and whether anybody waits: its role in the
// configuration says so.
//
// A state machine: it is shown where the node stands, and says what to do next. No I/O, no clock.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "replicate/consensus.h"

namespace casbook::replicate {

struct MemberRequest {
  enum class Kind { add, remove, promote, transfer };
  Kind kind = Kind::transfer;
  uint64_t id = 0;             // of transfer 0: whoever has most
  std::string address{};       // of add
  bool stays_standby = false;  // of add
  int64_t until_ns = 0;        // answered by then
};

// Where the node stands.
struct MembershipView {
  uint64_t self = 0, term = 0, commit = 0, last_index = 0;
  bool leads = false, may_change = false, is_transferring = false;
  bool is_drained = false;  // all of the book's records are in the log
  const Configuration& configuration;
  std::optional<Server> leader;
  std::function<uint64_t(uint64_t node)> match;
  std::function<bool(uint64_t node)> is_there;  // heard within an election timeout
  std::function<uint64_t(uint64_t index)> term_at;
  int64_t now_ns = 0, election_timeout_ns = 0;
};

struct MembershipStep {
  enum class Kind { none, drain, change, transfer };
  Kind kind = Kind::none;
  Configuration configuration;  // of change
  uint64_t to = 0;              // of transfer
};

class Membership {
 public:
  // A stand-by may lack so many entries when it becomes a voter.
  static constexpr uint64_t kLagMax = 256;

  // The ticket of the answer. bad_argument, not_leader, backpressure (too many wait): at once.
  Result<uint64_t> ask(const MemberRequest& request, const MembershipView& view);
  // Once, when it is there. wait_timeout, not_leader, outcome_unknown (it was begun, and this node
  // leads no more), or as ask().
  std::optional<Result<void>> take_answer(uint64_t ticket);
  // What has to be done now. Again until it says none.
  MembershipStep next(const MembershipView& view);
  // What became of a step.
  void changed(uint64_t index, uint64_t term);
  void transferring();
  void refused(const Error& error);
  // Payments wait for a change of leader: nobody is told that this node leads.
  bool holds_payments() const { return is_draining_; }
  bool is_idle() const { return waiting_.empty(); }

 private:
  enum class Stage { begin, draining, committing, promoting, transferring };
  struct Asked {
    uint64_t ticket = 0;
    MemberRequest request;
    Stage stage = Stage::begin;
    uint64_t index = 0, term = 0;  // of the change
    int64_t drained_by_ns = 0;
  };

  MembershipStep begin(Asked& asked, const MembershipView& view);
  MembershipStep advance(Asked& asked, const MembershipView& view);
  MembershipStep drain(Asked& asked, const MembershipView& view);
  MembershipStep promote(Asked& asked, const MembershipView& view);
  MembershipStep change_or_done(Asked& asked, const MembershipView& view);
  MembershipStep promote_joining(const MembershipView& view) const;
  bool is_over(Asked& asked, const MembershipView& view);
  void answer(const Result<void>& result);

  std::deque<Asked> waiting_;
  std::map<uint64_t, Result<void>> answers_;
  uint64_t tickets_ = 0;
  bool is_draining_ = false;
};

// The configuration that a request asks for; the same one where it is so already. bad_argument.
Result<Configuration> changed_by(const MemberRequest& request, const Configuration& configuration);
Configuration with_role(Configuration configuration, uint64_t id, ServerRole role);
// "node 2 at 10.0.0.2:7400 leads", or that nobody is known to.
Error not_leader(const std::optional<Server>& leader);

}  // namespace casbook::replicate
